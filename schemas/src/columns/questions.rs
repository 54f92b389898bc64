//! The `questions` table as SQL shows it.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt8Array, UInt16Array, UInt64Array};
use arrow::error::ArrowError;

use super::{ColumnError, build};
use crate::ids::BetId;
use crate::question::QuestionRow;

/// Rows with the ids of their bets, `bets[i]` for `rows[i]`; rows beyond the end of
/// `bets` have empty lists.
pub fn to_sql(rows: &[QuestionRow], bets: &[Vec<BetId>]) -> Result<RecordBatch, ColumnError> {
    let specs = || rows.iter().map(|row| &row.spec);
    let reported: BooleanArray = rows.iter().map(|row| Some(row.answer_reported)).collect();
    let outcomes: Vec<&[String]> = specs().map(|spec| &spec.outcomes[..]).collect();
    let outcome_ids: Vec<&[String]> = specs().map(|spec| &spec.outcome_ids[..]).collect();
    let stakes = build::money(rows.iter().flat_map(|row| row.stake_by_outcome.iter().copied()))?;
    let columns: Vec<ArrayRef> = vec![
        build::text(specs().map(|spec| spec.question_uuid)),
        Arc::new(reported),
        build::text(specs().map(|spec| &spec.game)),
        build::text(specs().map(|spec| &spec.question)),
        build::text_lists(&outcomes, rows.len())?,
        build::optional_text(specs().map(|spec| spec.question_id)),
        build::optional_text(specs().map(|spec| spec.owner_address)),
        build::optional_text(specs().map(|spec| spec.oracle_address)),
        Arc::new(UInt64Array::from_iter_values(specs().map(|spec| spec.chain_id))),
        build::optional_text(specs().map(|spec| spec.collateral_token)),
        build::optional_text(specs().map(|spec| spec.fpmm_address)),
        build::times(specs().map(|spec| spec.betting_end_time)),
        build::text_lists(bets, rows.len())?,
        build::optional_text(specs().map(|spec| spec.streamer)),
        build::optional_text(specs().map(|spec| spec.stream_uuid)),
        build::text(rows.iter().map(|row| row.state)),
        build::optional_text(specs().map(|spec| spec.source_id.as_ref())),
        build::text_lists(&outcome_ids, rows.len())?,
        build::lists(rows.iter().map(|row| row.stake_by_outcome.len()), stakes)?,
        counts(rows, |row| &row.bets_by_outcome)?,
        counts(rows, |row| &row.payouts)?,
        build::optional_times(rows.iter().map(|row| row.closed_at)),
        Arc::new(UInt8Array::from_iter_values(specs().map(|spec| spec.quorum))),
        Arc::new(UInt8Array::from_iter_values(specs().map(|spec| spec.collateral_decimals))),
        Arc::new(UInt16Array::from_iter_values(specs().map(|spec| spec.winners.0))),
        build::optional_times(rows.iter().map(|row| row.challenge_until)),
        build::optional_times(rows.iter().map(|row| row.settling_from)),
        build::optional_times(rows.iter().map(|row| row.settled_at)),
        build::optional_text(rows.iter().map(|row| row.flag_reason.as_ref())),
        build::optional_text(rows.iter().map(|row| row.void_reason.as_ref())),
    ];
    Ok(RecordBatch::try_new(super::questions(), columns)?)
}

fn counts(rows: &[QuestionRow], of: fn(&QuestionRow) -> &[u64]) -> Result<ArrayRef, ArrowError> {
    let items = UInt64Array::from_iter_values(rows.iter().flat_map(|row| of(row).iter().copied()));
    build::lists(rows.iter().map(|row| of(row).len()), Arc::new(items))
}
