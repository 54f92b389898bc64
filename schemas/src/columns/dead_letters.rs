//! The `dead_letters` table as SQL shows it.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, RecordBatch};

use super::{ColumnError, build};
use crate::bet_row::shard_name;
use crate::dead_letter::DeadLetter;

/// Rows as columns.
pub fn to_sql(rows: &[DeadLetter]) -> Result<RecordBatch, ColumnError> {
    let columns: Vec<ArrayRef> = vec![
        build::text(rows.iter().map(|row| row.id)),
        build::text(rows.iter().map(|row| &row.stream)),
        build::text(rows.iter().map(|row| shard_name(row.shard))),
        build::text(rows.iter().map(|row| row.position)),
        build::times(rows.iter().map(|row| row.arrived_at)),
        build::text(rows.iter().map(|row| row.reason)),
        build::text(rows.iter().map(|row| &row.detail)),
        Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.bytes))),
    ];
    Ok(RecordBatch::try_new(super::dead_letters(), columns)?)
}
