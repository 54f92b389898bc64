//! The rows that the jobs change: their keys, their tables, their bytes.

use pipeline::{Error, Result};
use schemas::ids::{Address, QuestionId, StreamId, TxHash};
use schemas::question::QuestionRow;
use schemas::row::{Row as Stored, RowError};
use schemas::settlement::SettlementRow;
use schemas::stream::StreamRow;
use schemas::streamer::StreamerRow;
use schemas::transaction::TransactionRow;
use schemas::user::UserRow;

use crate::bets::totals::TotalsRow;

/// A row's key, of any table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// A bettor's profile.
    User(Address),
    /// A question: owned by settling, read by bets.
    Question(QuestionId),
    /// A question's stakes and counts by outcome: owned by bets.
    Totals(QuestionId),
    /// How far a question's bets are settled.
    Settlement(QuestionId),
    /// A streamer.
    Streamer(Address),
    /// A broadcast.
    Stream(StreamId),
    /// A deposit or withdrawal: whose, and which.
    Transaction(Address, TxHash),
}

/// A row, of any table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// See [`Key::User`].
    User(UserRow),
    /// See [`Key::Question`].
    Question(Box<QuestionRow>),
    /// See [`Key::Totals`].
    Totals(TotalsRow),
    /// See [`Key::Settlement`].
    Settlement(SettlementRow),
    /// See [`Key::Streamer`].
    Streamer(StreamerRow),
    /// See [`Key::Stream`].
    Stream(StreamRow),
    /// See [`Key::Transaction`].
    Transaction(TransactionRow),
}

/// Rows in memory.
pub type Rows = pipeline::rows::Rows<Key, Row>;

/// Where a row is stored: its table, and its key there.
pub fn locate(key: &Key) -> (&'static str, Vec<u8>) {
    match key {
        Key::User(address) => (UserRow::TABLE, address.as_bytes().to_vec()),
        Key::Question(id) => (QuestionRow::TABLE, id.as_bytes().to_vec()),
        Key::Totals(id) => (TotalsRow::TABLE, id.as_bytes().to_vec()),
        Key::Settlement(id) => (SettlementRow::TABLE, id.as_bytes().to_vec()),
        Key::Streamer(address) => (StreamerRow::TABLE, address.as_bytes().to_vec()),
        Key::Stream(id) => (StreamRow::TABLE, id.as_bytes().to_vec()),
        Key::Transaction(address, hash) => {
            (TransactionRow::TABLE, [&address.as_bytes()[..], &hash.as_bytes()[..]].concat())
        }
    }
}

/// A row's stored bytes.
pub fn encode(row: &Row) -> Vec<u8> {
    match row {
        Row::User(row) => row.to_bytes(),
        Row::Question(row) => row.to_bytes(),
        Row::Totals(row) => row.to_bytes(),
        Row::Settlement(row) => row.to_bytes(),
        Row::Streamer(row) => row.to_bytes(),
        Row::Stream(row) => row.to_bytes(),
        Row::Transaction(row) => row.to_bytes(),
    }
}

/// The inverse of [`encode`].
pub fn restore(key: &Key, bytes: &[u8]) -> Result<Row> {
    let row = match key {
        Key::User(_) => UserRow::from_bytes(bytes).map(Row::User),
        Key::Question(_) => QuestionRow::from_bytes(bytes).map(|row| Row::Question(Box::new(row))),
        Key::Totals(_) => TotalsRow::from_bytes(bytes).map(Row::Totals),
        Key::Settlement(_) => SettlementRow::from_bytes(bytes).map(Row::Settlement),
        Key::Streamer(_) => StreamerRow::from_bytes(bytes).map(Row::Streamer),
        Key::Stream(_) => StreamRow::from_bytes(bytes).map(Row::Stream),
        Key::Transaction(..) => TransactionRow::from_bytes(bytes).map(Row::Transaction),
    };
    row.map_err(|e: RowError| Error::corrupt(e))
}

/// Typed access to rows whose variant follows from their key.
macro_rules! typed {
    ($read:ident, $change:ident, $key:ident($($part:ident: $part_type:ty),*), $variant:ident, $row:ty) => {
        /// Reads the row.
        pub fn $read(rows: &Rows, $($part: $part_type),*) -> Option<&$row> {
            match rows.get(&Key::$key($($part),*)) {
                Some(Row::$variant(row)) => Some(row),
                _ => None,
            }
        }

        /// Changes the row; `create` makes one where there is none. Nothing comes back only if
        /// the row under this key is of another table, which [`restore`] rules out.
        pub fn $change(rows: &mut Rows, $($part: $part_type,)* create: impl FnOnce() -> $row) -> Option<&mut $row> {
            match rows.change(Key::$key($($part),*), || Row::$variant(create().into())) {
                Row::$variant(row) => Some(row),
                _ => None,
            }
        }
    };
}

typed!(user, change_user, User(address: Address), User, UserRow);
typed!(question, change_question, Question(id: QuestionId), Question, QuestionRow);
typed!(totals, change_totals, Totals(id: QuestionId), Totals, TotalsRow);
typed!(settlement, change_settlement, Settlement(id: QuestionId), Settlement, SettlementRow);
typed!(streamer, change_streamer, Streamer(address: Address), Streamer, StreamerRow);
typed!(stream, change_stream, Stream(id: StreamId), Stream, StreamRow);
typed!(transaction, change_transaction, Transaction(address: Address, hash: TxHash), Transaction, TransactionRow);
