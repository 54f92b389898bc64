//! The `streamers` table as SQL shows it.

use arrow::array::{ArrayRef, RecordBatch};

use super::{ColumnError, build};
use crate::ids::StreamId;
use crate::streamer::StreamerRow;

/// Rows as columns.
pub fn to_sql(rows: &[StreamerRow]) -> Result<RecordBatch, ColumnError> {
    let past: Vec<&[StreamId]> = rows.iter().map(|row| &row.past_streams[..]).collect();
    let columns: Vec<ArrayRef> = vec![
        build::text(rows.iter().map(|row| row.address)),
        build::text(rows.iter().map(|row| &row.username)),
        build::optional_text(rows.iter().map(|row| row.active_stream)),
        build::text_lists(&past, rows.len())?,
    ];
    Ok(RecordBatch::try_new(super::streamers(), columns)?)
}
