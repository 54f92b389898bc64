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

const HEX: &[u8; 16] = b"0123456789abcdef";
/// Before which bytes a UUID has a hyphen.
const HYPHENS: [usize; 4] = [4, 6, 8, 10];

/// A stored column in the type that SQL shows: ids of 16 bytes as UUIDs, of 20 bytes as
/// addresses, the rest by a cast that keeps the value.
pub fn column(stored: &RecordBatch, shown: &Field) -> Result<ArrayRef> {
    let column = stored.column_by_name(shown.name()).ok_or_else(|| lacks(shown.name()))?;
    match (column.data_type(), shown.data_type()) {
        (from, to) if from == to => Ok(column.clone()),
        (DataType::FixedSizeBinary(16), DataType::Utf8) => fixed(column.as_fixed_size_binary(), 36, write_uuid),
        (DataType::FixedSizeBinary(20), DataType::Utf8) => fixed(column.as_fixed_size_binary(), 42, write_address),
        (_, to) => Ok(cast(column, to)?),
    }
}

/// Texts of one length from ids without nulls.
fn fixed(ids: &FixedSizeBinaryArray, length: usize, write: fn(&[u8], &mut Vec<u8>)) -> Result<ArrayRef> {
    let mut text = Vec::with_capacity(ids.len() * length);
    for row in 0..ids.len() {
        write(ids.value(row), &mut text);
    }
    let offsets = OffsetBuffer::from_repeated_length(length, ids.len());
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(text), ids.nulls().cloned())?))
}

fn write_uuid(id: &[u8], text: &mut Vec<u8>) {
    for (place, byte) in id.iter().enumerate() {
        if HYPHENS.contains(&place) {
            text.push(b'-');
        }
        write_byte(*byte, text);
    }
}

fn write_address(id: &[u8], text: &mut Vec<u8>) {
    text.extend_from_slice(b"0x");
    id.iter().for_each(|byte| write_byte(*byte, text));
}

fn write_byte(byte: u8, text: &mut Vec<u8>) {
    text.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

/// The error of a stored batch without a column that it must have.
pub fn lacks(column: &str) -> Error {
    Error::corrupt(format!("a stored batch lacks column {column}, or it has another type"))
}

/// Columns that cannot be built from rows.
pub fn unbuilt(cause: schemas::columns::ColumnError) -> Error {
    Error::fatal("rows for SQL", cause)
}
