//! The stored block of bets: many rows as columns, ids as bytes.
//!
//! [`build`] makes a block of rows, [`BetBlock`] reads rows back from one. Window
//! aggregates run on the block as it is; people get [`super::bets::to_sql`].

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, FixedSizeBinaryArray, RecordBatch, TimestampMillisecondArray,
    UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::buffer::Buffer;
use arrow::datatypes::{
    DataType, Decimal128Type, Schema, SchemaRef, TimestampMillisecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::error::ArrowError;

use super::{ColumnError, MONEY, build, timestamp};
use crate::bet::Bet;
use crate::bet_row::{BetRow, BetStatus, RejectReason};
use crate::ids::{Address, BetId, QuestionId};
use crate::log_position::LogPosition;
use crate::money::Money;
use crate::odds::Odds;
use crate::time::Timestamp;

/// Bytes of a position, as Arrow counts them.
const POSITION_BYTES: i32 = LogPosition::BYTES as i32;

/// The block's columns.
pub fn schema() -> SchemaRef {
    super::schema([
        ("bet_uuid", DataType::FixedSizeBinary(16)),
        ("question_uuid", DataType::FixedSizeBinary(16)),
        ("outcome_index", DataType::UInt16),
        ("bettor", DataType::FixedSizeBinary(20)),
        ("buy_amount", MONEY),
        ("odds", MONEY),
        ("chain_id", DataType::UInt64),
        ("placed_at", timestamp()),
        ("arrived_at", timestamp()),
        ("status", DataType::UInt8),
        ("status_version", DataType::UInt32),
        ("reject_reason?", DataType::UInt8),
        ("payout?", MONEY),
        ("shard", DataType::UInt32),
        ("position", DataType::FixedSizeBinary(POSITION_BYTES)),
        ("result?", DataType::UInt8),
        ("decided_at", timestamp()),
    ])
}

/// The columns that change after the bet was decided: when a provisional rejection is decided
/// again, and when the bet is settled.
pub const CHANGING: &[&str] =
    &["arrived_at", "status", "status_version", "reject_reason", "payout", "shard", "position", "result", "decided_at"];

/// The columns that windows are computed from: those that never change once a bet is accepted.
pub const COUNTED: [&str; 9] = [
    "bet_uuid",
    "question_uuid",
    "outcome_index",
    "bettor",
    "buy_amount",
    "odds",
    "chain_id",
    "placed_at",
    "arrived_at",
];

/// The schema of [`COUNTED`].
pub fn counted() -> SchemaRef {
    let all = schema();
    let fields = all.fields().iter().filter(|field| COUNTED.contains(&field.name().as_str()));
    Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()))
}

/// Makes a block of rows, in their order.
pub fn build(rows: &[BetRow]) -> Result<RecordBatch, ColumnError> {
    let bets = || rows.iter().map(|row| &row.bet);
    let reasons: UInt8Array = rows.iter().map(|row| row.reject_reason.map(RejectReason::code)).collect();
    let columns: Vec<ArrayRef> = vec![
        fixed(bets().map(|bet| bet.bet_uuid.as_bytes()), rows.len())?,
        fixed(bets().map(|bet| bet.question_uuid.as_bytes()), rows.len())?,
        Arc::new(UInt16Array::from_iter_values(bets().map(|bet| bet.outcome_index))),
        fixed(bets().map(|bet| bet.bettor.as_bytes()), rows.len())?,
        build::money(bets().map(|bet| bet.buy_amount))?,
        build::money(bets().map(|bet| bet.odds))?,
        Arc::new(UInt64Array::from_iter_values(bets().map(|bet| bet.chain_id))),
        build::times(bets().map(|bet| bet.placed_at)),
        build::times(rows.iter().map(|row| row.arrived_at)),
        Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.status.code()))),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.status_version))),
        Arc::new(reasons),
        build::optional_money(rows.iter().map(|row| row.payout))?,
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.shard))),
        fixed(rows.iter().map(|row| row.position.as_bytes()), rows.len())?,
        Arc::new(rows.iter().map(|row| row.result.map(BetStatus::code)).collect::<UInt8Array>()),
        build::times(rows.iter().map(|row| row.decided_at)),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

fn fixed<'a, const N: usize>(values: impl Iterator<Item = &'a [u8; N]>, rows: usize) -> Result<ArrayRef, ArrowError> {
    let mut bytes = Vec::with_capacity(rows * N);
    values.for_each(|value| bytes.extend_from_slice(value));
    Ok(Arc::new(FixedSizeBinaryArray::try_new(N as i32, Buffer::from_vec(bytes), None)?))
}

/// Reads one row of a block. For many rows, keep a [`BetBlock`].
pub fn row(block: &RecordBatch, row: usize) -> Result<BetRow, ColumnError> {
    BetBlock::new(block)?.row(row)
}

/// A block of bets whose columns have been found and checked.
pub struct BetBlock<'a> {
    bet_uuid: &'a FixedSizeBinaryArray,
    question_uuid: &'a FixedSizeBinaryArray,
    outcome_index: &'a UInt16Array,
    bettor: &'a FixedSizeBinaryArray,
    buy_amount: &'a Decimal128Array,
    odds: &'a Decimal128Array,
    chain_id: &'a UInt64Array,
    placed_at: &'a TimestampMillisecondArray,
    arrived_at: &'a TimestampMillisecondArray,
    status: &'a UInt8Array,
    status_version: &'a UInt32Array,
    reject_reason: &'a UInt8Array,
    payout: &'a Decimal128Array,
    shard: &'a UInt32Array,
    position: &'a FixedSizeBinaryArray,
    result: &'a UInt8Array,
    decided_at: &'a TimestampMillisecondArray,
    rows: usize,
}

impl<'a> BetBlock<'a> {
    /// Finds the block's columns.
    pub fn new(block: &'a RecordBatch) -> Result<BetBlock<'a>, ColumnError> {
        let of = |name: &'static str| block.column_by_name(name).ok_or(ColumnError::Shape(name));
        let binary = |name, width| {
            of(name)?
                .as_fixed_size_binary_opt()
                .filter(|column| column.value_length() == width)
                .ok_or(ColumnError::Shape(name))
        };
        macro_rules! primitive {
            ($name:literal, $type:ty) => {
                of($name)?.as_primitive_opt::<$type>().ok_or(ColumnError::Shape($name))?
            };
        }
        Ok(BetBlock {
            bet_uuid: binary("bet_uuid", 16)?,
            question_uuid: binary("question_uuid", 16)?,
            outcome_index: primitive!("outcome_index", UInt16Type),
            bettor: binary("bettor", 20)?,
            buy_amount: primitive!("buy_amount", Decimal128Type),
            odds: primitive!("odds", Decimal128Type),
            chain_id: primitive!("chain_id", UInt64Type),
            placed_at: primitive!("placed_at", TimestampMillisecondType),
            arrived_at: primitive!("arrived_at", TimestampMillisecondType),
            status: primitive!("status", UInt8Type),
            status_version: primitive!("status_version", UInt32Type),
            reject_reason: primitive!("reject_reason", UInt8Type),
            payout: primitive!("payout", Decimal128Type),
            shard: primitive!("shard", UInt32Type),
            position: binary("position", POSITION_BYTES)?,
            result: primitive!("result", UInt8Type),
            decided_at: primitive!("decided_at", TimestampMillisecondType),
            rows: block.num_rows(),
        })
    }

    /// Rows in the block.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The id of row `row`, without reading the rest of it.
    pub fn bet_uuid(&self, row: usize) -> Result<BetId, ColumnError> {
        self.within(row)?;
        Ok(BetId::from_bytes(array("bet_uuid", self.bet_uuid, row)?))
    }

    /// Row `row`, counted from 0.
    pub fn row(&self, row: usize) -> Result<BetRow, ColumnError> {
        self.within(row)?;
        let damaged = |column| ColumnError::Damaged { column, row };
        let bet = Bet {
            bet_uuid: BetId::from_bytes(array("bet_uuid", self.bet_uuid, row)?),
            question_uuid: QuestionId::from_bytes(array("question_uuid", self.question_uuid, row)?),
            outcome_index: self.outcome_index.value(row),
            bettor: Address::from_bytes(array("bettor", self.bettor, row)?),
            buy_amount: money(self.buy_amount.value(row)).ok_or_else(|| damaged("buy_amount"))?,
            odds: odds(self.odds.value(row)).ok_or_else(|| damaged("odds"))?,
            chain_id: self.chain_id.value(row),
            placed_at: Timestamp::from_millis(self.placed_at.value(row)).ok_or_else(|| damaged("placed_at"))?,
        };
        let reject_reason = match self.reject_reason.is_valid(row) {
            true => {
                let code = self.reject_reason.value(row);
                Some(RejectReason::from_code(code).ok_or_else(|| damaged("reject_reason"))?)
            }
            false => None,
        };
        let payout = match self.payout.is_valid(row) {
            true => Some(money(self.payout.value(row)).ok_or_else(|| damaged("payout"))?),
            false => None,
        };
        let result = match self.result.is_valid(row) {
            true => Some(BetStatus::from_code(self.result.value(row)).ok_or_else(|| damaged("result"))?),
            false => None,
        };
        let arrived_at = self.arrived_at.value(row);
        Ok(BetRow {
            bet,
            status: BetStatus::from_code(self.status.value(row)).ok_or_else(|| damaged("status"))?,
            status_version: self.status_version.value(row),
            reject_reason,
            payout,
            arrived_at: Timestamp::from_millis(arrived_at).ok_or_else(|| damaged("arrived_at"))?,
            shard: self.shard.value(row),
            position: LogPosition::from_bytes(array("position", self.position, row)?),
            result,
            decided_at: Timestamp::from_millis(self.decided_at.value(row)).ok_or_else(|| damaged("decided_at"))?,
        })
    }

    /// Arrow panics beyond the end; a damaged index must not.
    fn within(&self, row: usize) -> Result<(), ColumnError> {
        match row < self.rows {
            true => Ok(()),
            false => Err(ColumnError::Damaged { column: "bet_uuid", row }),
        }
    }
}

fn array<const N: usize>(
    column: &'static str,
    values: &FixedSizeBinaryArray,
    row: usize,
) -> Result<[u8; N], ColumnError> {
    values.value(row).try_into().map_err(|_| ColumnError::Damaged { column, row })
}

fn money(micros: i128) -> Option<Money> {
    i64::try_from(micros).ok().and_then(Money::from_micros)
}

fn odds(micros: i128) -> Option<Odds> {
    u64::try_from(micros).ok().and_then(Odds::from_micros)
}
