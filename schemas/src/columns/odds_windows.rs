//! The `odds_windows` table as SQL shows it.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt16Array, UInt32Array, UInt64Array};

use super::{ColumnError, build};
use crate::odds_event::OddsEvent;

/// Rows as columns.
pub fn to_sql(rows: &[OddsEvent]) -> Result<RecordBatch, ColumnError> {
    let is_final: BooleanArray = rows.iter().map(|row| Some(row.is_final)).collect();
    let columns: Vec<ArrayRef> = vec![
        build::text(rows.iter().map(|row| &row.window_name)),
        build::times(rows.iter().map(|row| row.window_start)),
        build::times(rows.iter().map(|row| row.window_end)),
        build::text(rows.iter().map(|row| row.question_uuid)),
        Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.outcome_index))),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.bets))),
        build::totals(rows.iter().map(|row| row.stake))?,
        build::totals(rows.iter().map(|row| row.sum_odds))?,
        build::money(rows.iter().map(|row| row.avg_odds))?,
        build::money(rows.iter().map(|row| row.weighted_odds))?,
        build::money(rows.iter().map(|row| row.min_odds))?,
        build::money(rows.iter().map(|row| row.max_odds))?,
        build::money(rows.iter().map(|row| row.first_odds))?,
        build::money(rows.iter().map(|row| row.last_odds))?,
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.revision))),
        Arc::new(is_final),
    ];
    Ok(RecordBatch::try_new(super::odds_windows(), columns)?)
}
