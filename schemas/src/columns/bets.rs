//! The `bets` table as SQL shows it, from a stored block.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt16Array, UInt32Array, UInt64Array};

use super::bet_block::BetBlock;
use super::{ColumnError, build};
use crate::bet_row::{BetRow, shard_name};

/// A block's rows with ids as text and codes as names.
pub fn to_sql(block: &RecordBatch) -> Result<RecordBatch, ColumnError> {
    let block = BetBlock::new(block)?;
    let rows: Vec<BetRow> = (0..block.len()).map(|row| block.row(row)).collect::<Result<_, _>>()?;
    rows_to_sql(&rows)
}

/// Rows with later changes of status already applied.
pub fn rows_to_sql(rows: &[BetRow]) -> Result<RecordBatch, ColumnError> {
    let bets = || rows.iter().map(|row| &row.bet);
    let active: BooleanArray = rows.iter().map(|row| Some(row.active())).collect();
    let columns: Vec<ArrayRef> = vec![
        build::text(bets().map(|bet| bet.bet_uuid)),
        build::text(bets().map(|bet| bet.question_uuid)),
        Arc::new(UInt64Array::from_iter_values(bets().map(|bet| bet.chain_id))),
        Arc::new(UInt16Array::from_iter_values(bets().map(|bet| bet.outcome_index))),
        build::money(bets().map(|bet| bet.buy_amount))?,
        build::text(bets().map(|bet| bet.bettor)),
        Arc::new(active),
        build::money(bets().map(|bet| bet.odds))?,
        build::times(bets().map(|bet| bet.placed_at)),
        build::times(rows.iter().map(|row| row.arrived_at)),
        build::text(rows.iter().map(|row| row.status)),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.status_version))),
        build::optional_text(rows.iter().map(|row| row.reject_reason)),
        build::optional_money(rows.iter().map(|row| row.payout))?,
        build::text(rows.iter().map(|row| shard_name(row.shard))),
        build::text(rows.iter().map(|row| row.position)),
        build::optional_text(rows.iter().map(|row| row.result)),
    ];
    Ok(RecordBatch::try_new(super::bets(), columns)?)
}
