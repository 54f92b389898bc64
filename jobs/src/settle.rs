//! The settle job, first cut: keeps questions, accounts, streamers and broadcasts by game events.
//!
//! Life of a question here: open → paused ↔ open → closed → proposed (a quorum of sources saw the
//! answer), with flagged, amended and voided beside it. A question also closes by timer at its
//! `betting_end_time`. Paying bets, challenge windows and operators' approval build on this.

mod questions;

use pipeline::Arrival;
use pipeline::dead_letter::Reject;
use pipeline::job::{At, Effects};
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::ids::{Address, QuestionId};
use schemas::stream::StreamRow;
use schemas::streamer::StreamerRow;
use schemas::transaction::{Transaction, TransactionKind, TransactionRow};
use schemas::user::{UserRow, UserSpec};

use crate::bets::event_time;
use crate::rows::{self, Key, Rows};

/// The rows that an event needs.
pub fn needs(event: &GameEvent, keys: &mut Vec<Key>) {
    use GameEventKind as Kind;
    match &event.kind {
        Kind::StreamerUpserted { streamer } => keys.push(Key::Streamer(streamer.address)),
        Kind::StreamStarted { stream } => {
            keys.push(Key::Stream(stream.stream_uuid));
            keys.extend(stream.streamer.map(Key::Streamer));
        }
        Kind::StreamEnded { stream_uuid } => keys.push(Key::Stream(*stream_uuid)),
        Kind::QuestionOpened { question } => {
            keys.push(Key::Question(question.question_uuid));
            keys.extend(question.stream_uuid.map(Key::Stream));
        }
        Kind::AccountUpserted { user } => keys.push(Key::User(user.address)),
        Kind::Deposit { address, transaction } | Kind::Withdrawal { address, transaction } => {
            keys.extend([Key::User(*address), Key::Transaction(*address, transaction.transaction_hash)]);
        }
        kind => keys.extend(questions::subject(kind).map(Key::Question)),
    }
}

/// Applies an event to the rows it names.
pub fn apply(event: &GameEvent, at: &At, rows: &mut Rows, effects: &mut Effects) -> Result<(), Reject> {
    use GameEventKind as Kind;
    let now = event_time(at.now);
    match &event.kind {
        Kind::StreamerUpserted { streamer } => {
            let new = || StreamerRow {
                address: streamer.address,
                username: String::new(),
                active_stream: None,
                past_streams: Vec::new(),
            };
            if let Some(row) = rows::change_streamer(rows, streamer.address, new) {
                row.username.clone_from(&streamer.username);
            }
        }
        Kind::StreamStarted { stream } => start_stream(
            StreamRow { spec: stream.clone(), questions: Vec::new(), started_at: now, ended_at: None },
            rows,
        ),
        Kind::StreamEnded { stream_uuid } => {
            let known = rows::stream(rows, *stream_uuid).cloned();
            let row = known.ok_or_else(|| Reject::invalid(format!("stream_uuid: there is no stream {stream_uuid}")))?;
            end_stream(row, event_time(at.now), rows);
        }
        Kind::QuestionOpened { question } => {
            questions::open(question, now, rows)?;
            effects
                .timers
                .push((Arrival(question.betting_end_time.millis()), question.question_uuid.as_bytes().to_vec()));
        }
        Kind::AccountUpserted { user } => upsert_account(user, rows),
        Kind::Deposit { address, transaction } => {
            add_transaction(*address, TransactionKind::Deposit, transaction, rows)
        }
        Kind::Withdrawal { address, transaction } => {
            add_transaction(*address, TransactionKind::Withdrawal, transaction, rows)
        }
        // What happens in a game and what is sold on chain change no row yet.
        Kind::GameMoment { .. } | Kind::PositionSold { .. } => {}
        kind => {
            let changed = questions::change(kind, event_time(at.arrived_at), rows)?;
            if let Kind::QuestionAmended { question_uuid, betting_end_time: Some(end), .. } = kind {
                effects.timers.push((Arrival(end.millis()), question_uuid.as_bytes().to_vec()));
            }
            questions::store(changed, rows);
        }
    }
    Ok(())
}

/// The rows that a timer needs.
pub fn tick_needs(timer: &[u8], keys: &mut Vec<Key>) {
    keys.extend(timer_question(timer).map(Key::Question));
}

/// The end of betting came: a question that is still open closes.
pub fn tick(timer: &[u8], due: Arrival, rows: &mut Rows) {
    if let Some(id) = timer_question(timer) {
        questions::end_betting(id, event_time(due), rows);
    }
}

fn timer_question(timer: &[u8]) -> Option<QuestionId> {
    timer.try_into().ok().map(QuestionId::from_bytes)
}

fn start_stream(stream: StreamRow, rows: &mut Rows) {
    let (id, streamer) = (stream.spec.stream_uuid, stream.spec.streamer);
    let spec = stream.spec.clone();
    if let Some(row) = rows::change_stream(rows, id, || stream) {
        row.spec = spec;
    }
    let Some(address) = streamer else { return };
    let new = || StreamerRow { address, username: String::new(), active_stream: None, past_streams: Vec::new() };
    if let Some(row) = rows::change_streamer(rows, address, new)
        && let Some(before) = row.active_stream.replace(id).filter(|before| *before != id)
    {
        row.past_streams.push(before);
    }
}

fn end_stream(stream: StreamRow, now: schemas::time::Timestamp, rows: &mut Rows) {
    let (id, streamer) = (stream.spec.stream_uuid, stream.spec.streamer);
    if let Some(row) = rows::change_stream(rows, id, || stream) {
        row.ended_at = Some(now);
    }
    let Some(address) =
        streamer.filter(|address| rows::streamer(rows, *address).is_some_and(|s| s.active_stream == Some(id)))
    else {
        return;
    };
    let new = || StreamerRow { address, username: String::new(), active_stream: None, past_streams: Vec::new() };
    if let Some(row) = rows::change_streamer(rows, address, new) {
        row.active_stream = None;
        row.past_streams.push(id);
    }
}

fn upsert_account(user: &UserSpec, rows: &mut Rows) {
    let Some(row) = rows::change_user(rows, user.address, || UserRow::new(user.address)) else { return };
    if user.username.is_some() {
        row.username.clone_from(&user.username);
    }
    if user.email.is_some() && user.email != row.email {
        row.email.clone_from(&user.email);
        // Another address is another mailbox: it must be confirmed again.
        row.email_confirmed = false;
    }
    if user.kyc.is_some() {
        row.kyc.clone_from(&user.kyc);
    }
    row.email_confirmed = user.email_confirmed.unwrap_or(row.email_confirmed);
}

fn add_transaction(address: Address, kind: TransactionKind, transaction: &Transaction, rows: &mut Rows) {
    // A transaction has one hash for ever, so seeing it again changes nothing.
    let new = || TransactionRow { address, kind, transaction: *transaction };
    rows::change_transaction(rows, address, transaction.transaction_hash, new);
    rows::change_user(rows, address, || UserRow::new(address));
}
