//! From a durable append to the visible profile, at a steady rate.
//!
//! A probe bettor's bet goes in with ordinary ones; the time until the users table shows it is
//! one sample. Probes are a few milliseconds apart.

use std::time::{Duration, Instant};

use jobs::node::{Node, NodeOptions};
use pipeline::Clock;
use pipeline::record::Append;
use schemas::row::Row;
use schemas::user::UserRow;

use crate::Work;
use crate::usage::Meter;

pub fn run(work: &Work, rate: u64, seconds: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir_in(".").unwrap();
    let options = NodeOptions { data_dir: Some(dir.path().into()), notify: false, ..NodeOptions::default() };
    let node = Node::open(options, Clock::System).unwrap();
    let now = Clock::System.now().0;
    let mut lines = Work { count: rate * seconds + 1000, ..work.clone() }.lines();
    let mut first_bet = None;
    let mut events = Vec::new();
    for line in lines.by_ref() {
        if line.stream == "bets" {
            first_bet = Some(line);
            break;
        }
        events.push(Append::new(line.partition_key, move_times(line.bytes, now)));
    }
    for chunk in events.chunks(2000) {
        node.log.append("game-events", chunk).unwrap();
    }
    let first_bet = first_bet.unwrap();
    let question = field(&first_bet.bytes, "question_uuid");
    runtime.block_on(async {
        // Questions and accounts first: the measurement is of bets.
        node.start(true).task.await.unwrap().unwrap();
        let running = node.start(false);
        let prober = node.clone();
        let probing = std::thread::spawn(move || probe(&prober, &question, seconds));
        let meter = Meter::start();
        let sent = produce(&node, lines, rate, seconds);
        let report = meter.stop(sent);
        let mut samples = probing.join().unwrap();
        running.stop.now();
        running.task.await.unwrap().unwrap();
        samples.sort();
        let at = |share: f64| samples[(samples.len() as f64 * share) as usize].as_secs_f64() * 1e3;
        println!("offered {rate} bets/s for {seconds} s: {report}");
        println!(
            "append → profile, {} probes: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            samples.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.9999)
        );
    });
}

/// Appends bets in slices of five milliseconds; returns how many.
fn produce(node: &Node, lines: impl Iterator<Item = jobs::sources::generate::Line>, rate: u64, seconds: u64) -> u64 {
    let begun = Instant::now();
    let (slice, mut sent) = ((rate / 200).max(1) as usize, 0u64);
    let mut lines = lines.filter(|line| line.stream == "bets");
    while begun.elapsed() < Duration::from_secs(seconds) {
        let now = Clock::System.now().0;
        let batch: Vec<Append> = lines
            .by_ref()
            .take(slice)
            .map(|line| Append::new(line.partition_key, move_times(line.bytes, now)))
            .collect();
        if batch.is_empty() {
            break;
        }
        sent += batch.len() as u64;
        node.log.append("bets", &batch).unwrap();
        let due = Duration::from_secs_f64(sent as f64 / rate as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    sent
}

fn probe(node: &Node, question: &str, seconds: u64) -> Vec<Duration> {
    let bettor = "0x00000000000000000000000000000000000000be";
    let key: Vec<u8> = [vec![0; 19], vec![0xbe]].concat();
    let begun = Instant::now();
    let (mut samples, mut number) = (Vec::new(), 0u64);
    while begun.elapsed() + Duration::from_secs(1) < Duration::from_secs(seconds) {
        number += 1;
        let json = format!(
            r#"{{"bet_uuid":"0000000b-0000-4000-8000-{number:012x}","question_uuid":"{question}","outcome_index":0,"bettor":"{bettor}","buy_amount":"1","odds":"2","chain_id":137,"placed_at":{}}}"#,
            Clock::System.now().0
        );
        let sent = Instant::now();
        node.log.append("bets", &[Append::new(question, json.into_bytes())]).unwrap();
        loop {
            let placed = node
                .tables
                .get("users", &key)
                .unwrap()
                .map_or(0, |row| UserRow::from_bytes(&row).unwrap().profile.bets_placed);
            if placed >= number {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        samples.push(sent.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    samples
}

/// Generated times are of a fixed day; a live run needs today's.
fn move_times(bytes: Vec<u8>, now: i64) -> Vec<u8> {
    let text = String::from_utf8(bytes).unwrap();
    let mut out = replace_number(&text, "\"placed_at\":", now);
    out = replace_number(&out, "\"betting_end_time\":", now + 86_400_000);
    out.into_bytes()
}

fn replace_number(text: &str, key: &str, value: i64) -> String {
    let Some(at) = text.find(key) else { return text.to_owned() };
    let start = at + key.len();
    let end = text[start..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| start + n);
    format!("{}{value}{}", &text[..start], &text[end..])
}

fn field(bytes: &[u8], key: &str) -> String {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    value[key].as_str().unwrap().to_owned()
}
