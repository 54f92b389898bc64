//! The `bets` table as SQL shows it, from a stored block.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, RecordBatch, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Schema};

use super::bet_block::{self, BetBlock};
use super::{ColumnError, build};
use crate::bet_row::{BetRow, BetStatus, shard_name};
use crate::ids::{Address, BetId};

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
        build::times(rows.iter().map(|row| row.decided_at)),
    ];
    Ok(RecordBatch::try_new(super::bets(), columns)?)
}

/// The columns of the table that windows are computed from, with what says which rows count, and when.
pub const ARCHIVED: [&str; 11] = [
    "bet_uuid",
    "question_uuid",
    "outcome_index",
    "bettor",
    "buy_amount",
    "odds",
    "chain_id",
    "placed_at",
    "arrived_at",
    "status",
    "decided_at",
];

/// The stored form of [`ARCHIVED`], from rows of the table in any order of columns: ids as bytes,
/// statuses as codes.
pub fn counted(rows: &RecordBatch) -> Result<RecordBatch, ColumnError> {
    let stored = bet_block::schema();
    let mut fields = Vec::with_capacity(ARCHIVED.len());
    let mut columns = Vec::with_capacity(ARCHIVED.len());
    for name in ARCHIVED {
        let field = stored.field_with_name(name)?.clone();
        let column = rows.column_by_name(name).ok_or(ColumnError::Shape(name))?;
        columns.push(match field.data_type() {
            DataType::FixedSizeBinary(20) => {
                ids(name, column, |text| Address::parse(text).ok().map(|id| *id.as_bytes()))?
            }
            DataType::FixedSizeBinary(_) => ids(name, column, |text| BetId::parse(text).ok().map(|id| *id.as_bytes()))?,
            DataType::UInt8 => codes(name, column)?,
            expected if expected == column.data_type() => column.clone(),
            _ => return Err(ColumnError::Shape(name)),
        });
        fields.push(field);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Ids from their texts.
fn ids<const N: usize>(
    name: &'static str,
    column: &ArrayRef,
    parse: impl Fn(&str) -> Option<[u8; N]>,
) -> Result<ArrayRef, ColumnError> {
    let texts = column.as_string_opt::<i32>().ok_or(ColumnError::Shape(name))?;
    let mut bytes = Vec::with_capacity(texts.len() * N);
    for (row, text) in texts.iter().enumerate() {
        let id = text.and_then(&parse).ok_or(ColumnError::Damaged { column: name, row })?;
        bytes.extend_from_slice(&id);
    }
    Ok(Arc::new(FixedSizeBinaryArray::try_new(N as i32, Buffer::from_vec(bytes), None)?))
}

/// The codes of statuses.
fn codes(name: &'static str, column: &ArrayRef) -> Result<ArrayRef, ColumnError> {
    let texts = column.as_string_opt::<i32>().ok_or(ColumnError::Shape(name))?;
    let code = |(row, text): (usize, Option<&str>)| {
        let status = BetStatus::ALL.iter().find(|status| Some(status.as_str()) == text);
        status.map(|status| status.code()).ok_or(ColumnError::Damaged { column: name, row })
    };
    let codes = texts.iter().enumerate().map(code).collect::<Result<Vec<u8>, _>>()?;
    Ok(Arc::new(UInt8Array::from(codes)))
}
