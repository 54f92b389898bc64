//! The `streams` table as SQL shows it.

use arrow::array::{ArrayRef, RecordBatch};

use super::{ColumnError, build};
use crate::ids::QuestionId;
use crate::stream::StreamRow;

/// Rows as columns.
pub fn to_sql(rows: &[StreamRow]) -> Result<RecordBatch, ColumnError> {
    let specs = || rows.iter().map(|row| &row.spec);
    let questions: Vec<&[QuestionId]> = rows.iter().map(|row| &row.questions[..]).collect();
    let columns: Vec<ArrayRef> = vec![
        build::text(specs().map(|spec| spec.stream_uuid)),
        build::text(specs().map(|spec| &spec.stream_url)),
        build::text(specs().map(|spec| &spec.platform)),
        build::text(specs().map(|spec| &spec.game)),
        build::text_lists(&questions, rows.len())?,
    ];
    Ok(RecordBatch::try_new(super::streams(), columns)?)
}
