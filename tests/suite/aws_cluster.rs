//! The jobs on AWS' APIs: the recorded market gives the same tables as on a laptop, and nothing is lost or
//! doubled whatever comes and goes.

use std::collections::{BTreeMap, BTreeSet};

use jobs::bets::odds;
use jobs::node::{Node, NodeOptions};
use jobs::replay::onto::replay_onto;
use jobs::replay::{Interrupt, Speed, fingerprint, replay};
use jobs::sources::betfair::{self, incidents};
use jobs::sources::{SourceError, merge};
use pipeline::adapters::aws::item::of_row;
use pipeline::adapters::embedded::Durability;
use pipeline::tables::Tables;
use pipeline::window::results;
use pipeline::{Arrival, Clock};
use schemas::bet_row::BetRow;
use schemas::question::{QuestionRow, QuestionState};
use schemas::settlement::SettlementRow;
use schemas::user::UserRow;
use tests::cluster::{Site, bets, rows, until, windows};
use tests::schedule::{self, Action, Schedule, Servers};
use tests::{fixture, invariants, servers};

/// A bet without what depends on where it was read, and when it was settled with which others.
fn anywhere(row: &BetRow) -> BetRow {
    BetRow { shard: 0, position: Default::default(), ..*row }
}

fn cricket() -> Result<impl Iterator<Item = Result<jobs::sources::Sourced, SourceError>>, SourceError> {
    let files = fixture::cricket();
    let market = betfair::Replay::new(betfair::open(&files.market)?);
    Ok(merge(incidents::Replay::new(incidents::open(&files.incidents)?), market))
}

async fn embedded() -> Node {
    let options = NodeOptions { durability: Durability::Os, ..NodeOptions::default() };
    let node = Node::open(options, Clock::manual(Arrival(0))).unwrap();
    let files = fixture::cricket();
    let source = fingerprint([files.market.as_path(), files.incidents.as_path()]).unwrap();
    replay(&node, None, cricket, source, Speed::Max, &Interrupt::default(), &mut |_| {}).await.unwrap();
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_market_gives_the_same_tables() {
    let node = embedded().await;
    let server = servers::ministack();
    let site = Site::create(server.account(3), |_| {}).await;
    let cluster = &site.cluster;
    let (one, other) = (site.start("one"), site.start("other"));
    replay_onto(&cluster.log, cricket().unwrap(), &Interrupt::default(), &mut |_, _| {}).await.unwrap();
    let tables = Tables::Embedded(node.tables.clone());
    let stored = results::load_all(&tables, odds::NAME, odds::LENGTH_MS, &node.windows[0].plan).await.unwrap();
    let expected_rows: usize = stored.iter().map(|window| window.rows.num_rows()).sum();
    until("settling has begun", 600, async || {
        rows::<QuestionRow>(cluster).await.iter().any(|question| question.state == QuestionState::Approved)
    })
    .await;
    // Shards that change hands now take their timers along, and no others.
    let third = site.start("third");
    until("the question is settled and its windows are final", 900, async || {
        let settled = rows::<QuestionRow>(cluster).await.iter().any(|question| question.settled_at.is_some());
        let windows = windows(cluster).await;
        settled && windows.len() == expected_rows && windows.values().all(|item| item["final"].as_bool() == Ok(&true))
    })
    .await;
    one.stop().await;
    other.stop().await;
    third.stop().await;

    let expected: BTreeMap<String, BetRow> =
        invariants::bets(&node).iter().map(|row| (row.bet.bet_uuid.to_string(), anywhere(row))).collect();
    let found = bets(cluster).await;
    assert_eq!(found.len(), expected.len());
    for (id, row) in &found {
        assert_eq!(Some(&anywhere(row)), expected.get(id), "{id}");
    }
    let profiles = |users: Vec<UserRow>| -> BTreeMap<String, UserRow> {
        users.into_iter().map(|user| (user.address.to_string(), user)).collect()
    };
    assert_eq!(profiles(rows(cluster).await), profiles(invariants::rows(&node)));

    let [question] = &rows::<QuestionRow>(cluster).await[..] else { panic!("one question") };
    let [reference] = &invariants::rows::<QuestionRow>(&node)[..] else { panic!("one question") };
    // When the last page was settled depends on the pages.
    assert_eq!(
        QuestionRow { settled_at: None, ..question.clone() },
        QuestionRow { settled_at: None, ..reference.clone() }
    );
    assert_eq!(question.state, QuestionState::Approved);
    let [task] = &rows::<SettlementRow>(cluster).await[..] else { panic!("one settlement") };
    let [reference] = &invariants::rows::<SettlementRow>(&node)[..] else { panic!("one settlement") };
    let whole = |task: &SettlementRow| SettlementRow { settled_at: None, ..task.clone() };
    assert_eq!(whole(task), whole(reference));

    let found = windows(cluster).await;
    let mut seen = BTreeSet::new();
    for window in &stored {
        for row in 0..window.rows.num_rows() {
            let expected = of_row(&window.rows, row).unwrap();
            let group =
                format!("{}/{}", expected["question_uuid"].as_s().unwrap(), expected["outcome_index"].as_n().unwrap());
            let key = (format!("odds/{}", window.start_ms), group);
            let item = &found[&key];
            for (name, value) in &expected {
                assert_eq!(plain(&item[name]), plain(value), "{key:?}: {name}");
            }
            seen.insert(key);
        }
    }
    assert_eq!(seen.len(), found.len(), "windows that the other does not have");
}

/// A value as it compares: DynamoDB writes numbers in its own way.
fn plain(value: &pipeline::adapters::aws::item::Value) -> String {
    match value.as_n() {
        Ok(digits) if digits.contains('.') => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        Ok(digits) => digits.clone(),
        Err(other) => format!("{other:?}"),
    }
}

/// Each schedule in an account of its own. Where one fails, it and its seed are printed.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_whatever_comes_and_goes() {
    schedule::run_all(&Servers::start().await, 1..4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_right_also_where_two_close_them() {
    let mut actions = vec![Action::CatchUp; 30];
    actions[0] = Action::Double;
    let schedule = Schedule { seed: 0, aggregate: false, actions };
    schedule::run(&Servers::start().await, &schedule).await;
}
