//! Invariants by name: what must hold of a node at any quiet moment.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use jobs::bets::totals::TotalsRow;
use jobs::cluster::Cluster;
use jobs::node::{INBOX, Node};
use jobs::notify::due;
use jobs::settle::result::promised;
use pipeline::adapters::mail;
use pipeline::record::Position;
use pipeline::tables::system;
use schemas::bet_row::{BetRow, BetStatus};
use schemas::codec::Event;
use schemas::columns::bet_block::BetBlock;
use schemas::ids::{Address, QuestionId};
use schemas::money::Money;
use schemas::notification::Notification;
use schemas::outbox::{OutboxRow, OutboxState};
use schemas::question::QuestionRow;
use schemas::row::Row;
use schemas::settlement::{Settlement, SettlementRow};
use schemas::user::{Profile, UserRow};

use crate::account::Mailed;
use crate::{cluster, read};

/// Timers of a question, at most: the end of betting, before and after an amendment, of a challenge, of a delay.
const TIMERS_OF_A_QUESTION: usize = 4;
/// Entries of a mail in the queue of what is due, at most.
const DUE_OF_A_MAIL: usize = 3;
/// Snapshots of a shard's states that are there at a time, at most: two are kept, one may be new.
const SNAPSHOTS_OF_A_SHARD: usize = 3;

/// What all bets add up to, in micro-units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Books {
    /// Stakes of all accepted bets.
    pub staked: i128,
    /// Payouts and refunds.
    pub returned: i128,
    /// Stakes of bets without a result.
    pub open: i128,
    /// What settled bets leave: their stakes less what they were paid.
    pub house: i128,
}

/// Every bet as it stands.
pub fn bets(node: &Node) -> Vec<BetRow> {
    let view = node.tables.view();
    let facts = node.tables.facts(node.bets.name).unwrap();
    let mut rows = Vec::new();
    for block in facts.blocks(&view, &node.bets) {
        let (_, block) = block.unwrap();
        let block = BetBlock::new(&block).unwrap();
        rows.extend((0..block.len()).map(|row| block.row(row).unwrap()));
    }
    rows
}

/// Every row of a table.
pub fn rows<R: Row>(node: &Node) -> Vec<R> {
    node.tables.scan(R::TABLE, &[]).unwrap().iter().map(|(_, bytes)| R::from_bytes(bytes).unwrap()).collect()
}

/// Every event of a stream.
pub fn events<E: Event>(node: &Node) -> Vec<E> {
    let mut events = Vec::new();
    for shard in node.log.shards(E::STREAM).unwrap() {
        let mut after = Position::START;
        loop {
            let chunk = node.log.read(E::STREAM, shard.id, after, 1 << 20).unwrap();
            let Some(last) = chunk.records.last() else { break };
            after = last.position;
            events.extend(chunk.records.iter().map(|record| E::decode(&record.data).unwrap()));
        }
    }
    events
}

/// What there is to compare at a quiet moment, wherever it is kept.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Every bet as it stands.
    pub bets: Vec<BetRow>,
    /// Every bettor.
    pub users: Vec<UserRow>,
    /// Every question.
    pub questions: Vec<QuestionRow>,
    /// What was staked on each question.
    pub totals: BTreeMap<QuestionId, TotalsRow>,
    /// Settlements that have begun.
    pub tasks: Vec<SettlementRow>,
    /// Settlements that were told.
    pub settlements: Vec<Settlement>,
    /// Changes of bets that were told.
    pub notifications: Vec<Notification>,
    /// Changes of bets that mails are owed for.
    pub outbox: Vec<OutboxRow>,
}

/// Whatever has a ledger.
pub trait Kept {
    /// As it is now.
    fn ledger(&self) -> Cow<'_, Ledger>;
}

impl Kept for Ledger {
    fn ledger(&self) -> Cow<'_, Ledger> {
        Cow::Borrowed(self)
    }
}

impl Kept for Node {
    fn ledger(&self) -> Cow<'_, Ledger> {
        Cow::Owned(Ledger::from(self))
    }
}

impl From<&Node> for Ledger {
    fn from(node: &Node) -> Ledger {
        let questions = rows::<QuestionRow>(node);
        let total = |question: &QuestionRow| {
            let id = question.spec.question_uuid;
            let stored = node.tables.get(TotalsRow::TABLE, id.as_bytes()).unwrap();
            (id, stored.map(|bytes| TotalsRow::from_bytes(&bytes).unwrap()).unwrap_or_default())
        };
        Ledger {
            bets: bets(node),
            users: rows(node),
            totals: questions.iter().map(total).collect(),
            questions,
            tasks: rows(node),
            settlements: events(node),
            notifications: events(node),
            outbox: rows(node),
        }
    }
}

impl Ledger {
    /// Of a cluster. What its streams have more than once is here once: consumers know repeats by their ids.
    pub async fn of_cluster(cluster: &Cluster) -> Ledger {
        let questions = cluster::rows::<QuestionRow>(cluster).await;
        let mut totals = BTreeMap::new();
        for question in &questions {
            let id = question.spec.question_uuid;
            let mut total = TotalsRow::default();
            for part in cluster.tables.sums(&format!("{}/{id}", TotalsRow::TABLE)).await.unwrap() {
                let part = TotalsRow::from_bytes(&part.row).unwrap();
                total.stake.resize(total.stake.len().max(part.stake.len()), Money::ZERO);
                total.bets.resize(total.bets.len().max(part.bets.len()), 0);
                for (outcome, (stake, bets)) in part.stake.iter().zip(&part.bets).enumerate() {
                    total.stake[outcome] = total.stake[outcome].checked_add(*stake).unwrap();
                    total.bets[outcome] += bets;
                }
            }
            totals.insert(id, total);
        }
        let notifications = cluster::events::<Notification>(cluster).await;
        let settlements = cluster::events::<Settlement>(cluster).await;
        Ledger {
            bets: cluster::bets(cluster).await.into_values().collect(),
            users: cluster::rows(cluster).await,
            questions,
            totals,
            tasks: cluster::rows(cluster).await,
            settlements: once(settlements, |event| event.question_uuid),
            notifications: once(notifications, |told| told.notification_id),
            outbox: cluster::rows(cluster).await,
        }
    }
}

/// The first of each.
fn once<E, K: Ord>(events: Vec<E>, key: impl Fn(&E) -> K) -> Vec<E> {
    let mut seen = BTreeSet::new();
    events.into_iter().filter(|event| seen.insert(key(event))).collect()
}

/// Profiles, question totals and settlements all say what the bets say, to the last unit, and
/// stakes = returns + house result + open.
///
/// # Panics
/// Where they do not.
pub fn money_is_conserved(of: &impl Kept) -> Books {
    let ledger = &of.ledger();
    let (mut books, mut profiles, mut totals) = (Books::default(), BTreeMap::new(), BTreeMap::new());
    for bet in &ledger.bets {
        add_to_profile(profiles.entry(bet.bet.bettor).or_default(), bet);
        if bet.status == BetStatus::Rejected {
            continue;
        }
        let stake = i128::from(bet.bet.buy_amount.micros());
        let payout = bet.payout.map(|payout| i128::from(payout.micros()));
        books.staked += stake;
        books.returned += payout.unwrap_or(0);
        books.open += if payout.is_none() { stake } else { 0 };
        books.house += payout.map_or(0, |payout| stake - payout);
        let of: &mut [i128; 2] = totals.entry((bet.bet.question_uuid, bet.bet.outcome_index)).or_insert([0, 0]);
        *of = [of[0] + stake, of[1] + 1];
    }
    assert_eq!(books.staked, books.returned + books.house + books.open);
    profiles_agree(&ledger.users, profiles);
    totals_agree(ledger, &totals);
    settlements_agree(ledger);
    books
}

fn add_to_profile(profile: &mut Profile, row: &BetRow) {
    let plus = |sum: Money, amount: Money| sum.checked_add(amount).unwrap();
    let minus = |sum: Money, amount: Money| sum.checked_sub(amount).unwrap();
    if row.status == BetStatus::Rejected {
        profile.rejected += 1;
        return;
    }
    let stake = row.bet.buy_amount;
    profile.bets_placed += 1;
    profile.staked = plus(profile.staked, stake);
    profile.last_bet_at = profile.last_bet_at.max(Some(row.bet.placed_at));
    let Some(payout) = row.payout else {
        profile.open_stake = plus(profile.open_stake, stake);
        profile.possible = plus(profile.possible, promised(&row.bet));
        return;
    };
    profile.returned = plus(profile.returned, payout);
    profile.profit = minus(plus(profile.profit, payout), stake);
    match row.result {
        Some(BetStatus::Won) => profile.won += 1,
        Some(BetStatus::Lost) => profile.lost += 1,
        Some(BetStatus::Void) => profile.voided += 1,
        other => panic!("bet {} has a payout and the result {other:?}", row.bet.bet_uuid),
    }
}

fn profiles_agree(users: &[UserRow], expected: BTreeMap<Address, Profile>) {
    let with_bets = users.iter().filter(|user| user.profile != Profile::default());
    let stored: BTreeMap<_, _> = with_bets.map(|user| (user.address, user.profile)).collect();
    assert_eq!(stored.len(), expected.len());
    for (address, profile) in expected {
        assert_eq!(stored.get(&address), Some(&profile), "profile of {address}");
    }
}

fn totals_agree(ledger: &Ledger, expected: &BTreeMap<(QuestionId, u16), [i128; 2]>) {
    for question in &ledger.questions {
        let id = question.spec.question_uuid;
        let stored = &ledger.totals[&id];
        for outcome in 0..question.spec.outcomes.len() {
            let [stake, bets] = expected.get(&(id, outcome as u16)).copied().unwrap_or_default();
            let got = stored.stake.get(outcome).map_or(0, |stake| i128::from(stake.micros()));
            assert_eq!((got, stored.bets.get(outcome).copied().unwrap_or(0)), (stake, bets as u64), "{id} {outcome}");
        }
    }
}

/// The odds windows together have every accepted bet, once: they say what the totals of the questions
/// and the rows of `bets` say, to the last unit.
///
/// # Panics
/// Where they do not.
pub async fn windows_have_every_bet(node: &Node) {
    let mut expected: BTreeMap<(QuestionId, u16), (i128, i128)> = BTreeMap::new();
    for row in bets(node).iter().filter(|row| row.status != BetStatus::Rejected) {
        let (bets, stake) = expected.entry((row.bet.question_uuid, row.bet.outcome_index)).or_default();
        (*bets, *stake) = (*bets + 1, *stake + i128::from(row.bet.buy_amount.micros()));
    }
    let expected = expected.into_iter().map(|((question, outcome), (bets, stake))| {
        format!("{question} | {outcome} | {bets} | {}.{:06}", stake / 1_000_000, stake % 1_000_000)
    });
    let sql =
        "SELECT question_uuid, outcome_index, sum(bets), sum(stake) FROM odds_windows GROUP BY 1, 2 ORDER BY 1, 2";
    assert_eq!(read::rows(node, sql).await, expected.collect::<Vec<_>>());
}

fn settlements_agree(ledger: &Ledger) {
    let questions: BTreeMap<_, _> = ledger.questions.iter().map(|row| (row.spec.question_uuid, row)).collect();
    let tasks: BTreeMap<_, _> = ledger.tasks.iter().map(|row| (row.question_uuid, row)).collect();
    let told = &ledger.settlements;
    let distinct: BTreeSet<_> = told.iter().map(|event| event.question_uuid).collect();
    assert_eq!(distinct.len(), told.len(), "one settlement a question");
    let mut seen: BTreeMap<QuestionId, [i128; 5]> = BTreeMap::new();
    for bet in ledger.bets.iter().filter(|bet| bet.status != BetStatus::Rejected) {
        let question = &questions[&bet.bet.question_uuid];
        assert_eq!(bet.payout.is_some(), bet.result.is_some());
        if question.settled_at.is_some() {
            assert!(bet.result.is_some(), "bet {} of a settled question is open", bet.bet.bet_uuid);
        }
        let sums = seen.entry(bet.bet.question_uuid).or_default();
        if let (Some(payout), Some(result)) = (bet.payout, bet.result) {
            sums[usize::from(result.code()) - 1] += 1;
            sums[3] += i128::from(bet.bet.buy_amount.micros());
            sums[4] += i128::from(payout.micros());
        }
    }
    for (id, task) in &tasks {
        let sums = seen.get(id).copied().unwrap_or_default();
        let counts = [task.bets_won, task.bets_lost, task.bets_void].map(i128::from);
        assert_eq!([counts[0], counts[1], counts[2], task.staked.micros(), task.returned.micros()], sums, "{id}");
        assert_eq!(task.settled_at.is_some(), distinct.contains(id), "{id} is told when it is settled");
        assert_eq!(task.settled_at, questions[id].settled_at);
    }
    for (id, question) in &questions {
        assert_eq!(question.settling_from.is_some(), tasks.contains_key(id), "{id}");
    }
}

/// Every version of every bet's status was told once.
///
/// # Panics
/// Where it was not.
pub fn each_change_is_told_once(of: &impl Kept) -> usize {
    let ledger = of.ledger();
    let told = &ledger.notifications;
    let distinct: BTreeSet<_> = told.iter().map(|told| (told.bet_uuid, told.status_version)).collect();
    assert_eq!(distinct.len(), told.len(), "told twice");
    let expected: BTreeSet<_> = ledger
        .bets
        .iter()
        .flat_map(|row| (1..=row.status_version).map(|version| (row.bet.bet_uuid, version)))
        .collect();
    assert!(distinct == expected, "{} changes, {} told", expected.len(), distinct.len());
    told.len()
}

/// Every change that was told has a row of the outbox, and nothing else has.
///
/// # Panics
/// Where it has not.
pub fn each_change_waits_for_its_mail(ledger: &Ledger) {
    let told: BTreeSet<_> = ledger.notifications.iter().map(|told| told.notification_id).collect();
    let owed: BTreeSet<_> = ledger.outbox.iter().map(|row| row.notification.notification_id).collect();
    let only = |one: &BTreeSet<_>, other: &BTreeSet<_>| one.difference(other).take(3).copied().collect::<Vec<_>>();
    assert_eq!(owed.len(), ledger.outbox.len(), "a row of the outbox for each");
    let (untold, unowed) = (only(&owed, &told), only(&told, &owed));
    assert!(untold.is_empty() && unowed.is_empty(), "in the outbox alone: {untold:?}; in the stream alone: {unowed:?}");
}

/// Every change has a mail through SES, or a reason why it has none; `once` where nobody was disturbed on the way. SES
/// knows no repeats: what it was asked for twice, because an answer was lost or a worker died, is sent twice. To an
/// address that bounces there is a mail until that is known.
///
/// # Panics
/// Where it has not.
pub fn each_change_is_mailed(ledger: &Ledger, mails: &BTreeMap<String, Mailed>, bouncing: Option<&str>, once: bool) {
    let users: BTreeMap<_, _> = ledger.users.iter().map(|user| (user.address, user)).collect();
    let (mut expected, mut allowed) = (BTreeSet::new(), BTreeSet::new());
    for row in &ledger.outbox {
        let id = row.notification.notification_id.to_string();
        let user = users[&row.notification.address];
        if user.email_confirmed && user.email.is_some() && user.email.as_deref() == bouncing {
            assert!(matches!(row.state, OutboxState::Sent | OutboxState::Skipped), "{id} is {:?}", row.state);
            if row.state == OutboxState::Sent {
                expected.insert(id.clone());
            }
            allowed.insert(id);
            continue;
        }
        let reachable = user.email_confirmed;
        assert_eq!(row.state, if reachable { OutboxState::Sent } else { OutboxState::Skipped }, "{id}");
        if reachable {
            expected.insert(id.clone());
            allowed.insert(id);
        }
    }
    let sent: BTreeSet<String> = mails.keys().cloned().collect();
    let (missing, extra): (Vec<_>, Vec<_>) =
        (expected.difference(&sent).collect(), sent.difference(&allowed).collect());
    assert!(missing.is_empty() && extra.is_empty(), "not mailed: {missing:?}; mailed for nothing: {extra:?}");
    let twice: Vec<_> = mails.iter().filter(|(_, mailed)| mailed.times > 1).collect();
    assert!(!once || twice.is_empty(), "mailed more than once, and nothing disturbed it: {twice:?}");
}

/// A bounce ends an address: once it is stored, and whoever was asleep meanwhile has woken up, nothing more is sent
/// there.
///
/// # Panics
/// Where a mail goes there all the same.
pub fn nothing_goes_where_it_bounced(mails: &BTreeMap<String, Mailed>, address: &str, known: Option<i64>, slack: i64) {
    for (id, mailed) in mails.iter().filter(|(_, mailed)| mailed.to == address) {
        let known = known.expect("a bounce that was told is stored");
        assert!(mailed.last <= known + slack, "{id} went to {address} {} ms after it was ended", mailed.last - known);
    }
}

/// What waits does not grow: a few timers for each question, an entry for a mail, a few snapshots of each shard.
///
/// # Panics
/// With what there is too much of.
pub async fn queues_are_bounded(cluster: &Cluster) {
    let count = async |table: &str| cluster.tables.scan(table).await.unwrap().len();
    let (timers, questions) = (count(system::TIMERS).await, count(QuestionRow::TABLE).await);
    assert!(timers <= TIMERS_OF_A_QUESTION * questions, "{timers} timers of {questions} questions");
    // A mail that was put off, and then sent by another worker, leaves entries until their time comes, which is late
    // where that worker's clock was ahead.
    let (due, mails) = (count(due::TABLE).await + count(due::DIGESTS).await, count(OutboxRow::TABLE).await);
    assert!(due <= DUE_OF_A_MAIL * mails, "{due} entries of what is due, for {mails} mails");
    let objects: Vec<_> = cluster.states.list(None).map(|object| object.unwrap().location).collect().await;
    let mut folders = BTreeMap::<String, usize>::new();
    for object in objects.iter().filter(|object| object.parts().any(|part| part.as_ref() == "shards")) {
        *folders
            .entry(object.to_string().rsplit_once('/').map(|(of, _)| of.to_owned()).unwrap_or_default())
            .or_default() += 1;
    }
    for (folder, count) in folders {
        assert!(count <= SNAPSHOTS_OF_A_SHARD, "{count} snapshots in {folder}");
    }
}

/// What became of the mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mails {
    /// Mails in the inbox.
    pub sent: usize,
    /// Notifications that nobody wants a mail about.
    pub skipped: usize,
}

/// Every change of a bet's status has one mail in the inbox, or a reason why it has none.
///
/// # Panics
/// Where it has not.
pub fn each_change_is_mailed_once(node: &Node) -> Mails {
    let told: BTreeSet<_> = events::<Notification>(node).into_iter().map(|told| told.notification_id).collect();
    let outbox = rows::<OutboxRow>(node);
    assert_eq!(outbox.len(), told.len(), "a row of the outbox for each");
    let inbox = mail::list(&node.dir().join(INBOX), usize::MAX, "").unwrap();
    let inbox: BTreeSet<_> = inbox.into_iter().map(|entry| entry.id).collect();
    let users: BTreeMap<_, _> = rows::<UserRow>(node).into_iter().map(|user| (user.address, user)).collect();
    let mut mails = Mails { sent: 0, skipped: 0 };
    for row in outbox {
        let id = row.notification.notification_id;
        assert!(told.contains(&id));
        let reachable = users[&row.notification.address].email_confirmed;
        let expected = if reachable { OutboxState::Sent } else { OutboxState::Skipped };
        assert_eq!((row.state, inbox.contains(&id.to_string())), (expected, reachable), "{id}");
        if reachable { mails.sent += 1 } else { mails.skipped += 1 }
    }
    assert_eq!(inbox.len(), mails.sent);
    mails
}
