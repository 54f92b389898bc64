//! Windows under every disorder: each case is a window and what happens, told minute by minute, and
//! a golden file of what came of it. Each runs straight, with a restart after every step, and with
//! everything in the log before the first record is applied; all must come to the same.

use std::fmt::Write;
use std::path::Path;

use jobs::config::window::windows;
use jobs::node::{Node, NodeOptions};
use pipeline::adapters::embedded::Durability;
use pipeline::metrics::Metric;
use pipeline::record::Append;
use pipeline::shard::ShardId;
use pipeline::{Arrival, Clock};
use serde_json::Value;
use tests::{dump, fixture, read, records};

/// 2023-11-14T22:00:00Z; times below count from here.
const BASE: i64 = 1_699_999_200_000;
const QUESTION: &str = "00000000-0000-4000-8000-000000000001";

/// A window's keys in the configuration, and what happens: `mm:ss bet N placed mm:ss odds X`, `mm:ss
/// quiet`, `mm:ss split`, `mm:ss merge`.
const CASES: &[(&str, &str, &[&str])] = &[
    (
        "update",
        "length = '5m'",
        &[
            "00:01 bet 1 placed 00:00 odds 2",
            "04:59 bet 2 placed 04:59 odds 3",
            "05:00 bet 3 placed 05:00 odds 9",
            // Within the disorder: not late.
            "05:29 bet 4 placed 04:58 odds 4",
            // At the close: late, revised at the next tick.
            "05:30 bet 5 placed 04:57 odds 5",
            "06:00 bet 6 placed 00:10 odds 1.5",
            // In time for the last tick before the end of lateness, and after it.
            "10:29 bet 7 placed 00:30 odds 7",
            "10:31 bet 8 placed 04:00 odds 8",
            "30:00 quiet",
        ],
    ),
    (
        "side",
        "length = '5m'\nlate = 'side'",
        &[
            "00:01 bet 1 placed 00:00 odds 2",
            "05:29 bet 2 placed 04:59 odds 3",
            "05:30 bet 3 placed 04:58 odds 4",
            "09:00 bet 4 placed 00:01 odds 5",
            "09:00 bet 5 placed 08:59 odds 6",
            "30:00 quiet",
        ],
    ),
    (
        "drop",
        "length = '5m'\nlate = 'drop'\ndisorder = '0s'",
        &[
            "04:59 bet 1 placed 04:59 odds 2",
            "05:00 bet 2 placed 04:59 odds 3",
            "05:00 bet 3 placed 05:00 odds 4",
            "30:00 quiet",
        ],
    ),
    (
        "early",
        "length = '5m'\nearly = '1m'",
        &[
            "00:30 bet 1 placed 00:30 odds 2",
            "02:10 bet 2 placed 02:10 odds 4",
            // Nothing new in the fourth minute; a bet for the next window before its time.
            "04:10 bet 3 placed 05:10 odds 6",
            "05:31 bet 4 placed 04:59 odds 8",
            "30:00 quiet",
        ],
    ),
    (
        "hopping",
        "length = '3m'\nhop = '1m'\ndisorder = '10s'",
        &[
            "00:10 bet 1 placed 00:10 odds 2",
            "01:20 bet 2 placed 01:20 odds 3",
            "02:30 bet 3 placed 02:30 odds 4",
            // Late for the first windows, in time for the others.
            "03:15 bet 4 placed 01:30 odds 9",
            "30:00 quiet",
        ],
    ),
    (
        "hopping_side",
        "length = '2m'\nhop = '1m'\ndisorder = '0s'\nlate = 'side'",
        &[
            "01:10 bet 1 placed 01:10 odds 2",
            "02:10 bet 2 placed 01:50 odds 3",
            "03:10 bet 3 placed 01:55 odds 4",
            "30:00 quiet",
        ],
    ),
    (
        "skewed_producers",
        "length = '5m'",
        &[
            // Ahead and behind by nearly ten minutes; further off is rejected and counts nowhere.
            "10:00 bet 1 placed 19:59 odds 2",
            "10:00 bet 2 placed 00:01 odds 3",
            "10:00 bet 3 placed 20:01 odds 4",
            "10:01 bet 4 placed 10:01 odds 5",
            "40:00 quiet",
        ],
    ),
    (
        "idle",
        "length = '5m'",
        // One bet, then nothing: windows close by the passing of time, not by records.
        &["00:01 bet 1 placed 00:01 odds 2", "05:29 quiet", "05:31 quiet", "14:59 quiet", "15:01 quiet"],
    ),
    (
        "resharded",
        "length = '5m'",
        &[
            "00:01 bet 1 placed 00:01 odds 2",
            "00:02 bet 2 placed 00:02 odds 3",
            "01:00 split",
            "01:01 bet 3 placed 01:01 odds 4",
            "01:02 bet 4 placed 00:59 odds 5",
            "05:40 merge",
            "05:41 bet 5 placed 04:00 odds 6",
            "30:00 quiet",
        ],
    ),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Straight,
    Restarted,
    AtOnce,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_disorder_has_one_outcome() {
    let cases = CASES.iter().map(|(name, keys, steps)| tokio::spawn(check(name, keys, steps)));
    for case in cases.collect::<Vec<_>>() {
        case.await.unwrap();
    }
}

async fn check(name: &str, keys: &str, steps: &[&str]) {
    let straight = run(keys, steps, Mode::Straight).await;
    golden(name, &format!("{keys}\n{}\n\n{straight}", steps.join("\n")));
    let resharded = steps.iter().any(|step| step.ends_with("split"));
    for mode in [Mode::Restarted, Mode::AtOnce].into_iter().filter(|mode| !resharded || *mode == Mode::Restarted) {
        let other = run(keys, steps, mode).await;
        let told = |text: &str| text.split("\ncounted").next().unwrap_or_default().to_owned();
        assert_eq!(told(&other), told(&straight), "{name} {mode:?}");
    }
}

async fn run(keys: &str, steps: &[&str], mode: Mode) -> String {
    let dir = fixture::memory_dir();
    let clock = Clock::manual(Arrival(BASE));
    let mut node = open(dir.path(), keys, &clock);
    let event = "00000000-0000-4000-8000-0000000000aa";
    let question = records::opened(event, QUESTION, 2, BASE, BASE + 7_200_000);
    node.log.append("game-events", &[Append::new(QUESTION, question)]).unwrap();
    for step in steps {
        let (at, what) = step.split_once(' ').unwrap();
        let at = Arrival(BASE + millis(at));
        match what.split(' ').collect::<Vec<_>>()[..] {
            ["bet", number, "placed", placed, "odds", odds] => {
                let record = bet(number, BASE + millis(placed), odds).arrived(at);
                node.log.append("bets", &[record]).unwrap();
            }
            ["split"] => _ = node.log.split("bets", ShardId(0), 1 << 125).unwrap(),
            ["merge"] => {
                let open: Vec<_> = node.log.shards("bets").unwrap().into_iter().filter(|shard| !shard.closed).collect();
                node.log.merge("bets", open[1].id, open[2].id).unwrap();
            }
            _ => assert_eq!(what, "quiet"),
        }
        // What arrives in a millisecond is applied once it is over.
        clock.advance_to(at.plus_ms(1));
        if mode != Mode::AtOnce {
            node.start(true).task.await.unwrap().unwrap();
        }
        if mode == Mode::Restarted {
            drop(node);
            node = open(dir.path(), keys, &clock);
        }
    }
    node.start(true).task.await.unwrap().unwrap();
    told(&node).await
}

fn open(dir: &Path, keys: &str, clock: &Clock) -> Node {
    let sql = "SELECT question_uuid, outcome_index, count(*) AS bets, sum(odds) AS sum_odds FROM bets GROUP BY question_uuid, outcome_index";
    let declared = format!("[[window]]\nname = 'w'\noutputs = ['parquet', 'stream']\nsql = '{sql}'\n{keys}\n");
    let options = NodeOptions {
        data_dir: Some(dir.into()),
        durability: Durability::Os,
        windows: windows("case", &declared).unwrap(),
        ..NodeOptions::default()
    };
    Node::open(options, clock.clone()).unwrap()
}

fn bet(number: &str, placed_at: i64, odds: &str) -> Append {
    let id = format!("00000000-0000-4000-8001-{:012}", number.parse::<u64>().unwrap());
    let text = format!(
        r#"{{"bet_uuid":"{id}","question_uuid":"{QUESTION}","outcome_index":0,"bettor":"0x00000000000000000000000000000000000000aa","buy_amount":"1","odds":"{odds}","chain_id":137,"placed_at":{placed_at}}}"#
    );
    // Neighbours go to different shards.
    Append::new(id, text)
}

fn millis(text: &str) -> i64 {
    let (minutes, seconds) = text.split_once(':').unwrap();
    (minutes.parse::<i64>().unwrap() * 60 + seconds.parse::<i64>().unwrap()) * 1000
}

/// `mm:ss` after the base.
fn minutes(at: i64) -> String {
    let seconds = (at - BASE).div_euclid(1000);
    format!("{}{:02}:{:02}", if seconds < 0 { "-" } else { "" }, seconds.abs() / 60, seconds.abs() % 60)
}

/// What was published, what stands in the table, what was counted.
async fn told(node: &Node) -> String {
    let mut out = String::new();
    for stream in ["windows", "late-bets"] {
        for record in read::records(node, stream) {
            let event: Value = serde_json::from_slice(&record.data).unwrap();
            let time = |name: &str| minutes(event[name].as_i64().unwrap());
            let (at, from, to) = (minutes(record.arrived_at.0), time("window_start"), time("window_end"));
            let what = match stream {
                "windows" => format!(
                    "revision {}{}: {} bets, odds {}",
                    event["revision"],
                    if event["final"] == true { " final" } else { "" },
                    event["row"]["bets"],
                    event["row"]["sum_odds"].as_str().unwrap()
                ),
                _ => format!("missed by bet of odds {}", event["bet"]["odds"].as_str().unwrap()),
            };
            writeln!(out, "{at}  {stream}  {from}-{to}  {what}").unwrap();
        }
    }
    let sql = "SELECT to_char(window_start, '%H:%M:%S'), bets, sum_odds, revision, final, to_char(watermark, '%H:%M:%S') FROM w_windows ORDER BY window_start";
    writeln!(out, "\nstart | bets | odds | revision | final | watermark").unwrap();
    for row in read::rows(node, sql).await {
        writeln!(out, "{row}").unwrap();
    }
    let count = |metric| node.metrics.get(metric);
    let files = dump::hashes(&node.dir().join("parquet/w")).unwrap().len();
    writeln!(out, "{files} Parquet files").unwrap();
    let [accepted, rejected] = [Metric::JobAccepted, Metric::JobRejected].map(count);
    // Late and dropped are counted by the odds window as well.
    let [late, dropped] = [Metric::WindowLate, Metric::WindowDropped].map(count);
    writeln!(out, "\ncounted: {accepted} accepted, {rejected} rejected, {late} late, {dropped} dropped").unwrap();
    out
}

fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/windows").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{}; UPDATE_GOLDEN=1 writes it", path.display());
}
