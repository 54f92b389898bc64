//! Replays of a small source: whole, again, killed at each chunk, interrupted, refused.

use pipeline::fault::Faults;
use pipeline::{Arrival, Clock};
use schemas::bet::Bet;
use schemas::codec::Event as _;
use schemas::game_event::GameEvent;

use super::*;
use crate::node::NodeOptions;
use crate::sources::{BETS, GAME_EVENTS, SourcedEvent};

const START_MS: i64 = 1_657_500_000_000;
const QUESTION: &str = "018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e6f";
/// More than one chunk.
const BETS_GIVEN: i64 = 5_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms).unwrap()
}

fn opened() -> Sourced {
    let json = format!(
        r#"{{"event_uuid":"018f4e3a-0000-4000-8000-000000000001","at":{START_MS},"type":"question_opened","question":{{"question_uuid":"{QUESTION}","game":"g","question":"q","outcomes":["a","b"],"chain_id":137,"betting_end_time":{}}}}}"#,
        START_MS + 3_600_000
    );
    let event = SourcedEvent::Game(Box::new(GameEvent::decode(json.as_bytes()).unwrap()));
    Sourced { stream: GAME_EVENTS, at: at(START_MS), partition_key: QUESTION.into(), event }
}

/// A bet every 100 ms, two of them in each moment.
fn bet(number: i64) -> Sourced {
    let ms = START_MS + (number / 2) * 200;
    let json = format!(
        r#"{{"bet_uuid":"018f4e3a-0000-4000-8000-{number:012x}","question_uuid":"{QUESTION}","outcome_index":{},"bettor":"0x{:040x}","buy_amount":"1.5","odds":"2","chain_id":137,"placed_at":{ms}}}"#,
        number % 2,
        number % 7
    );
    Sourced {
        stream: BETS,
        at: at(ms),
        partition_key: QUESTION.into(),
        event: SourcedEvent::Bet(Bet::decode(json.as_bytes()).unwrap()),
    }
}

fn source() -> Result<impl Iterator<Item = Result<Sourced, SourceError>>, SourceError> {
    Ok(std::iter::once(opened()).chain((0..BETS_GIVEN).map(bet)).map(Ok))
}

fn open(dir: &Path, faults: Faults) -> Node {
    let options = NodeOptions { data_dir: Some(dir.to_owned()), export: false, ..NodeOptions::default() };
    Node::open_with(options, Clock::manual(Arrival::MIN), faults).unwrap()
}

async fn run(node: &Node, interrupt: &Interrupt, watch: &mut dyn FnMut(Progress)) -> Result<Outcome, ReplayError> {
    replay(node, None, source, Fingerprint(7), Speed::Max, interrupt, watch).await
}

/// Every row that people see, in one text: equal texts are equal tables.
fn tables(node: &Node) -> String {
    let mut text = String::new();
    for table in ["users", "questions", "question_totals", system::RESULTS] {
        for (key, value) in node.tables.scan(table, &[]).unwrap() {
            text.push_str(&format!("{table} {key:?} {value:?}\n"));
        }
    }
    text
}

async fn undisturbed() -> String {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path(), Faults::none());
    let outcome = run(&node, &Interrupt::default(), &mut |_| ()).await.unwrap();
    assert_eq!((outcome.new, outcome.appended, outcome.interrupted), (5_001, 5_001, false));
    assert_eq!(node.metrics.get(Metric::JobAccepted), 5_000);
    tables(&node)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_time_adds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut before = None;
    for expected in [5_001, 0, 0] {
        let node = open(dir.path(), Faults::none());
        let outcome = run(&node, &Interrupt::default(), &mut |_| ()).await.unwrap();
        assert_eq!((outcome.new, outcome.appended), (expected, 5_001));
        let now = tables(&node);
        assert_eq!(*before.get_or_insert_with(|| now.clone()), now);
    }
    assert_eq!(before, Some(undisturbed().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_it_was_killed() {
    let expected = undisturbed().await;
    for passes in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let crashing = open(dir.path(), Faults::crash_at(CrashPoint::AfterSourceAppend, passes));
        let outcome = run(&crashing, &Interrupt::default(), &mut |_| ()).await;
        assert!(matches!(outcome, Err(ReplayError::Pipeline(Error::Crashed(_)))));
        drop(crashing);
        let node = open(dir.path(), Faults::none());
        let outcome = run(&node, &Interrupt::default(), &mut |_| ()).await.unwrap();
        assert!(outcome.new < 5_001 && outcome.appended == 5_001, "{passes}");
        assert_eq!(tables(&node), expected, "{passes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_drains_and_can_be_continued() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path(), Faults::none());
    let interrupt = Interrupt::default();
    let raise = interrupt.clone();
    let outcome = run(&node, &interrupt, &mut |progress| {
        if progress.appended > 0 && raise.count() == 0 {
            raise.raise()
        }
    })
    .await
    .unwrap();
    assert!(outcome.interrupted && outcome.appended < 5_001);
    assert_eq!(node.metrics.get(Metric::LogReadRecords), outcome.appended, "what is appended is applied");
    drop(node);
    let node = open(dir.path(), Faults::none());
    run(&node, &Interrupt::default(), &mut |_| ()).await.unwrap();
    assert_eq!(tables(&node), undisturbed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn later_records_are_not_joined() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path(), Faults::none());
    node.log.append("bets", &[Append::new("k", "v").arrived(Arrival(START_MS + 1))]).unwrap();
    let error = run(&node, &Interrupt::default(), &mut |_| ()).await.unwrap_err();
    assert!(
        matches!(&error, ReplayError::Refused(text) if text.contains("later than the first of this source")),
        "{error}"
    );
}
