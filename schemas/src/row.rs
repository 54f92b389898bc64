//! The compact binary form of table rows.
//!
//! Fields are numbered, not named. A new field is optional and takes the next number:
//! old rows then read as without it, and old programs skip it.

use minicbor::{Decode, Encode};

use crate::codec::infallible;

/// Bytes that are not the row they should be: a damaged table, or a newer program's row.
#[derive(Debug, thiserror::Error)]
#[error("stored {row} row cannot be read: {source}; the table is damaged or written by a newer version")]
pub struct RowError {
    row: &'static str,
    source: minicbor::decode::Error,
}

/// A table row with a stored form.
pub trait Row: Encode<()> + for<'b> Decode<'b, ()> {
    /// The table's name, for errors.
    const TABLE: &'static str;

    /// The stored bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        infallible(minicbor::encode(self, &mut bytes));
        bytes
    }

    /// Reads stored bytes.
    fn from_bytes(bytes: &[u8]) -> Result<Self, RowError> {
        minicbor::decode(bytes).map_err(|source| RowError { row: Self::TABLE, source })
    }
}
