//! Stored columns as SQL shows them: ids as text, codes as names.
//!
//! A scan renders a column for millions of rows, so ids are written digit by digit into one
//! buffer instead of through a formatter.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use pipeline::{Error, Result};

/// The two hexadecimal digits of every byte.
static PAIRS: [[u8; 2]; 256] = pairs();
/// A UUID without its digits, and where the digits of each byte start.
const UUID: &[u8; 36] = b"00000000-0000-0000-0000-000000000000";
const UUID_DIGITS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
/// The same of an address.
const ADDRESS: &[u8; 42] = b"0x0000000000000000000000000000000000000000";
const ADDRESS_DIGITS: [usize; 20] = [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40];

/// A stored column in the type that SQL shows: ids of 16 bytes as UUIDs, of 20 bytes as
/// addresses, the rest by a cast that keeps the value.
pub fn column(stored: &RecordBatch, shown: &Field) -> Result<ArrayRef> {
    let column = stored.column_by_name(shown.name()).ok_or_else(|| lacks(shown.name()))?;
    match (column.data_type(), shown.data_type()) {
        (from, to) if from == to => Ok(column.clone()),
        (DataType::FixedSizeBinary(16), DataType::Utf8) => fixed(column.as_fixed_size_binary(), UUID, &UUID_DIGITS),
        (DataType::FixedSizeBinary(20), DataType::Utf8) => {
            fixed(column.as_fixed_size_binary(), ADDRESS, &ADDRESS_DIGITS)
        }
        (_, to) => Ok(cast(column, to)?),
    }
}

/// Texts from ids of as many bytes as `digits` has places.
///
/// Plain loops over indices: this crate is compiled for a quick build, which leaves iterators as
/// calls, and a scan comes through here for every id of millions of rows.
fn fixed(ids: &FixedSizeBinaryArray, form: &[u8], digits: &[usize]) -> Result<ArrayRef> {
    let mut text = form.repeat(ids.len());
    let mut row = 0;
    while row < ids.len() {
        let (id, start) = (ids.value(row), row * form.len());
        let mut place = 0;
        while place < digits.len() {
            let [high, low] = PAIRS[id[place] as usize];
            let at = start + digits[place];
            text[at] = high;
            text[at + 1] = low;
            place += 1;
        }
        row += 1;
    }
    let offsets = OffsetBuffer::from_repeated_length(form.len(), ids.len());
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(text), ids.nulls().cloned())?))
}

const fn pairs() -> [[u8; 2]; 256] {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
}

/// The error of a stored batch without a column that it must have.
pub fn lacks(column: &str) -> Error {
    Error::corrupt(format!("a stored batch lacks column {column}, or it has another type"))
}

/// Columns that cannot be built from rows.
pub fn unbuilt(cause: schemas::columns::ColumnError) -> Error {
    Error::fatal("rows for SQL", cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_people_read_them() {
        let id: Vec<u8> = (0..16).map(|byte| byte * 17).collect();
        let account: Vec<u8> = (0..20).map(|byte| 255 - byte).collect();
        let ids = [
            (
                FixedSizeBinaryArray::try_from(vec![&id[..], &[0; 16][..]]).unwrap(),
                "00112233-4455-6677-8899-aabbccddeeff",
            ),
            (
                FixedSizeBinaryArray::try_from(vec![&account[..], &[0; 20][..]]).unwrap(),
                "0xfffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedec",
            ),
        ];
        for (ids, expected) in ids {
            let stored = RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef)]).unwrap();
            let shown = column(&stored.slice(0, 1), &Field::new("id", DataType::Utf8, false)).unwrap();
            assert_eq!(shown.as_string::<i32>().value(0), expected);
            let second = column(&stored.slice(1, 1), &Field::new("id", DataType::Utf8, false)).unwrap();
            assert!(second.as_string::<i32>().value(0).bytes().all(|c| b"0x-".contains(&c)));
        }
    }
}
