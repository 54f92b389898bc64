//! From a durable append to the visible profile, at a steady rate.
//!
//! A probe bettor's bet goes in with ordinary ones; the time until the users table shows it is
//! one sample. Probes are a few milliseconds apart.

use std::time::{Duration, Instant};

use jobs::node::Node;
use pipeline::Clock;
use pipeline::record::Append;
use schemas::row::Row;
use schemas::user::UserRow;

use crate::usage::Meter;
use crate::{Work, median, ours};

/// Runs several times and prints the medians.
pub fn run(work: &Work, rate: u64, seconds: u64, runs: u64) {
    let taken: Vec<[f64; 3]> = (1..=runs).map(|number| once(work, rate, seconds, number)).collect();
    let [p50, p90, p99] = [0, 1, 2].map(|which| median(&mut taken.iter().map(|run| run[which]).collect::<Vec<_>>()));
    println!("median of {runs}: p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms");
}

/// One run on a fresh data directory: p50, p90 and p99 in milliseconds.
fn once(work: &Work, rate: u64, seconds: u64, number: u64) -> [f64; 3] {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir_in(".").unwrap();
    let node = ours::open(dir.path(), Clock::System, work);
    // Made beforehand: the measurement is of our side, not of the generator.
    let (events, bets) = prepare(work, rate, seconds);
    for chunk in events.chunks(2000) {
        node.log.append("game-events", chunk).unwrap();
    }
    let question = bets[0].partition_key.clone();
    runtime.block_on(async {
        // Questions and accounts first: the measurement is of bets.
        node.start(true).task.await.unwrap().unwrap();
        let running = node.start(false);
        let prober = node.clone();
        let probing = std::thread::spawn(move || probe(&prober, &question, seconds));
        let meter = Meter::start();
        let sent = bets.len() as u64;
        produce(&node, bets, rate);
        let report = meter.stop(sent);
        let mut samples = probing.join().unwrap();
        running.stop.now();
        running.task.await.unwrap().unwrap();
        samples.sort();
        let at = |share: f64| samples[(samples.len() as f64 * share) as usize].as_secs_f64() * 1e3;
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(at);
        println!("run {number}: offered {rate} bets/s: {report}");
        println!(
            "run {number}: append → profile, {} probes: p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, max {:.1} ms",
            samples.len(),
            samples[samples.len() - 1].as_secs_f64() * 1e3
        );
        [p50, p90, p99]
    })
}

/// Game events, and as many bets as the run takes, placed when they will be sent.
fn prepare(work: &Work, rate: u64, seconds: u64) -> (Vec<Append>, Vec<Append>) {
    let begun = Clock::System.now().0;
    let (mut events, mut bets) = (Vec::new(), Vec::new());
    for line in (Work { count: rate * seconds, ..work.clone() }).lines() {
        let to = if line.stream == "bets" { &mut bets } else { &mut events };
        let at = begun + (to.len() as u64 * 1000 / rate) as i64;
        to.push(Append::new(line.partition_key, move_times(line.bytes, at)));
    }
    (events, bets)
}

/// Appends bets in slices of five milliseconds.
fn produce(node: &Node, bets: Vec<Append>, rate: u64) {
    let begun = Instant::now();
    let mut sent = 0;
    for slice in bets.chunks((rate / 200).max(1) as usize) {
        node.log.append("bets", slice).unwrap();
        sent += slice.len();
        let due = Duration::from_secs_f64(sent as f64 / rate as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
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
