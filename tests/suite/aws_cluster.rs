//! The jobs on AWS' APIs: the recorded market gives the same tables as on a laptop, and nothing is lost or
//! doubled while workers are killed, stopped and added and the stream is split and merged.

use std::collections::{BTreeMap, BTreeSet};

use jobs::bets::odds;
use jobs::bets::totals::TotalsRow;
use jobs::betting::bets_table;
use jobs::cluster::Cluster;
use jobs::node::{Node, NodeOptions};
use jobs::replay::onto::replay_onto;
use jobs::replay::{Interrupt, Speed, fingerprint, replay};
use jobs::sources::betfair::{self, incidents};
use jobs::sources::{SourceError, merge};
use pipeline::adapters::aws::item::{Item, of_row};
use pipeline::adapters::aws::producer::{Producer, ProducerOptions};
use pipeline::adapters::aws::{Aws, streams};
use pipeline::adapters::embedded::Durability;
use pipeline::record::{Append, Position};
use pipeline::tables::Tables;
use pipeline::window::results;
use pipeline::{Arrival, Clock};
use schemas::bet_row::{BetRow, BetStatus};
use schemas::codec::Event;
use schemas::columns::bet_block::BetBlock;
use schemas::notification::Notification;
use schemas::question::{QuestionRow, QuestionState};
use schemas::row::Row;
use schemas::settlement::SettlementRow;
use schemas::user::UserRow;
use tests::cluster::{Site, until};
use tests::{fixture, invariants, records, servers};

async fn rows<R: Row>(cluster: &Cluster) -> Vec<R> {
    let rows = cluster.tables.scan(R::TABLE).await.unwrap();
    rows.iter().map(|(_, row)| R::from_bytes(&row.bytes).unwrap()).collect()
}

async fn bets(cluster: &Cluster) -> BTreeMap<String, BetRow> {
    let block = cluster.tables.scan_facts(&bets_table()).await.unwrap();
    let block = BetBlock::new(&block).unwrap();
    (0..block.len()).map(|row| block.row(row).unwrap()).map(|row| (row.bet.bet_uuid.to_string(), row)).collect()
}

/// A bet without what depends on where it was read, and when it was settled with which others.
fn anywhere(row: &BetRow) -> BetRow {
    BetRow { shard: 0, position: Default::default(), ..*row }
}

async fn windows(cluster: &Cluster) -> BTreeMap<(String, String), Item> {
    let text = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
    let items = cluster.tables.scan_items("odds_windows").await.unwrap();
    items.into_iter().map(|item| ((text(&item, "window_key"), text(&item, "group_key")), item)).collect()
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
    until("the question is settled and its windows are final", 300, async || {
        let settled = rows::<QuestionRow>(cluster).await.iter().any(|question| question.settled_at.is_some());
        let windows = windows(cluster).await;
        settled && windows.len() == expected_rows && windows.values().all(|item| item["final"].as_bool() == Ok(&true))
    })
    .await;
    one.stop().await;
    other.stop().await;

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

/// Bets on some questions, each with an id of its own.
fn bet(number: u64, now: i64) -> (String, String) {
    let question = question(number % 20);
    let bettor = format!("0x{:040x}", 0xb0 + number % 7);
    let json = format!(
        r#"{{"bet_uuid":"0b000000-0000-4000-8000-{number:012x}","question_uuid":"{question}","outcome_index":{},"bettor":"{bettor}","buy_amount":"{}.25","odds":"2.5","chain_id":137,"placed_at":{now}}}"#,
        number % 2,
        1 + number % 50
    );
    (question, json)
}

fn question(number: u64) -> String {
    format!("0a000000-0000-4000-8000-{number:012x}")
}

async fn put(aws: &Aws, stream: &str, records: &[(String, String)]) {
    let producer = Producer::new(aws.clone(), ProducerOptions::default());
    let records: Vec<Append> = records.iter().map(|(key, json)| Append::new(key.clone(), json.clone())).collect();
    assert_eq!(producer.append(stream, &records).await.unwrap().missing(), 0);
}

/// Splits the first open shard in two.
async fn split(aws: &Aws, stream: &str) {
    let shards = streams::shards(aws, stream).await.unwrap();
    let shard = shards.iter().find(|shard| !shard.closed).unwrap();
    let middle = shard.range.start + (shard.range.end - shard.range.start) / 2;
    let request = aws.kinesis.split_shard().stream_name(stream).shard_to_split(shard.id.to_string());
    request.new_starting_hash_key(middle.to_string()).send().await.unwrap();
    active(aws, stream).await;
}

/// Merges the two open shards that are nearest to the beginning.
async fn merge_first(aws: &Aws, stream: &str) {
    let mut open: Vec<_> =
        streams::shards(aws, stream).await.unwrap().into_iter().filter(|shard| !shard.closed).collect();
    open.sort_by_key(|shard| shard.range.start);
    let request = aws.kinesis.merge_shards().stream_name(stream).shard_to_merge(open[0].id.to_string());
    request.adjacent_shard_to_merge(open[1].id.to_string()).send().await.unwrap();
    active(aws, stream).await;
}

async fn active(aws: &Aws, stream: &str) {
    until("the stream is active", 30, async || {
        let summary = streams::describe(aws, stream).await.unwrap().unwrap();
        summary.stream_status().as_str() == "ACTIVE"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_while_workers_and_shards_come_and_go() {
    const BETS: u64 = 600;
    let (kinesis, others) = (servers::kinesis_local(), servers::ministack());
    let aws = Aws { kinesis: kinesis.account(4).kinesis, ..others.account(4) };
    let site = Site::create(aws.clone(), |options| {
        options.idle_clock = true;
        options.aggregate = false;
    })
    .await;
    let cluster = &site.cluster;
    let now = Clock::System.now().0;
    let opened: Vec<_> = (0..20)
        .map(|n| {
            (
                question(n),
                records::opened(&format!("0e000000-0000-4000-8000-{n:012x}"), &question(n), 2, now, now + 3_600_000),
            )
        })
        .collect();
    put(&aws, "test-game-events", &opened).await;

    let mut workers = vec![site.start("a"), site.start("b")];
    for (step, numbers) in (0..BETS).collect::<Vec<_>>().chunks(60).enumerate() {
        let now = Clock::System.now().0;
        let bets: Vec<_> = numbers.iter().map(|number| bet(*number, now)).collect();
        put(&aws, "test-bets", &bets).await;
        match step {
            1 => split(&aws, "test-bets").await,
            2 => workers.remove(0).kill().await,
            3 => workers.push(site.start("c")),
            4 => merge_first(&aws, "test-bets").await,
            5 => workers.remove(0).stop().await,
            6 => workers.push(site.start("d")),
            7 => split(&aws, "test-bets").await,
            // The same records once more: each bet counts once.
            8 => put(&aws, "test-bets", &bets).await,
            _ => {}
        }
    }
    until("every bet is decided", 120, async || bets(cluster).await.len() as u64 == BETS).await;
    let told = async || {
        let mut ids = BTreeSet::new();
        for shard in cluster.log.shards("notifications").await.unwrap() {
            let chunk = cluster.log.read("notifications", shard.id, Position::START, usize::MAX).await.unwrap();
            ids.extend(chunk.records.iter().map(|record| Notification::decode(&record.data).unwrap().notification_id));
        }
        ids.len() as u64
    };
    until("every decision is told", 60, async || told().await == BETS).await;
    for worker in workers {
        worker.stop().await;
    }

    let bets = bets(cluster).await;
    assert!(bets.values().all(|row| row.status == BetStatus::Accepted && row.status_version == 1));
    let (mut staked, mut counts) = (BTreeMap::<String, i64>::new(), BTreeMap::<String, u64>::new());
    for row in bets.values() {
        *staked.entry(row.bet.bettor.to_string()).or_default() += row.bet.buy_amount.micros();
        *counts.entry(row.bet.question_uuid.to_string()).or_default() += 1;
    }
    for user in rows::<UserRow>(cluster).await {
        assert_eq!(staked.remove(&user.address.to_string()), Some(user.profile.staked.micros()), "{}", user.address);
        assert_eq!(user.profile.staked, user.profile.open_stake);
    }
    assert!(staked.is_empty(), "bettors without a profile: {staked:?}");
    for (question, count) in counts {
        let parts = cluster.tables.sums(&format!("question_totals/{question}")).await.unwrap();
        let totals = parts.iter().map(|part| TotalsRow::from_bytes(&part.row).unwrap());
        let bets: u64 = totals.map(|totals| totals.bets.iter().sum::<u64>()).sum();
        assert_eq!(bets, count, "question {question}: {parts:?}");
    }
}
