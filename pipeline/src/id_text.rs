//! Ids of fixed width as people read them: 16 bytes as a UUID, 20 bytes as an address.
//!
//! A scan renders a column for millions of rows, so ids are written digit by digit into one
//! buffer instead of through a formatter.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::DataType;

use crate::error::Result;

/// The two hexadecimal digits of every byte.
static PAIRS: [[u8; 2]; 256] = pairs();
/// A UUID without its digits, and where the digits of each byte start.
const UUID: &[u8; 36] = b"00000000-0000-0000-0000-000000000000";
const UUID_DIGITS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
/// The same of an address.
const ADDRESS: &[u8; 42] = b"0x0000000000000000000000000000000000000000";
const ADDRESS_DIGITS: [usize; 20] = [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40];

/// The type in which people see a column: text for ids, else its own.
pub fn shown(stored: &DataType) -> DataType {
    match stored {
        DataType::FixedSizeBinary(16 | 20) => DataType::Utf8,
        other => other.clone(),
    }
}

/// A column as people see it. Texts are in the order of the ids' bytes.
pub fn show(column: &ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::FixedSizeBinary(16) => fixed(column.as_fixed_size_binary(), UUID, &UUID_DIGITS),
        DataType::FixedSizeBinary(20) => fixed(column.as_fixed_size_binary(), ADDRESS, &ADDRESS_DIGITS),
        _ => Ok(column.clone()),
    }
}

/// Texts from ids of as many bytes as `digits` has places.
fn fixed(ids: &FixedSizeBinaryArray, form: &[u8], digits: &[usize]) -> Result<ArrayRef> {
    let mut text = form.repeat(ids.len());
    for (row, text) in text.chunks_exact_mut(form.len()).enumerate() {
        for (byte, at) in ids.value(row).iter().zip(digits) {
            text[*at..*at + 2].copy_from_slice(&PAIRS[usize::from(*byte)]);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_people_read_them() {
        let id: Vec<u8> = (0..16).map(|byte| byte * 17).collect();
        let account: Vec<u8> = (0..20).map(|byte| 255 - byte).collect();
        let ids = [
            (vec![&id[..], &[0; 16][..]], "00112233-4455-6677-8899-aabbccddeeff"),
            (vec![&account[..], &[0; 20][..]], "0xfffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedec"),
        ];
        for (ids, expected) in ids {
            let ids = Arc::new(FixedSizeBinaryArray::try_from(ids).unwrap()) as ArrayRef;
            assert_eq!(show(&ids.slice(0, 1)).unwrap().as_string::<i32>().value(0), expected);
            let second = show(&ids.slice(1, 1)).unwrap();
            assert!(second.as_string::<i32>().value(0).bytes().all(|c| b"0x-".contains(&c)));
        }
    }
}
