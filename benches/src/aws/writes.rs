//! DynamoDB write units a bet, as the answers to a cluster's writes say, on a skewed load: bettors by Zipf's
//! law, and about half of all bets on one question.
//!
//! ministack counts as AWS does: a transaction two units a kilobyte of each item, an index one more. The
//! rows of letters and of window results are not a bet's: the former are switched off, the latter are
//! written every five minutes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jobs::cluster::Cluster;
use jobs::sources::generate::{Bets, Line, Params};
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::producer::{Producer, ProducerOptions};
use pipeline::engine::Stop;
use pipeline::lease::WorkerId;
use pipeline::metrics::Metric;
use pipeline::record::Append;
use pipeline::{Arrival, Clock};
use schemas::question::QuestionRow;
use schemas::row::Row;
use schemas::settlement::SettlementRow;
use schemas::time::Timestamp;
use tests::cluster::{Site, until};
use tests::servers;

use super::{Numbers, verdict};

const ASKED_AT_ACCEPTANCE: f64 = 6.0;
const ASKED_LATER: f64 = 3.0;
/// One has more than half of the bets, by Zipf's law.
const QUESTIONS: u32 = 3;
/// By when sums are written that a checkpoint carries.
const CHECKPOINTED: Duration = Duration::from_secs(12);

/// How the bets come.
#[derive(Debug, Clone, Copy)]
struct Load {
    name: &'static str,
    bets: u64,
    bettors: u64,
    /// Bets a second; nothing for all at once.
    rate: Option<u64>,
}

/// Units a bet.
#[derive(Debug, Clone, Copy)]
struct Units {
    accepting: f64,
    settling: f64,
}

pub fn run(numbers: &Numbers) {
    let (bets, bettors, rate) = (numbers.of("bets", 2_000), numbers.of("bettors", 500), numbers.of("rate", 100));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = servers::ministack();
    println!("write units a bet: {bets} bets of {bettors} bettors on {QUESTIONS} questions\n");
    println!("{:<34}{:>16}{:>16}", "bets come", "at acceptance", "at settlement");
    let live = Load { name: "live", bets, bettors, rate: Some(rate) };
    let backlog = Load { name: "all at once", rate: None, ..live };
    let mut measured = Vec::new();
    for (account, load) in [live, backlog].into_iter().enumerate() {
        let units = runtime.block_on(measure(server.account(account as u64), load));
        let name = load.rate.map_or(load.name.into(), |rate| format!("{}, {rate} a second", load.name));
        println!("{name:<34}{:>16.2}{:>16.2}", units.accepting, units.settling);
        measured.push(units);
    }
    let worst = |of: fn(&Units) -> f64| measured.iter().map(of).fold(0.0, f64::max);
    let (accepting, settling) = (worst(|units| units.accepting), worst(|units| units.settling));
    println!("asked at acceptance: at most {ASKED_AT_ACCEPTANCE}: {}", verdict(accepting <= ASKED_AT_ACCEPTANCE));
    println!("asked at a later change: at most {ASKED_LATER}: {}\n", verdict(settling <= ASKED_LATER));
    dollars(accepting + settling, bet_bytes(live));
}

/// A cluster of one worker; units are counted from when accounts and questions are there.
async fn measure(aws: Aws, load: Load) -> Units {
    let site = Site::create(aws.clone(), |options| {
        options.idle_clock = true;
        options.node.notify = false;
    })
    .await;
    let cluster = &site.cluster;
    let stop = Stop::default();
    let worker = tokio::spawn({
        let (cluster, stop) = (cluster.clone(), stop.clone());
        async move { cluster.run(WorkerId("one".into()), stop).await }
    });
    let producer = Producer::new(aws, ProducerOptions { ordered: false, ..ProducerOptions::default() });
    let (bets, introductions): (Vec<Line>, Vec<Line>) = lines(load).partition(|line| line.stream == "bets");
    put(&producer, "game-events", introductions).await;
    until("accounts and questions are there", 120, async || questions(cluster).await.len() == QUESTIONS as usize).await;
    let before = checkpointed(cluster).await;
    for second in bets.chunk_by(|one, other| one.at.millis() / 1_000 == other.at.millis() / 1_000) {
        if load.rate.is_some() {
            let ahead = second[0].at.millis() - Clock::System.now().0;
            tokio::time::sleep(Duration::from_millis(ahead.max(0) as u64)).await;
        }
        put(&producer, "bets", second.to_vec()).await;
    }
    until("every bet is accepted", 300, async || cluster.metrics.get(Metric::JobAccepted) == load.bets).await;
    let accepted = checkpointed(cluster).await;
    decide(cluster, &producer).await;
    until("every bet is settled", 300, async || cluster.metrics.get(Metric::JobSettlements) == u64::from(QUESTIONS))
        .await;
    let settled = checkpointed(cluster).await;
    let tasks = cluster.tables.scan(SettlementRow::TABLE).await.unwrap();
    let tasks = tasks.iter().map(|(_, row)| SettlementRow::from_bytes(&row.bytes).unwrap());
    assert_eq!(tasks.map(|task| task.settled()).sum::<u64>(), load.bets, "every bet is settled once");
    stop.now();
    worker.await.unwrap().unwrap();
    let each = |units: f64| units / load.bets as f64;
    Units { accepting: each(accepted - before), settling: each(settled - accepted) }
}

/// Units so far, once a checkpoint has carried the sums that were in memory.
async fn checkpointed(cluster: &Cluster) -> f64 {
    tokio::time::sleep(CHECKPOINTED).await;
    cluster.tables.write_units()
}

fn lines(load: Load) -> impl Iterator<Item = Line> {
    let start = Timestamp::from_millis(Clock::System.now().0 + 15_000).unwrap();
    let duration_ms = load.rate.map_or(1, |rate| load.bets * 1_000 / rate);
    let (count, bettors) = (load.bets, load.bettors as u32);
    let params = Params { count, seed: 7, questions: QUESTIONS, bettors, start, duration_ms, ..Params::default() };
    Bets::new(params).unwrap()
}

fn bet_bytes(load: Load) -> usize {
    let bets = lines(load).filter(|line| line.stream == "bets");
    bets.map(|line| line.bytes.len()).sum::<usize>() / load.bets as usize
}

async fn put(producer: &Producer, stream: &str, lines: Vec<Line>) {
    let records: Vec<Append> = lines.into_iter().map(|line| Append::new(line.partition_key, line.bytes)).collect();
    assert_eq!(producer.append(&format!("test-{stream}"), &records).await.unwrap().missing(), 0);
}

async fn questions(cluster: &Cluster) -> Vec<QuestionRow> {
    let rows = cluster.tables.scan(QuestionRow::TABLE).await.unwrap();
    rows.iter().map(|(_, row)| QuestionRow::from_bytes(&row.bytes).unwrap()).collect()
}

/// Closes every question and approves its first outcome.
async fn decide(cluster: &Cluster, producer: &Producer) {
    let seen =
        |source: &str| format!(r#""type":"outcome_observed","outcome_index":0,"source":"{source}","confidence":"1""#);
    let told = [
        r#""type":"betting_closed""#.to_owned(),
        seen("feed"),
        seen("streamer"),
        r#""type":"question_approved""#.to_owned(),
    ];
    for (number, body) in told.iter().enumerate() {
        let at: Arrival = Clock::System.now();
        let events = questions(cluster).await.into_iter().enumerate().map(|(place, question)| {
            let (id, event) = (question.spec.question_uuid, 16 * (place + 1) + number);
            let json = format!(
                r#"{{"event_uuid":"00000000-0000-4000-8000-{event:012x}","at":{},"question_uuid":"{id}",{body}}}"#,
                at.0
            );
            Append::new(id.to_string(), json)
        });
        let appended = producer.append("test-game-events", &events.collect::<Vec<_>>()).await.unwrap();
        assert_eq!(appended.missing(), 0);
    }
}

/// What that comes to, beside an invocation of Lambda a record.
fn dollars(units: f64, bytes: usize) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/cost.py");
    let mut command = Command::new("python3");
    command.arg(program).args(["--reading", "polling", "--packing", "aggregated", "--bettor-units", "0"]);
    command.args(["--write-units", &format!("{units:.2}"), "--bytes", &bytes.to_string()]);
    assert!(command.status().is_ok_and(|ended| ended.success()), "infra/cost.py needs python3");
}
