//! The `audit` table as SQL shows it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};

use super::{ColumnError, build};
use crate::audit::AuditRow;

/// Rows as columns.
pub fn to_sql(rows: &[AuditRow]) -> Result<RecordBatch, ColumnError> {
    let columns: Vec<ArrayRef> = vec![
        build::text(rows.iter().map(|row| row.event_uuid)),
        build::text(rows.iter().map(|row| row.question_uuid)),
        build::times(rows.iter().map(|row| row.at)),
        build::text(rows.iter().map(|row| &row.operator)),
        build::text(rows.iter().map(|row| &row.action)),
        build::optional_text(rows.iter().map(|row| row.detail.as_ref())),
        build::text(rows.iter().map(|row| row.before)),
        build::text(rows.iter().map(|row| row.after)),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.version))),
    ];
    Ok(RecordBatch::try_new(super::audit(), columns)?)
}
