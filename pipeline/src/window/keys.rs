//! Group keys of fixed width, which nearly all windows have: each row's key is packed into a few
//! words, and groups are found through one hash table of them.
//!
//! DataFusion's own table takes such keys through its row format where one of them is a
//! `FixedSizeBinary`, as ids are; packed words are compared and hashed several times as fast. Groups
//! are numbered in the order of their first rows, as there.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, Schema, TimestampMillisecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use datafusion::common::{Result, exec_datafusion_err};
use hashbrown::HashTable;

/// Widest key: a window's start, an id, and a number beside it.
const WORDS: usize = 4;

type Key = [u64; WORDS];

/// Groups by keys of fixed width.
pub struct FixedKeys {
    columns: Vec<Column>,
    /// The number of each group.
    table: HashTable<u32>,
    /// The key of each group.
    keys: Vec<Key>,
    /// The keys of the batch being fed; kept for its allocation.
    rows: Vec<Key>,
}

/// A key column and the first of its words.
struct Column {
    data_type: DataType,
    word: usize,
    /// What is flipped of a number's word, so that words sort as their values do.
    flip: u64,
}

impl FixedKeys {
    /// A table for keys of these columns, if they fit: no nulls, and few enough words.
    pub fn new(schema: &Schema) -> Option<FixedKeys> {
        let mut columns = Vec::with_capacity(schema.fields().len());
        let mut word = 0;
        for field in schema.fields() {
            if field.is_nullable() {
                return None;
            }
            let flip = if is_signed(field.data_type()) { 1 << 63 } else { 0 };
            columns.push(Column { data_type: field.data_type().clone(), word, flip });
            word += words(field.data_type())?;
        }
        (word <= WORDS).then(|| FixedKeys { columns, table: HashTable::new(), keys: Vec::new(), rows: Vec::new() })
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Finds the group of each row, and makes those that are new.
    pub fn intern(&mut self, columns: &[ArrayRef], groups: &mut Vec<usize>) -> Result<()> {
        let FixedKeys { columns: layout, table, keys, rows } = self;
        rows.clear();
        rows.resize(columns.first().map_or(0, |column| column.len()), [0; WORDS]);
        for (column, values) in layout.iter().zip(columns) {
            column.pack(values, rows)?;
        }
        groups.clear();
        groups.reserve(rows.len());
        let mut before = None;
        for key in rows.iter() {
            // Runs of one group are frequent in states, and in batches of few groups.
            if let Some((earlier, group)) = before
                && earlier == key
            {
                groups.push(group);
                continue;
            }
            let hash = hash(key);
            let found =
                table.entry(hash, |group| keys[*group as usize] == *key, |group| self::hash(&keys[*group as usize]));
            let group = match found {
                hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
                hashbrown::hash_table::Entry::Vacant(entry) => {
                    let group = u32::try_from(keys.len()).map_err(|_| exec_datafusion_err!("over 2^32 groups"))?;
                    entry.insert(group);
                    keys.push(*key);
                    group
                }
            };
            groups.push(group as usize);
            before = Some((key, group as usize));
        }
        Ok(())
    }

    /// The groups in the order of their keys: numbers by value, bytes by their bytes.
    pub fn order(&self) -> UInt32Array {
        let mut order: Vec<u32> = (0_u32..).take(self.keys.len()).collect();
        order.sort_unstable_by(|a, b| self.keys[*a as usize].cmp(&self.keys[*b as usize]));
        UInt32Array::from(order)
    }

    /// The keys of every group, as columns.
    pub fn emit(self) -> Result<Vec<ArrayRef>> {
        self.columns.iter().map(|column| column.unpack(&self.keys)).collect()
    }
}

impl Column {
    fn pack(&self, values: &ArrayRef, rows: &mut [Key]) -> Result<()> {
        if values.null_count() > 0 {
            return Err(exec_datafusion_err!("a key column that has no nulls has one"));
        }
        macro_rules! integers {
            ($type:ty) => {{
                let values = values.as_primitive_opt::<$type>().ok_or_else(|| self.mismatch(values))?;
                for (row, value) in rows.iter_mut().zip(values.values()) {
                    row[self.word] = *value as u64 ^ self.flip;
                }
            }};
        }
        match &self.data_type {
            DataType::Int8 => integers!(Int8Type),
            DataType::Int16 => integers!(Int16Type),
            DataType::Int32 => integers!(Int32Type),
            DataType::Int64 => integers!(Int64Type),
            DataType::UInt8 => integers!(UInt8Type),
            DataType::UInt16 => integers!(UInt16Type),
            DataType::UInt32 => integers!(UInt32Type),
            DataType::UInt64 => integers!(UInt64Type),
            DataType::Timestamp(..) => integers!(TimestampMillisecondType),
            DataType::Boolean => {
                let values = values.as_boolean_opt().ok_or_else(|| self.mismatch(values))?;
                for (row, value) in rows.iter_mut().zip(values.values()) {
                    row[self.word] = u64::from(value);
                }
            }
            _ => {
                let values = values.as_fixed_size_binary_opt().ok_or_else(|| self.mismatch(values))?;
                let width = usize::try_from(values.value_length()).unwrap_or(0).max(1);
                let start = values.offset() * width;
                let bytes = values.value_data().get(start..).unwrap_or_default();
                for (row, value) in rows.iter_mut().zip(bytes.chunks_exact(width)) {
                    for (word, part) in row[self.word..].iter_mut().zip(value.chunks(8)) {
                        *word = match part.try_into() {
                            Ok(whole) => u64::from_be_bytes(whole),
                            Err(_) => part.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
                        };
                    }
                }
            }
        }
        Ok(())
    }

    fn unpack(&self, keys: &[Key]) -> Result<ArrayRef> {
        let words = || keys.iter().map(|key| key[self.word] ^ self.flip);
        macro_rules! integers {
            ($type:ty) => {
                Arc::new(PrimitiveArray::<$type>::from_iter_values(words().map(|word| word as _)))
            };
        }
        Ok(match &self.data_type {
            DataType::Int8 => integers!(Int8Type),
            DataType::Int16 => integers!(Int16Type),
            DataType::Int32 => integers!(Int32Type),
            DataType::Int64 => integers!(Int64Type),
            DataType::UInt8 => integers!(UInt8Type),
            DataType::UInt16 => integers!(UInt16Type),
            DataType::UInt32 => integers!(UInt32Type),
            DataType::UInt64 => Arc::new(UInt64Array::from_iter_values(words())),
            DataType::Boolean => Arc::new(words().map(|word| Some(word != 0)).collect::<BooleanArray>()),
            DataType::FixedSizeBinary(width) => {
                let size = usize::try_from(*width).unwrap_or(0);
                let mut bytes = Vec::with_capacity(keys.len() * size);
                for key in keys {
                    for (number, start) in (0..size).step_by(8).enumerate() {
                        let part = (size - start).min(8);
                        bytes.extend_from_slice(&key[self.word + number].to_be_bytes()[8 - part..]);
                    }
                }
                Arc::new(FixedSizeBinaryArray::try_new(*width, Buffer::from_vec(bytes), None)?)
            }
            // A time with its zone.
            other => cast(&(integers!(TimestampMillisecondType) as ArrayRef), other)?,
        })
    }

    fn mismatch(&self, found: &ArrayRef) -> datafusion::error::DataFusionError {
        exec_datafusion_err!("a key column is {}, not {}", found.data_type(), self.data_type)
    }
}

fn is_signed(data_type: &DataType) -> bool {
    use DataType::{Int8, Int16, Int32, Int64, Timestamp};
    matches!(data_type, Int8 | Int16 | Int32 | Int64 | Timestamp(..))
}

/// The words that a value of a type takes, if it is of fixed width.
fn words(data_type: &DataType) -> Option<usize> {
    use DataType::{Boolean, FixedSizeBinary, Int8, Int16, Int32, Int64, Timestamp, UInt8, UInt16, UInt32, UInt64};
    match data_type {
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Boolean => Some(1),
        Timestamp(datafusion::arrow::datatypes::TimeUnit::Millisecond, _) => Some(1),
        FixedSizeBinary(width) if *width > 0 => Some(usize::try_from(*width).ok()?.div_ceil(8)),
        _ => None,
    }
}

/// Folded multiplication, as foldhash and wyhash have it: every bit of the key reaches every bit of
/// the hash. Keys are ids and times of our own, so no seed is needed against an adversary beyond what
/// a random id gives.
fn hash(key: &Key) -> u64 {
    fn fold(a: u64, b: u64) -> u64 {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ ((product >> 64) as u64)
    }
    fold(
        fold(key[0] ^ 0x9e37_79b9_7f4a_7c15, key[1] ^ 0xbf58_476d_1ce4_e5b9),
        fold(key[2] ^ 0x94d0_49bb_1331_11eb, key[3] ^ 0x2545_f491_4f6c_dd1d) ^ 0xd6e8_feb8_6659_fd93,
    )
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, UInt16Array};
    use datafusion::arrow::compute::take_arrays;
    use datafusion::arrow::datatypes::Field;
    use datafusion::logical_expr::EmitTo;
    use datafusion::physical_plan::aggregates::group_values::new_group_values;
    use datafusion::physical_plan::aggregates::order::GroupOrdering;

    use super::*;

    #[test]
    fn groups_are_those_of_datafusion() {
        for width in [1, 7, 8, 9, 16] {
            let schema = Arc::new(Schema::new(vec![
                Field::new("window_start", DataType::Int64, false),
                Field::new("id", DataType::FixedSizeBinary(width), false),
                Field::new("n", DataType::UInt16, false),
            ]));
            let mut ours = FixedKeys::new(&schema).unwrap();
            let mut theirs = new_group_values(schema.clone(), &GroupOrdering::None).unwrap();
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            for batch in 0..3u64 {
                let number = |row: u64| (row * 7 + batch) % 50;
                let rows = 200;
                let ids: Vec<Vec<u8>> = (0..rows).map(|row| vec![number(row) as u8; width as usize]).collect();
                let columns: [ArrayRef; 3] = [
                    Arc::new(Int64Array::from_iter_values((0..rows).map(|row| (20 - number(row) as i64) * 300_000))),
                    Arc::new(FixedSizeBinaryArray::try_from_iter(ids.into_iter()).unwrap()),
                    Arc::new(UInt16Array::from_iter_values((0..rows).map(|row| (row % 3) as u16))),
                ];
                // A slice, whose values do not start where the buffer does.
                for columns in [columns.to_vec(), columns.iter().map(|column| column.slice(17, 90)).collect()] {
                    ours.intern(&columns, &mut found).unwrap();
                    theirs.intern(&columns, &mut expected).unwrap();
                    assert_eq!(found, expected);
                }
            }
            assert_eq!(ours.len(), theirs.len());
            let order = ours.order();
            let columns = ours.emit().unwrap();
            assert_eq!(columns, theirs.emit(EmitTo::All).unwrap());
            let by_order = take_arrays(&columns, &order, None).unwrap();
            assert_eq!(by_order, super::super::columns::sorted(columns, 3).unwrap());
        }
    }

    #[test]
    fn other_keys_are_left_to_datafusion() {
        for (data_type, nullable) in
            [(DataType::Utf8, false), (DataType::Int64, true), (DataType::FixedSizeBinary(40), false)]
        {
            assert!(FixedKeys::new(&Schema::new(vec![Field::new("key", data_type, nullable)])).is_none());
        }
    }
}
