//! The `outbox` table as SQL shows it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};

use super::{ColumnError, build};
use crate::outbox::OutboxRow;

/// Rows as columns.
pub fn to_sql(rows: &[OutboxRow]) -> Result<RecordBatch, ColumnError> {
    let told = || rows.iter().map(|row| &row.notification);
    let columns: Vec<ArrayRef> = vec![
        build::text(told().map(|notification| notification.notification_id)),
        build::text(told().map(|notification| notification.address)),
        build::text(told().map(|notification| notification.event)),
        build::text(told().map(|notification| notification.bet_uuid)),
        Arc::new(UInt32Array::from_iter_values(told().map(|notification| notification.status_version))),
        build::text(rows.iter().map(|row| row.state)),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.attempts))),
        build::times(rows.iter().map(|row| row.created_at)),
        build::optional_times(rows.iter().map(|row| row.sent_at)),
        build::optional_text(rows.iter().map(|row| row.email.as_ref())),
        build::optional_times(rows.iter().map(|row| row.digest)),
        build::optional_text(rows.iter().map(|row| row.last_error.as_ref())),
    ];
    Ok(RecordBatch::try_new(super::outbox(), columns)?)
}
