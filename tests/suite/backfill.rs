//! Windows computed again beside what the pipeline stored: the same bytes from the table and from an
//! archive, with interruptions; and windows of a job that was declared later.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use jobs::backfill::source::Source;
use jobs::backfill::{self, Outcome, Sink, Wanted};
use jobs::config::window::windows;
use jobs::control::Access;
use jobs::node::{Node, NodeOptions};
use jobs::redrive::{Selection, redrive};
use jobs::replay::Interrupt;
use jobs::sources::generate::Line;
use pipeline::Clock;
use pipeline::adapters::embedded::Durability;
use pipeline::fault::Faults;
use pipeline::tables::{Commit, system};
use pipeline::{Arrival, Error};
use schemas::time::Timestamp;
use tests::drive::{self, Feed};
use tests::dump::hashes;
use tests::fixture;

/// Beside the odds: every way with late bets, and panes.
const DECLARED: &str = r#"
[[window]]
name = "turnover"
length = "1m"
early = "20s"
sql = "SELECT question_uuid, count(*) AS bets, count(DISTINCT bettor) AS bettors, sum(buy_amount) AS stake FROM bets GROUP BY question_uuid"

[[window]]
name = "aside"
length = "2m"
late = "side"
sql = "SELECT outcome_index, max(odds) AS top FROM bets GROUP BY outcome_index"

[[window]]
name = "hopping"
length = "15m"
hop = "1m"
sql = "SELECT question_uuid, outcome_index, sum(buy_amount * odds) AS payout FROM bets GROUP BY outcome_index, question_uuid"
"#;

fn options(dir: &Path, declared: &str) -> NodeOptions {
    NodeOptions {
        data_dir: Some(dir.into()),
        durability: Durability::Os,
        batch_records: 500,
        windows: windows("test", declared).unwrap(),
        ..NodeOptions::default()
    }
}

/// A node with an hour of bets with every defect, some of them decided again later.
async fn fed(dir: &Path, declared: &str) -> Node {
    let mut lines = drive::lines(11, 4_000);
    lines.extend(decided_again(lines[0].at.millis()));
    lines.sort_by_key(|line| line.at);
    let node = drive::feed(&options(dir, declared), &Feed { lines, chunk: 300 }, Faults::none()).await.unwrap();
    // Those on a question that never came are rejected again.
    let again = Selection { reason: Some("unknown_question".into()), ..Selection::default() };
    redrive(&node, &again).await.unwrap();
    node.start(true).task.await.unwrap().unwrap();
    node
}

/// Bets that come before their question and once more after it: they count from then on, and stand
/// where they stood first. One comes again while its window is open, one after its close, one after it
/// was final.
fn decided_again(first: i64) -> Vec<Line> {
    let minutes = |n: i64| first + n * 60_000;
    let question = "00000000-0000-4000-8000-0000000000aa";
    let opening = format!(
        r#"{{"event_uuid":"00000000-0000-4000-8000-0000000000ab","type":"question_opened","at":{},"question":{{"question_uuid":"{question}","game":"late","question":"Which?","outcomes":["a","b"],"chain_id":137,"betting_end_time":{}}}}}"#,
        minutes(20),
        minutes(300)
    );
    let line = |stream, at, text: String| {
        let at = Timestamp::from_millis(at).unwrap();
        Line { stream, at, partition_key: question.into(), bytes: text.into_bytes() }
    };
    let mut lines = vec![line("game-events", minutes(20), opening)];
    for (number, placed, again) in [(1, 18, 21), (2, 16, 23), (3, 12, 65)] {
        let bet = format!(
            r#"{{"bet_uuid":"00000000-0000-4000-8000-0000000000e{number}","question_uuid":"{question}","outcome_index":{},"bettor":"0x00000000000000000000000000000000000000ee","buy_amount":"{number}.5","odds":"3.{number}","chain_id":137,"placed_at":{}}}"#,
            number % 2,
            minutes(placed)
        );
        lines.push(line("bets", minutes(placed), bet.clone()));
        lines.push(line("bets", minutes(again), bet));
    }
    lines
}

fn wanted(node: &Node, name: &str) -> Wanted {
    let settings = node.windows.iter().find(|job| job.spec.name == name).unwrap().clone();
    Wanted { settings, starts: 0..i64::MAX / 4, max_skew_ms: node.options().max_skew_ms }
}

async fn compute(wanted: &Wanted, source: Source<'_>, sink: &Sink<'_>) -> Outcome {
    backfill::run(wanted, source, sink, &Interrupt::default(), &mut |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_computed_again_are_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let node = fed(&dir.path().join("data"), DECLARED).await;
    let live = node.parquet_dir();
    let names: Vec<String> = node.windows.iter().map(|job| job.spec.name.clone()).collect();
    let wanted: Vec<Wanted> = names.iter().map(|name| wanted(&node, name)).collect();
    let access = Access::Local(Box::new(node));
    let archive = dir.path().join("archive");
    let written = jobs::archive::write(&access, &archive, 0..i64::MAX, &mut |_| {}).await.unwrap();
    assert!(written.files >= 2 && written.rows > 3_000, "{written:?}");
    for (name, wanted) in names.iter().zip(&wanted) {
        for (source, at) in [(Source::Pipeline(&access), "table"), (Source::Archive(archive.clone()), "archive")] {
            let out = dir.path().join(at);
            let sink = Sink { access: Some(&access), fill: false, out: Some(out.clone()) };
            let outcome = compute(wanted, source, &sink).await;
            assert!(outcome.windows > 10 && outcome.rows > outcome.windows / 2, "{name} {at} {outcome:?}");
            assert_eq!((outcome.alike, outcome.missing), (outcome.windows, 0), "{name} {at} {outcome:?}");
            assert_eq!(hashes(&out.join(name)).unwrap(), hashes(&live.join(name)).unwrap(), "{name} {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_backfill_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let node = fed(&dir.path().join("data"), DECLARED).await;
    let (live, wanted) = (node.parquet_dir(), wanted(&node, "hopping"));
    let access = Access::Local(Box::new(node));
    let out = dir.path().join("out");
    let sink = Sink { access: None, fill: false, out: Some(out.clone()) };
    let (mut frontiers, mut runs) = (BTreeSet::new(), 0);
    loop {
        // Stops after the first batch it takes, and at once where an earlier one stopped.
        let interrupt = Interrupt::default();
        let raise = interrupt.clone();
        let outcome =
            backfill::run(&wanted, Source::Pipeline(&access), &sink, &interrupt, &mut |_| raise.raise()).await;
        let outcome = outcome.unwrap();
        runs += 1;
        if !outcome.interrupted {
            // The counts are those of all runs.
            let once =
                compute(&wanted, Source::Pipeline(&access), &Sink { access: None, fill: false, out: None }).await;
            assert!(outcome.resumed.is_some());
            assert_eq!((outcome.windows, outcome.rows, outcome.bets), (once.windows, once.rows, once.bets));
            break;
        }
        assert!(frontiers.insert(outcome.frontier) && runs < 1_000, "{outcome:?}");
    }
    assert!(runs > 5, "{runs}");
    assert!(!out.join("_backfill").exists());
    assert_eq!(hashes(&out.join("hopping")).unwrap(), hashes(&live.join("hopping")).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_says_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let node = fed(&dir.path().join("data"), "").await;
    let first = first_hour(&node);
    let mut wanted = wanted(&node, "odds");
    let access = Access::Local(Box::new(node));
    let archive = dir.path().join("archive");
    let write = async |from: i64, to: i64| jobs::archive::write(&access, &archive, from..to, &mut |_| {}).await;
    let hours = |n: i64| first + n * 3_600_000;
    // Whole hours, whatever is asked for: nothing of a file is lost to a later range.
    write(hours(0) + 1_800_000, hours(1)).await.unwrap();
    let whole = hashes(&archive).unwrap();
    write(hours(0), hours(0) + 1_800_000).await.unwrap();
    let files = |hashes: Vec<(String, u64)>| {
        hashes.into_iter().filter(|(name, _)| name.ends_with("parquet")).collect::<Vec<_>>()
    };
    assert_eq!(files(hashes(&archive).unwrap()), files(whole));
    let gap = write(hours(5), hours(6)).await.unwrap_err().to_string();
    assert!(gap.contains("export a range without a gap"), "{gap}");
    // Windows from the epoch on would need bets from before.
    let sink = Sink { access: Some(&access), fill: false, out: None };
    let early =
        backfill::run(&wanted, Source::Archive(archive.clone()), &sink, &Interrupt::default(), &mut |_| {}).await;
    assert!(early.unwrap_err().to_string().contains("are needed"));
    // Of what the archive has not, no window is computed.
    wanted.starts.start = hours(0) + wanted.max_skew_ms;
    let part = compute(&wanted, Source::Archive(archive.clone()), &sink).await;
    write(hours(1), i64::MAX).await.unwrap();
    let all = compute(&wanted, Source::Archive(archive.clone()), &sink).await;
    assert!(part.windows > 0 && part.windows < all.windows, "{part:?} {all:?}");
    assert_eq!((part.alike, all.alike), (part.windows, all.windows));
}

/// The hour in which the first bet was decided.
fn first_hour(node: &Node) -> i64 {
    let first = tests::invariants::bets(node).iter().map(|row| row.decided_at.millis()).min().unwrap();
    first - first.rem_euclid(3_600_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_declared_later_is_filled() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, full) = (dir.path().join("plain"), dir.path().join("full"));
    let expected = fed(&full, DECLARED).await;
    let clock = expected.clock.now();
    drop(fed(&plain, "").await);
    let node = Node::open(options(&plain, DECLARED), Clock::manual(clock)).unwrap();
    let (files, wanted) = (node.parquet_dir(), wanted(&node, "turnover"));
    let access = Access::Local(Box::new(node));
    let fill = Sink { access: Some(&access), fill: true, out: None };
    let first = compute(&wanted, Source::Pipeline(&access), &fill).await;
    assert_eq!((first.filled, first.alike), (first.windows, 0), "{first:?}");
    let second = compute(&wanted, Source::Pipeline(&access), &fill).await;
    assert_eq!((second.filled, second.alike), (0, first.windows), "{second:?}");
    assert_eq!(hashes(&files.join("turnover")).unwrap(), hashes(&expected.parquet_dir().join("turnover")).unwrap());
    let rows = access.fill("turnover", 60_000_000_000_000, &[]).await;
    assert!(matches!(rows, Err(Error::Reject(text)) if text.contains("no rows of the pipeline's window")));
    let start = wanted.settings.pane_of(clock.0);
    let empty = pipeline::window::state::encode(&arrow::array::RecordBatch::new_empty(
        pipeline::window::results::schema(&wanted.settings.plan),
    ));
    let early = access.fill("turnover", start, &empty.unwrap()).await;
    assert!(matches!(early, Err(Error::Reject(text)) if text.contains("is final at")));
    assert!(access.frontier().await.unwrap() > Arrival(0));
}

/// What the program prints, and its exit code.
fn oddsmill(dir: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(fixture::binary())
        .args(["--data-dir", "data", "--config", "windows.toml"])
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_say_what_they_did_and_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("windows.toml"), DECLARED).unwrap();
    drop(fed(&dir.path().join("data"), DECLARED).await);
    for (arguments, text, code) in [
        ("replay --window aside --from 2022-07-01", " alike, 0 different, 0 missing", 0),
        ("export bets --out archive", "bets: ", 0),
        ("export aside_windows --out archive", " at archive/aside", 0),
        ("export users --out archive", "rows in 1 file", 0),
        ("replay --window odds --from 2022-07-01 --archive archive --out again", "files         again/odds", 0),
        ("replay --window nothing --from 2022-07-01", "there is no window \"nothing\"", 2),
        ("replay --window odds --from lately", "write a time such as 2022-07-11T14:00:00Z", 2),
        ("replay --window odds --from 2022-07-02 --to 2022-07-01", "no window of odds starts between", 2),
        ("replay --window odds --from 2022-07-01 --archive windows", "windows is no archive of bets", 1),
        ("export nothing --out archive", "there is no table nothing", 1),
        ("export users --out archive --from 2022-07-01", "users is exported whole", 2),
    ] {
        let (said, exit) = oddsmill(dir.path(), &arguments.split(' ').collect::<Vec<_>>());
        assert!(said.contains(text), "{arguments}: {said}");
        assert_eq!(exit, Some(code), "{arguments}: {said}");
    }
    // A row that is not what the bets give.
    let node = Node::open(options(&dir.path().join("data"), DECLARED), Clock::manual(Arrival(0))).unwrap();
    let key = node.tables.page(system::RESULTS, Some(b"aside"), 1).unwrap().remove(0).0;
    let mut commit = Commit::default();
    commit.put(system::RESULTS, key, vec![0]);
    node.tables.commit(commit).unwrap();
    drop(node);
    let (said, exit) = oddsmill(dir.path(), &["replay", "--window", "aside", "--from", "2022-07-01"]);
    assert!(said.contains("1 window of aside stored with other rows: 2022-07-"), "{said}");
    assert_eq!(exit, Some(1));
}
