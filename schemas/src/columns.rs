//! Arrow schemas of the tables as SQL shows them, and the builders of their columns.
//!
//! People read ids as text, times as UTC and money as decimals. The stored block of bets
//! ([`bet_block`]) keeps ids as bytes instead: half the size and quick to compare.

pub mod audit;
pub mod bet_block;
pub mod bets;
mod build;
pub mod dead_letters;
pub mod outbox;
pub mod questions;
pub mod quotes;
pub mod settlements;
pub mod streamers;
pub mod streams;
pub mod users;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

/// Why rows and columns do not turn into each other.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// Arrow refuses the columns; a bug, or more than 2^31 bytes of text in one batch.
    #[error("columns cannot be built: {0}; build smaller batches")]
    Arrow(#[from] ArrowError),
    /// A batch without a column of this name and type: not a block of bets.
    #[error("the block has no column {0} of the right type; it is damaged or written by a newer version")]
    Shape(&'static str),
    /// A cell that no row can have.
    #[error("{column}: row {row} of the block holds no valid value; the block is damaged")]
    Damaged {
        /// The column.
        column: &'static str,
        /// The row.
        row: usize,
    },
}

/// Precision of one amount: 18 digits.
pub const MONEY: DataType = DataType::Decimal128(18, 6);

/// Precision of a sum: 38 digits.
pub const TOTAL: DataType = DataType::Decimal128(38, 6);

/// UTC in milliseconds.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

fn transaction() -> DataType {
    DataType::Struct(
        vec![
            Field::new("transaction_hash", DataType::Utf8, false),
            Field::new("date", DataType::UInt64, false),
            Field::new("amount", MONEY, false),
        ]
        .into(),
    )
}

/// Columns by name and type; a `?` at the end of a name lets it be null.
fn schema<const N: usize>(columns: [(&str, DataType); N]) -> SchemaRef {
    let field = |(name, data_type): (&str, DataType)| match name.strip_suffix('?') {
        Some(name) => Field::new(name, data_type, true),
        None => Field::new(name, data_type, false),
    };
    Arc::new(Schema::new(columns.into_iter().map(field).collect::<Vec<_>>()))
}

/// The `bets` table.
pub fn bets() -> SchemaRef {
    schema([
        ("bet_uuid", DataType::Utf8),
        ("question_uuid", DataType::Utf8),
        ("chain_id", DataType::UInt64),
        ("outcome_index", DataType::UInt16),
        ("buy_amount", MONEY),
        ("bettor", DataType::Utf8),
        ("active", DataType::Boolean),
        ("odds", MONEY),
        ("placed_at", timestamp()),
        ("arrived_at", timestamp()),
        ("status", DataType::Utf8),
        ("status_version", DataType::UInt32),
        ("reject_reason?", DataType::Utf8),
        ("payout?", MONEY),
        ("shard", DataType::Utf8),
        ("position", DataType::Utf8),
        ("result?", DataType::Utf8),
        ("decided_at", timestamp()),
    ])
}

/// The `users` table.
pub fn users() -> SchemaRef {
    schema([
        ("address", DataType::Utf8),
        ("username?", DataType::Utf8),
        ("bets", list(DataType::Utf8)),
        ("deposits", list(transaction())),
        ("withdrawals", list(transaction())),
        ("bets_placed", DataType::UInt64),
        ("open_stake", MONEY),
        ("staked", MONEY),
        ("returned", MONEY),
        ("profit", MONEY),
        ("won", DataType::UInt64),
        ("lost", DataType::UInt64),
        ("voided", DataType::UInt64),
        ("last_bet_at?", timestamp()),
        ("email?", DataType::Utf8),
        ("email_confirmed", DataType::Boolean),
        ("kyc?", DataType::Utf8),
    ])
}

/// The `questions` table.
pub fn questions() -> SchemaRef {
    schema([
        ("question_uuid", DataType::Utf8),
        ("answer_reported", DataType::Boolean),
        ("game", DataType::Utf8),
        ("question", DataType::Utf8),
        ("outcomes", list(DataType::Utf8)),
        ("question_id?", DataType::Utf8),
        ("owner_address?", DataType::Utf8),
        ("oracle_address?", DataType::Utf8),
        ("chain_id", DataType::UInt64),
        ("collateral_token?", DataType::Utf8),
        ("fpmm_address?", DataType::Utf8),
        ("betting_end_time", timestamp()),
        ("bets", list(DataType::Utf8)),
        ("streamer?", DataType::Utf8),
        ("stream_uuid?", DataType::Utf8),
        ("state", DataType::Utf8),
        ("source_id?", DataType::Utf8),
        ("outcome_ids", list(DataType::Utf8)),
        ("stake_by_outcome", list(MONEY)),
        ("bets_by_outcome", list(DataType::UInt64)),
        ("payouts", list(DataType::UInt64)),
        ("closed_at?", timestamp()),
        ("quorum", DataType::UInt8),
        ("collateral_decimals", DataType::UInt8),
        ("winners", DataType::UInt16),
        ("challenge_until?", timestamp()),
        ("settling_from?", timestamp()),
        ("settled_at?", timestamp()),
        ("flag_reason?", DataType::Utf8),
        ("void_reason?", DataType::Utf8),
    ])
}

/// The `streamers` table.
pub fn streamers() -> SchemaRef {
    schema([
        ("address", DataType::Utf8),
        ("username", DataType::Utf8),
        ("active_stream?", DataType::Utf8),
        ("past_streams", list(DataType::Utf8)),
    ])
}

/// The `streams` table.
pub fn streams() -> SchemaRef {
    schema([
        ("stream_uuid", DataType::Utf8),
        ("stream_url", DataType::Utf8),
        ("platform", DataType::Utf8),
        ("game", DataType::Utf8),
        ("questions", list(DataType::Utf8)),
    ])
}

/// The `odds_windows` table.
pub fn odds_windows() -> SchemaRef {
    schema([
        ("window_name", DataType::Utf8),
        ("window_start", timestamp()),
        ("window_end", timestamp()),
        ("question_uuid", DataType::Utf8),
        ("outcome_index", DataType::UInt16),
        ("bets", DataType::UInt64),
        ("stake", TOTAL),
        ("sum_odds", TOTAL),
        ("avg_odds", MONEY),
        ("weighted_odds", MONEY),
        ("min_odds", MONEY),
        ("max_odds", MONEY),
        ("first_odds", MONEY),
        ("last_odds", MONEY),
        ("revision", DataType::UInt32),
        ("final", DataType::Boolean),
        ("watermark?", timestamp()),
    ])
}

/// The `settlements` table.
pub fn settlements() -> SchemaRef {
    schema([
        ("question_uuid", DataType::Utf8),
        ("version", DataType::UInt64),
        ("bets_accepted", DataType::UInt64),
        ("bets_won", DataType::UInt64),
        ("bets_lost", DataType::UInt64),
        ("bets_void", DataType::UInt64),
        ("staked", TOTAL),
        ("returned", TOTAL),
        ("started_at", timestamp()),
        ("settled_at?", timestamp()),
    ])
}

/// The `audit` table.
pub fn audit() -> SchemaRef {
    schema([
        ("event_uuid", DataType::Utf8),
        ("question_uuid", DataType::Utf8),
        ("at", timestamp()),
        ("operator", DataType::Utf8),
        ("action", DataType::Utf8),
        ("detail?", DataType::Utf8),
        ("before", DataType::Utf8),
        ("after", DataType::Utf8),
        ("version", DataType::UInt64),
    ])
}

/// The `outbox` table.
pub fn outbox() -> SchemaRef {
    schema([
        ("notification_id", DataType::Utf8),
        ("address", DataType::Utf8),
        ("event", DataType::Utf8),
        ("bet_uuid", DataType::Utf8),
        ("status_version", DataType::UInt32),
        ("state", DataType::Utf8),
        ("attempts", DataType::UInt32),
        ("created_at", timestamp()),
        ("sent_at?", timestamp()),
        ("email?", DataType::Utf8),
        ("digest_at?", timestamp()),
        ("last_error?", DataType::Utf8),
    ])
}

/// The `dead_letters` table.
pub fn dead_letters() -> SchemaRef {
    schema([
        ("id", DataType::Utf8),
        ("stream", DataType::Utf8),
        ("shard", DataType::Utf8),
        ("position", DataType::Utf8),
        ("arrived_at", timestamp()),
        ("reason", DataType::Utf8),
        ("detail", DataType::Utf8),
        ("bytes", DataType::Binary),
    ])
}

/// The `quotes` table: a row for each outcome of each quote.
pub fn quotes() -> SchemaRef {
    schema([
        ("event_uuid", DataType::Utf8),
        ("question_uuid", DataType::Utf8),
        ("outcome_index", DataType::UInt16),
        ("probability", MONEY),
        ("odds?", MONEY),
        ("model", DataType::Utf8),
        ("revision", DataType::UInt64),
        ("at", timestamp()),
    ])
}

/// Every table's schema by its name in SQL.
pub fn all() -> [(&'static str, SchemaRef); 9] {
    [
        ("bets", bets()),
        ("users", users()),
        ("questions", questions()),
        ("streamers", streamers()),
        ("streams", streams()),
        ("odds_windows", odds_windows()),
        ("quotes", quotes()),
        ("outbox", outbox()),
        ("dead_letters", dead_letters()),
    ]
}
