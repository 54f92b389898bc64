//! What must hold after any schedule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use jobs::bets::totals::TotalsRow;
use pipeline::adapters::aws::item::Item;
use schemas::bet_row::{BetRow, BetStatus};
use schemas::money::Money;
use schemas::notification::Notification;
use schemas::outbox::OutboxRow;
use schemas::row::Row;
use schemas::user::UserRow;

use super::run::{Run, WINDOW_MS};
use crate::cluster::{bets, dead_letters, events, rows, windows};

/// How many bets, and their stakes in micro-units.
type Sum = (u64, i64);
/// By question and outcome.
type Sums = BTreeMap<(String, u64), Sum>;

fn add<K: Ord>(sums: &mut BTreeMap<K, Sum>, key: K, (count, stake): Sum) {
    let (counts, stakes) = sums.entry(key).or_default();
    (*counts, *stakes) = (*counts + count, *stakes + stake);
}

/// Fails with those sums that differ.
fn agree<K: Ord + Debug>(what: &str, found: &BTreeMap<K, Sum>, expected: &BTreeMap<K, Sum>) {
    let keys: BTreeSet<&K> = found.keys().chain(expected.keys()).collect();
    let differing = keys.into_iter().map(|key| (key, found.get(key), expected.get(key)));
    let differing: Vec<_> = differing.filter(|(_, found, expected)| found != expected).collect();
    assert!(differing.is_empty(), "{what}, found and expected: {differing:#?}");
}

impl Run<'_> {
    /// Every bet was decided once and told, and what adds up to something adds up to the same.
    pub async fn check(&self) {
        let cluster = &self.site.cluster;
        // What an aggregate took to another's shard is refused there, and was sent again.
        let mut dead = dead_letters(cluster).await;
        dead.retain(|letter| !letter.reject.detail.contains("which is another shard's"));
        assert_eq!(dead, []);
        let bets = bets(cluster).await;
        assert_eq!(bets.len(), self.bets());
        assert!(bets.values().all(|row| row.status == BetStatus::Accepted && row.status_version == 1));
        let told = events::<Notification>(cluster).await;
        let told: BTreeSet<_> = told.iter().map(|told| told.notification_id.to_string()).collect();
        let outbox = rows::<OutboxRow>(cluster).await;
        let untold = outbox.iter().map(|row| &row.notification);
        let untold: Vec<_> = untold.filter(|row| !told.contains(&row.notification_id.to_string())).collect();
        assert_eq!(
            (told.len(), outbox.len()),
            (bets.len(), bets.len()),
            "in the outbox and not in the stream: {untold:#?}"
        );
        assert!(untold.is_empty(), "in the outbox and not in the stream: {untold:#?}");
        self.users_agree(&bets).await;
        let mut expected = Sums::new();
        for row in bets.values() {
            let key = (row.bet.question_uuid.to_string(), u64::from(row.bet.outcome_index));
            add(&mut expected, key, (1, row.bet.buy_amount.micros()));
        }
        agree("question totals", &self.totals(&expected).await, &expected);
        self.windows_agree(&bets).await;
    }

    async fn users_agree(&self, bets: &BTreeMap<String, BetRow>) {
        let mut expected = BTreeMap::new();
        for row in bets.values() {
            add(&mut expected, row.bet.bettor.to_string(), (1, row.bet.buy_amount.micros()));
        }
        let users = rows::<UserRow>(&self.site.cluster).await;
        assert!(users.iter().all(|user| user.profile.open_stake == user.profile.staked));
        let sums = |user: &UserRow| (user.profile.bets_placed, user.profile.staked.micros());
        let found: BTreeMap<_, _> = users.iter().map(|user| (user.address.to_string(), sums(user))).collect();
        agree("users", &found, &expected);
    }

    /// The totals of these questions.
    async fn totals(&self, of: &Sums) -> Sums {
        let questions: BTreeSet<&String> = of.keys().map(|(question, _)| question).collect();
        let mut sums = Sums::new();
        for question in questions {
            for part in self.site.cluster.tables.sums(&format!("question_totals/{question}")).await.unwrap() {
                let part = TotalsRow::from_bytes(&part.row).unwrap();
                let outcomes = part.bets.iter().zip(&part.stake);
                for (outcome, (count, stake)) in (0..).zip(outcomes).filter(|(_, (count, _))| **count > 0) {
                    add(&mut sums, (question.clone(), outcome), (*count, stake.micros()));
                }
            }
        }
        sums
    }

    async fn windows_agree(&self, bets: &BTreeMap<String, BetRow>) {
        let mut expected = BTreeMap::new();
        for row in bets.values() {
            let key = (window_of(row), format!("{}/{}", row.bet.question_uuid, row.bet.outcome_index));
            add(&mut expected, key, (1, row.bet.buy_amount.micros()));
        }
        let windows = windows(&self.site.cluster).await;
        let found: BTreeMap<_, _> = windows
            .iter()
            .filter(|((window, _), _)| window.starts_with("short/"))
            .map(|(key, item)| (key.clone(), sum_of(item)))
            .collect();
        agree("windows", &found, &expected);
    }
}

/// The window that a bet counts in.
pub(super) fn window_of(row: &BetRow) -> String {
    let placed = row.bet.placed_at.millis();
    format!("short/{}", placed - placed.rem_euclid(WINDOW_MS))
}

fn sum_of(item: &Item) -> Sum {
    let number = |name: &str| item[name].as_n().unwrap();
    let stake: Money = number("stake").parse().unwrap();
    (number("bets").parse().unwrap(), stake.micros())
}
