//! Keys as words: packed from columns, and back into columns.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, UInt64Array,
};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, Schema, TimestampMillisecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use datafusion::common::{Result, exec_datafusion_err};

/// Widest key: an id, and a number beside it.
pub const WORDS: usize = 3;

pub type Key = [u64; WORDS];

/// How the key columns lie in a key's words. Words of no column are zero.
#[derive(Debug)]
pub struct KeyLayout(Vec<Column>);

/// A key column and the first of its words.
#[derive(Debug)]
struct Column {
    data_type: DataType,
    word: usize,
    /// What is flipped of a number's word, so that words sort as their values do.
    flip: u64,
}

impl KeyLayout {
    /// The layout of these columns but the first, if they fit: no nulls, and few enough words.
    pub fn new(schema: &Schema) -> Option<KeyLayout> {
        let mut columns = Vec::with_capacity(schema.fields().len());
        let mut word = 0;
        for field in schema.fields().iter().skip(1) {
            if field.is_nullable() {
                return None;
            }
            let flip = if is_signed(field.data_type()) { 1 << 63 } else { 0 };
            columns.push(Column { data_type: field.data_type().clone(), word, flip });
            word += words(field.data_type())?;
        }
        (word <= WORDS).then_some(KeyLayout(columns))
    }

    /// Packs rows from `from` on, as many as there are keys.
    pub fn pack(&self, columns: &[ArrayRef], from: usize, keys: &mut [Key]) -> Result<()> {
        self.0.iter().zip(columns).try_for_each(|(column, values)| column.pack(values, from, keys))
    }

    /// The columns of keys.
    pub fn unpack(&self, keys: &[Key]) -> Result<Vec<ArrayRef>> {
        self.0.iter().map(|column| column.unpack(keys)).collect()
    }
}

impl Column {
    fn pack(&self, values: &ArrayRef, from: usize, keys: &mut [Key]) -> Result<()> {
        if values.null_count() > 0 {
            return Err(exec_datafusion_err!("a key column that has no nulls has one"));
        }
        macro_rules! integers {
            ($type:ty) => {{
                let values = values.as_primitive_opt::<$type>().ok_or_else(|| self.mismatch(values))?;
                for (key, value) in keys.iter_mut().zip(&values.values()[from..]) {
                    key[self.word] = *value as u64 ^ self.flip;
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
                for (key, value) in keys.iter_mut().zip(values.values().slice(from, values.len() - from).iter()) {
                    key[self.word] = u64::from(value);
                }
            }
            _ => {
                let values = values.as_fixed_size_binary_opt().ok_or_else(|| self.mismatch(values))?;
                let width = usize::try_from(values.value_length()).unwrap_or(0).max(1);
                let start = (values.offset() + from) * width;
                let bytes = values.value_data().get(start..).unwrap_or_default();
                match width {
                    16 => self.pack_ids(bytes, keys),
                    _ => self.pack_bytes(bytes, width, keys),
                }
            }
        }
        Ok(())
    }

    fn pack_ids(&self, bytes: &[u8], keys: &mut [Key]) {
        for (key, id) in keys.iter_mut().zip(bytes.as_chunks::<16>().0) {
            let id = u128::from_be_bytes(*id);
            key[self.word] = (id >> 64) as u64;
            key[self.word + 1] = id as u64;
        }
    }

    fn pack_bytes(&self, bytes: &[u8], width: usize, keys: &mut [Key]) {
        for (key, value) in keys.iter_mut().zip(bytes.chunks_exact(width)) {
            for (word, part) in key[self.word..].iter_mut().zip(value.chunks(8)) {
                *word = part.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            }
        }
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
                let bytes = match usize::try_from(*width).unwrap_or(0) {
                    16 => self.unpack_ids(keys),
                    width => self.unpack_bytes(keys, width),
                };
                Arc::new(FixedSizeBinaryArray::try_new(*width, Buffer::from_vec(bytes), None)?)
            }
            // A time with its zone.
            other => {
                let times = words().map(|word| word as _);
                Arc::new(
                    PrimitiveArray::<TimestampMillisecondType>::from_iter_values(times).with_data_type(other.clone()),
                )
            }
        })
    }

    fn unpack_ids(&self, keys: &[Key]) -> Vec<u8> {
        let id = |key: &Key| u128::from(key[self.word]) << 64 | u128::from(key[self.word + 1]);
        keys.iter().map(|key| id(key).to_be_bytes()).collect::<Vec<[u8; 16]>>().into_flattened()
    }

    fn unpack_bytes(&self, keys: &[Key], width: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(keys.len() * width);
        for key in keys {
            for (number, start) in (0..width).step_by(8).enumerate() {
                let part = (width - start).min(8);
                bytes.extend_from_slice(&key[self.word + number].to_be_bytes()[8 - part..]);
            }
        }
        bytes
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
