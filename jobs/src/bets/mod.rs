//! The bets job: read a bet once, decide once, fold the accepted ones twice.
//!
//! The way of a bet, top to bottom: [`apply`] decides it ([`accept`]), folds it into the bettor's
//! profile and the question's totals ([`profiles`]), and returns its row, which becomes a fact of
//! the table `bets`. The engine then folds the accepted rows into the five-minute odds windows
//! ([`odds`]) and commits everything at once.

pub mod accept;
pub mod odds;
pub mod profiles;
pub mod totals;

use pipeline::Arrival;
use pipeline::dead_letter::Reject;
use pipeline::job::{At, Decided, Effects};
use pipeline::metrics::Metric;
use pipeline::record::Append;
use schemas::bet::Bet;
use schemas::bet_row::{BetRow, BetStatus, RejectReason};
use schemas::codec::Event;
use schemas::ids::BetId;
use schemas::log_position::LogPosition;
use schemas::notification::Notification;
use schemas::time::Timestamp;
use schemas::user::UserRow;
use xxhash_rust::xxh3::xxh3_64;

use self::accept::Decision;
use self::totals::TotalsRow;
use crate::rows::{self, Key, Rows};

/// What the bets job can be told.
#[derive(Debug, Clone, Copy)]
pub struct BetRules {
    /// How far `placed_at` may be from the arrival, in milliseconds.
    pub max_skew_ms: i64,
    /// Whether status changes are emitted to the stream `notifications`.
    pub notify: bool,
}

/// The rows that deciding a bet needs.
pub fn needs(bet: &Bet, keys: &mut Vec<Key>) {
    keys.extend([Key::Question(bet.question_uuid), Key::User(bet.bettor), Key::Totals(bet.question_uuid)]);
}

/// Tells a repeat of a bet from another bet under the same id.
pub fn fingerprint(bet: &Bet) -> u64 {
    let mut body = [0u8; 70];
    let (question, rest) = body.split_at_mut(16);
    question.copy_from_slice(bet.question_uuid.as_bytes());
    let (bettor, rest) = rest.split_at_mut(20);
    bettor.copy_from_slice(bet.bettor.as_bytes());
    rest[..8].copy_from_slice(&bet.buy_amount.micros().to_be_bytes());
    rest[8..16].copy_from_slice(&bet.odds.micros().to_be_bytes());
    rest[16..24].copy_from_slice(&bet.chain_id.to_be_bytes());
    rest[24..32].copy_from_slice(&bet.placed_at.millis().to_be_bytes());
    rest[32..34].copy_from_slice(&bet.outcome_index.to_be_bytes());
    xxh3_64(&body)
}

/// Decides a bet and folds it into its bettor's profile and its question's totals.
pub fn apply(
    bet: &Bet,
    at: &At,
    rows: &mut Rows,
    effects: &mut Effects,
    rules: &BetRules,
) -> Result<Decided<BetRow>, Reject> {
    let (question, arrived_at) = (rows::question(rows, bet.question_uuid), event_time(at.arrived_at));
    let decision = accept::decide(bet, question, arrived_at, event_time(at.now), rules.max_skew_ms)?;
    let unknown = decision == Decision::Rejected(RejectReason::UnknownQuestion);
    if unknown && at.again {
        return Ok(Decided { fact: None, open: true, kept: true });
    }
    // Both sums are checked before either row changes: a rejection leaves the rows as they were.
    let before = rows::user(rows, bet.bettor).map(|user| user.profile).unwrap_or_default();
    let profile = profiles::fold(&before, bet, decision, at.again)?;
    if decision == Decision::Accepted {
        let none = TotalsRow::default();
        profiles::count(rows::totals(rows, bet.question_uuid).unwrap_or(&none), bet)?;
        add_to_totals(bet, rows);
    }
    if let Some(user) = rows::change_user(rows, bet.bettor, || UserRow::new(bet.bettor)) {
        user.profile = profile;
    }
    let row = row_of(bet, at, decision);
    let metric = if decision == Decision::Accepted { Metric::JobAccepted } else { Metric::JobRejected };
    effects.count(metric, 1);
    effects.emits.extend(told(&row, rules));
    Ok(Decided { fact: Some(row), open: unknown, kept: true })
}

/// What is told of a bet's decision, whatever has become of the bet since.
pub fn told(row: &BetRow, rules: &BetRules) -> Option<(&'static str, Append)> {
    let decided = row.as_decided();
    let notification = Notification::of(&decided, decided.decided_at);
    let record = Append::new(row.bet.bettor.to_string(), notification.to_json());
    rules.notify.then(|| (Notification::STREAM, record.arrived(Arrival(decided.decided_at.millis()))))
}

/// Adds an accepted bet to its question's totals.
pub fn add_to_totals(bet: &Bet, rows: &mut Rows) {
    let outcomes = rows::question(rows, bet.question_uuid).map_or(0, |question| question.spec.outcomes.len());
    let outcome = usize::from(bet.outcome_index);
    let new = || TotalsRow::new(outcomes.max(outcome + 1));
    if let Some(totals) = rows::change_totals(rows, bet.question_uuid, new) {
        totals.add(outcome, bet.buy_amount);
    }
}

fn row_of(bet: &Bet, at: &At, decision: Decision) -> BetRow {
    let (status, reject_reason) = match decision {
        Decision::Accepted => (BetStatus::Accepted, None),
        Decision::Rejected(reason) => (BetStatus::Rejected, Some(reason)),
    };
    BetRow {
        bet: *bet,
        status,
        status_version: if at.again { 2 } else { 1 },
        reject_reason,
        payout: None,
        arrived_at: event_time(at.arrived_at),
        shard: at.shard.0,
        position: LogPosition::from_bytes(at.position.to_be_bytes()),
        result: None,
        decided_at: event_time(at.now),
    }
}

/// An arrival as the rows store it.
pub fn event_time(at: Arrival) -> Timestamp {
    Timestamp::from_millis_clamped(at.0)
}

/// The key under which bets are decided.
pub fn decision_id(bet: BetId) -> [u8; 16] {
    *bet.as_bytes()
}
