//! What of a world is not done yet.

use std::collections::BTreeSet;
use std::ops::Bound;

use jobs::cluster::Cluster;
use jobs::notify::due;
use schemas::bet_row::BetStatus;
use schemas::outbox::OutboxState;

use super::check::window_of;
use super::producers::{BOUNCING, question};
use super::world::{Act, World};
use crate::account::Account;
use crate::cluster::windows;
use crate::invariants::Ledger;

/// The first thing that is missing: of these bets, each must be decided.
pub async fn of(cluster: &Cluster, account: &Account, world: &World, good: &BTreeSet<String>) -> Option<String> {
    let ledger = Ledger::of_cluster(cluster).await;
    let decided: BTreeSet<String> = ledger.bets.iter().map(|row| row.bet.bet_uuid.to_string()).collect();
    if let Some(id) = good.iter().find(|id| !decided.contains(*id)) {
        return Some(format!("bet {id} is not decided"));
    }
    let owed: u64 = ledger.bets.iter().map(|row| u64::from(row.status_version)).sum();
    if (ledger.outbox.len() as u64) < owed {
        return Some(format!("{} of {owed} changes are in the outbox", ledger.outbox.len()));
    }
    if let Some(row) = ledger.outbox.iter().find(|row| matches!(row.state, OutboxState::Pending)) {
        return Some(format!("{} is not mailed", row.notification.notification_id));
    }
    let now = (Bound::Unbounded, Bound::Excluded(due::after(account.clock().now())));
    let due =
        cluster.tables.range_within(due::TABLE, now, usize::MAX).await.expect("the looker is not disturbed").len();
    if due > 0 {
        return Some(format!("{due} mails are due"));
    }
    if world.bounces && account.ended().is_none() && account.mails().values().any(|mailed| mailed.to == BOUNCING) {
        return Some(format!("that {BOUNCING} bounced is not known"));
    }
    let ends = answered(world);
    let open = ledger
        .questions
        .iter()
        .find(|question| ends.contains(&question.spec.question_uuid.to_string()) && question.settled_at.is_none());
    if let Some(question) = open {
        let task = ledger.tasks.iter().find(|task| task.question_uuid == question.spec.question_uuid);
        return Some(format!("a question is not settled: {question:?}, its settlement: {task:?}"));
    }
    let counting = ledger.bets.iter().filter(|row| row.status != BetStatus::Rejected);
    let mut waiting: BTreeSet<String> = counting.map(window_of).collect();
    for ((window, _), item) in windows(cluster).await {
        if item["final"].as_bool() == Ok(&true) {
            waiting.remove(&window);
        }
    }
    waiting.first().map(|window| format!("window {window} is not final"))
}

/// The questions that have an answer.
pub fn answered(world: &World) -> BTreeSet<String> {
    let answered = world.deeds.iter().filter_map(|deed| match deed.act {
        Act::Answer(number) | Act::Void(number) | Act::Dispute(number) | Act::Emergency(number) => {
            Some(question(number))
        }
        _ => None,
    });
    answered.collect()
}
