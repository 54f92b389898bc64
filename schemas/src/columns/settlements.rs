//! The `settlements` table as SQL shows it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};

use super::{ColumnError, build};
use crate::settlement::SettlementRow;

/// Rows as columns.
pub fn to_sql(rows: &[SettlementRow]) -> Result<RecordBatch, ColumnError> {
    let count =
        |of: fn(&SettlementRow) -> u64| Arc::new(UInt64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let columns: Vec<ArrayRef> = vec![
        build::text(rows.iter().map(|row| row.question_uuid)),
        count(|row| row.version),
        count(|row| row.accepted),
        count(|row| row.bets_won),
        count(|row| row.bets_lost),
        count(|row| row.bets_void),
        build::totals(rows.iter().map(|row| row.staked))?,
        build::totals(rows.iter().map(|row| row.returned))?,
        build::times(rows.iter().map(|row| row.started_at)),
        build::optional_times(rows.iter().map(|row| row.settled_at)),
    ];
    Ok(RecordBatch::try_new(super::settlements(), columns)?)
}
