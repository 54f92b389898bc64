//! The settle job: keeps questions, accounts, streamers and broadcasts by game events, and settles
//! the bets of a question whose answer is final.
//!
//! Reading order: [`life`] is the life of a question, one pure function; [`evidence`] weighs what
//! sources say; [`task`] settles bets page by page, each with its [`result`]; [`audit`] keeps what
//! operators did; [`standing`] says it all to people.

mod audit;
mod evidence;
mod life;
mod questions;
pub mod result;
pub mod standing;
mod task;
mod timers;

use pipeline::Arrival;
use pipeline::dead_letter::Reject;
use pipeline::job::{Ask, At, Effects, Placed};
use schemas::bet_row::BetRow;
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::ids::Address;
use schemas::question::QuestionRow;
use schemas::stream::StreamRow;
use schemas::streamer::StreamerRow;
use schemas::time::Timestamp;
use schemas::transaction::{Transaction, TransactionKind, TransactionRow};
use schemas::user::{UserRow, UserSpec};

use self::life::{Moment, Trigger};
use self::timers::Alarm;
use crate::bets::event_time;
use crate::rows::{self, Key, Rows};

/// What settling can be told.
#[derive(Debug, Clone, Copy)]
pub struct SettleRules {
    /// How long a proposed answer can be challenged, in milliseconds.
    pub challenge_ms: i64,
    /// How long after a second operator asked an emergency answer takes effect, in milliseconds.
    pub emergency_delay_ms: i64,
    /// Whether status changes are emitted to the stream `notifications`.
    pub notify: bool,
    /// Bets settled in one commit, at most.
    pub page_bets: usize,
}

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
        kind => {
            if let Some(id) = questions::subject(kind) {
                keys.extend([Key::Question(id), Key::Totals(id), Key::Settlement(id)]);
            }
        }
    }
}

/// The rows that follow from those: whose broadcast it is that ends.
pub fn needs_also(event: &GameEvent, rows: &Rows, keys: &mut Vec<Key>) {
    if let GameEventKind::StreamEnded { stream_uuid } = &event.kind {
        keys.extend(rows::stream(rows, *stream_uuid).and_then(|row| row.spec.streamer).map(Key::Streamer));
    }
}

/// Applies an event to the rows it names.
pub fn apply(
    event: &GameEvent,
    at: &At,
    rows: &mut Rows,
    effects: &mut Effects,
    rules: &SettleRules,
) -> Result<(), Reject> {
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
            let end = Arrival(question.betting_end_time.millis());
            effects.timers.push((end, Alarm::EndOfBetting.key(question.question_uuid)));
        }
        Kind::AccountUpserted { user } => upsert_account(user, rows),
        Kind::Deposit { address, transaction } => {
            add_transaction(*address, TransactionKind::Deposit, transaction, rows)
        }
        Kind::Withdrawal { address, transaction } => {
            add_transaction(*address, TransactionKind::Withdrawal, transaction, rows)
        }
        // What happens in a game and what is sold on chain change no row yet.
        Kind::GameMoment { .. } | Kind::StateChanged { .. } | Kind::PositionSold { .. } => {}
        kind => {
            let before = questions::find(kind, rows)?;
            if let Some(note) = questions::too_late(kind, &before) {
                effects.notes.push(note);
                return Ok(());
            }
            let arrived_at = event_time(at.arrived_at);
            let moment = Moment { arrived: arrived_at, now };
            let moved = life::transition(&before, Trigger::Event(event), moment, rules)?;
            let after = moved.as_ref().map_or(&before, |(after, _)| after);
            audit::keep(event, &before, after, arrived_at, effects);
            if let Some(moved) = moved {
                take(moved, now, rows, effects);
            }
        }
    }
    Ok(())
}

/// Why an event about a question would be refused if it came now; the log decides when it does come.
pub fn refusal(event: &GameEvent, question: &QuestionRow, now: Timestamp, rules: &SettleRules) -> Option<String> {
    let moment = Moment { arrived: now, now };
    life::transition(question, Trigger::Event(event), moment, rules).err().map(|reject| reject.detail)
}

/// The rows that a timer needs.
pub fn tick_needs(timer: &[u8], keys: &mut Vec<Key>) {
    if let Some((id, _)) = Alarm::parse(timer) {
        keys.extend([Key::Question(id), Key::Totals(id), Key::Settlement(id)]);
    }
}

/// The bets that a timer works on.
pub fn tick_asks(timer: &[u8], rows: &Rows, rules: &SettleRules) -> Option<Ask> {
    match Alarm::parse(timer)? {
        (id, Alarm::NextPage) => task::asks(id, rows, rules),
        _ => None,
    }
}

/// What was to happen at `due`.
pub fn tick(
    timer: &[u8],
    due: Arrival,
    bets: Placed<BetRow>,
    rows: &mut Rows,
    effects: &mut Effects,
    rules: &SettleRules,
) -> Placed<BetRow> {
    let Some((id, alarm)) = Alarm::parse(timer) else { return Vec::new() };
    if alarm == Alarm::NextPage {
        return task::page(id, due, bets, rows, effects, rules);
    }
    let Some(before) = rows::question(rows, id) else { return Vec::new() };
    // A timer asks for nothing that can be refused.
    let now = event_time(due);
    let moment = Moment { arrived: now, now };
    if let Ok(Some(moved)) = life::transition(before, Trigger::Alarm(alarm), moment, rules) {
        take(moved, now, rows, effects);
    }
    Vec::new()
}

/// Stores a moved question and does what the move asks for.
fn take((question, asked): life::Moved, now: Timestamp, rows: &mut Rows, effects: &mut Effects) {
    for effect in asked {
        match effect {
            life::Effect::Wake(alarm, at) => {
                effects.timers.push((Arrival(at.millis()), alarm.key(question.spec.question_uuid)));
            }
            life::Effect::Settle => task::begin(&question, now, rows, effects),
        }
    }
    questions::store(question, rows);
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

fn end_stream(stream: StreamRow, now: Timestamp, rows: &mut Rows) {
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
    if let Some(mail) = &user.mail {
        row.mail.merge(mail.clone());
    }
    row.email_confirmed = user.email_confirmed.unwrap_or(row.email_confirmed);
}

fn add_transaction(address: Address, kind: TransactionKind, transaction: &Transaction, rows: &mut Rows) {
    // A transaction has one hash for ever, so seeing it again changes nothing.
    let new = || TransactionRow { address, kind, transaction: *transaction };
    rows::change_transaction(rows, address, transaction.transaction_hash, new);
    rows::change_user(rows, address, || UserRow::new(address));
}

#[cfg(test)]
mod tests;
