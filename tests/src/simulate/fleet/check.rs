//! What must hold once everything has come to an end.

use std::collections::{BTreeMap, BTreeSet};

use jobs::cluster::Cluster;
use pipeline::dead_letter::Reason;
use schemas::bet_row::{BetRow, BetStatus};
use schemas::money::Money;

use super::left::answered;
use super::producers::{BOUNCING, Put};
use super::world::World;
use crate::account::Account;
use crate::cluster::{dead_letters, windows};
use crate::invariants::{
    Ledger, each_change_is_mailed, each_change_is_told_once, each_change_waits_for_its_mail, money_is_conserved,
    nothing_goes_where_it_bounced, queues_are_bounded,
};

/// The length of windows.
pub const WINDOW_MS: i64 = 20_000;

/// How long after calm somebody may still do what it began before: the longest stall, and a request.
const SLACK_MS: i64 = 70_000;

/// Every invariant, where everything has come to an end. It was calm since then, in milliseconds since 1970.
///
/// # Panics
/// With what does not hold.
pub async fn at_rest(world: &World, put: &Put, cluster: &Cluster, account: &Account, calm: i64) {
    let (ledger, mails) = (Ledger::of_cluster(cluster).await, account.mails());
    every_record_is_explained(world, put, &ledger, cluster).await;
    windows_agree(&ledger.bets, cluster).await;
    each_change_waits_for_its_mail(&ledger);
    each_change_is_told_once(&ledger);
    let bouncing = world.bounces.then_some(BOUNCING);
    each_change_is_mailed(&ledger, &mails, bouncing, world.is_calm());
    if let Some(address) = bouncing {
        nothing_goes_where_it_bounced(&mails, address, account.ended().map(|at| at.max(calm)), SLACK_MS);
    }
    money_is_conserved(&ledger);
    queues_are_bounded(cluster).await;
}

/// What is acknowledged was decided once, or is a dead letter: with a body that was put.
async fn every_record_is_explained(world: &World, put: &Put, ledger: &Ledger, cluster: &Cluster) {
    let mut dead = dead_letters(cluster).await;
    // What an aggregate took to another's shard is refused there, and was sent again.
    dead.retain(|letter| !letter.reject.detail.contains("which is another shard's"));
    let refused: BTreeSet<String> =
        dead.iter().map(|letter| String::from_utf8_lossy(&letter.bytes).into_owned()).collect();
    let decided: BTreeMap<String, &BetRow> =
        ledger.bets.iter().map(|row| (row.bet.bet_uuid.to_string(), row)).collect();
    assert_eq!(decided.len(), ledger.bets.len(), "a bet stands twice");
    for (id, row) in &decided {
        assert!(put.bets.contains_key(id), "nobody put bet {id}");
        assert_eq!(
            row.status == BetStatus::Rejected,
            row.reject_reason.is_some(),
            "bet {id} has a reason if it is rejected"
        );
    }
    for (id, bodies) in &put.bets {
        let counted =
            usize::from(decided.contains_key(id)) + bodies.iter().filter(|body| refused.contains(*body)).count();
        assert!(counted > 0, "nothing came of bet {id}: {bodies:?}");
        // Of several bodies one counts; every other one is a conflict.
        assert!(bodies.len() == 1 || counted == bodies.len(), "{counted} of {bodies:?} are explained");
    }
    for garbage in &put.garbage {
        assert!(refused.contains(garbage), "{garbage:?} is no dead letter");
    }
    for letter in &dead {
        let bytes = String::from_utf8_lossy(&letter.bytes);
        // What an operator says too late, or where it does not fit.
        let pauses =
            ["question_paused", "question_resumed", "question_amended"].iter().any(|kind| bytes.contains(kind));
        if letter.stream == "game-events" && (pauses || letter.reject.detail.contains("has been final since")) {
            continue;
        }
        let conflicting = letter.reject.reason == Reason::Conflict;
        let known = put.garbage.contains(&*bytes) || put.bets.values().any(|bodies| bodies.contains(&*bytes));
        assert!(known, "a dead letter that nobody put ({}): {bytes}", letter.reject.detail);
        assert!(conflicting || put.garbage.contains(&*bytes), "{}: {bytes}", letter.reject.detail);
    }
    if world.is_calm() {
        // Where nothing kept it up and its question stays open, a good bet counts.
        let closed = answered(world);
        let refused =
            |row: &&&BetRow| row.status == BetStatus::Rejected && !closed.contains(&row.bet.question_uuid.to_string());
        let wrong: Vec<_> = put.good.iter().filter_map(|id| decided.get(id)).filter(refused).collect();
        assert!(wrong.is_empty(), "good bets that do not count: {wrong:?}");
    }
}

/// The rows of the short windows say what the bets say.
async fn windows_agree(bets: &[BetRow], cluster: &Cluster) {
    let mut expected = BTreeMap::<(String, String), (u64, i64)>::new();
    for row in bets.iter().filter(|row| row.status != BetStatus::Rejected) {
        let key = (window_of(row), format!("{}/{}", row.bet.question_uuid, row.bet.outcome_index));
        let (count, stake) = expected.entry(key).or_default();
        (*count, *stake) = (*count + 1, *stake + row.bet.buy_amount.micros());
    }
    let mut found = BTreeMap::new();
    for (key, item) in windows(cluster).await.into_iter().filter(|((window, _), _)| window.starts_with("short/")) {
        let number = |name: &str| item[name].as_n().unwrap();
        let stake: Money = number("stake").parse().unwrap();
        assert_eq!(item["final"].as_bool(), Ok(&true), "{key:?} is final");
        found.insert(key, (number("bets").parse().unwrap(), stake.micros()));
    }
    let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let differing: Vec<_> = keys
        .into_iter()
        .map(|key| (key, found.get(key), expected.get(key)))
        .filter(|(_, found, expected)| found != expected)
        .collect();
    assert!(differing.is_empty(), "windows, found and expected: {differing:?}");
}

/// The window that a bet counts in.
pub fn window_of(row: &BetRow) -> String {
    let placed = row.bet.placed_at.millis();
    format!("short/{}", placed - placed.rem_euclid(WINDOW_MS))
}
