//! The recorded cricket match, replayed: every figure against a reference that was computed
//! straight from the file and shares no code with the product.

use std::collections::BTreeMap;

use jobs::bets::odds;
use jobs::config::{Config, Layers};
use jobs::node::{Node, NodeOptions};
use jobs::notify::MailOptions;
use jobs::replay::{Interrupt, Outcome, ReplayError, Speed, fingerprint, replay};
use jobs::sources::betfair::{self, incidents};
use jobs::sources::{SourceError, merge};
use pipeline::adapters::embedded::Durability;
use pipeline::fault::{CrashPoint, Faults};
use pipeline::tables::Tables;
use pipeline::window::results;
use pipeline::{Arrival, Clock, Error};
use schemas::bet_row::BetStatus;
use schemas::question::{QuestionRow, QuestionState};
use schemas::row::Row;
use schemas::user::UserRow;
use tests::cricket_reference::{self, Window};
use tests::dump::{difference, dump};
use tests::fixture;
use tests::invariants::{self, each_change_is_mailed_once, each_change_is_told_once, money_is_conserved, rows};

async fn run(dir: Option<&std::path::Path>, speed: Speed, faults: Faults) -> Result<(Node, Outcome), ReplayError> {
    run_with(dir, speed, faults, None).await
}

async fn run_with(
    dir: Option<&std::path::Path>,
    speed: Speed,
    faults: Faults,
    mail: Option<&MailOptions>,
) -> Result<(Node, Outcome), ReplayError> {
    let files = fixture::cricket();
    let options = NodeOptions { data_dir: dir.map(Into::into), durability: Durability::Os, ..NodeOptions::default() };
    let node = Node::open_with(options, Clock::manual(Arrival(0)), faults)?;
    let source = fingerprint([files.market.as_path(), files.incidents.as_path()])?;
    let open = || -> Result<_, SourceError> {
        let market = betfair::Replay::new(betfair::open(&files.market)?);
        Ok(merge(incidents::Replay::new(incidents::open(&files.incidents)?), market))
    };
    let outcome = replay(&node, mail, open, source, speed, &Interrupt::default(), &mut |_| {}).await?;
    Ok((node, outcome))
}

async fn windows_of(node: &Node) -> BTreeMap<(i64, i64), Window> {
    let question = the_question(node);
    let runners: Vec<i64> = question.spec.outcome_ids.iter().map(|id| id.parse().unwrap()).collect();
    let tables = Tables::Embedded(node.tables.clone());
    let stored = results::load_all(&tables, odds::NAME, odds::LENGTH_MS, &node.windows[0].plan).await.unwrap();
    let mut windows = BTreeMap::new();
    for event in stored.iter().flat_map(|window| odds::events(window).unwrap()) {
        assert!(event.is_final, "{} is not final", event.window_start);
        let micros = |odds: schemas::odds::Odds| i128::from(odds.micros());
        let window = Window {
            count: event.bets,
            stake: event.stake.micros(),
            sum_odds: event.sum_odds.micros(),
            avg_odds: micros(event.avg_odds),
            weighted_odds: micros(event.weighted_odds),
            min_odds: micros(event.min_odds),
            max_odds: micros(event.max_odds),
        };
        windows.insert((event.window_start.millis(), runners[usize::from(event.outcome_index)]), window);
    }
    windows
}

fn the_question(node: &Node) -> QuestionRow {
    let rows = node.tables.scan("questions", &[]).unwrap();
    assert_eq!(rows.len(), 1);
    QuestionRow::from_bytes(&rows[0].1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_window_agrees_with_the_file() {
    let reference = cricket_reference::compute(&fixture::cricket().market).unwrap();
    assert_eq!((reference.bets, reference.staked, reference.window_count()), (11_323, 456_536_230_000, 97));
    let (node, _) = run(None, Speed::Max, Faults::none()).await.unwrap();
    let windows = windows_of(&node).await;
    assert_eq!(windows, reference.windows);

    let question = the_question(&node);
    let winner = question.payouts.iter().position(|share| *share == 1).unwrap();
    assert_eq!((question.spec.outcome_ids[winner].as_str(), question.state), ("228749", QuestionState::Approved));
    assert_eq!(question.closed_at.map(|at| at.millis()), reference.closed_at);
    assert_eq!(question.closed_at.unwrap().to_rfc3339(), "2022-07-11T14:47:27.332Z");
    assert!(question.observations.iter().all(|seen| Some(seen.at) >= question.closed_at));
    assert_eq!(node.tables.scan(pipeline::tables::system::DEAD_LETTERS, &[]).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bet_is_settled_as_the_file_says() {
    let reference = cricket_reference::compute(&fixture::cricket().market).unwrap();
    let config = Config::resolve(&Layers::default()).unwrap();
    let (node, _) = run_with(None, Speed::Max, Faults::none(), config.mail.as_ref()).await.unwrap();
    let books = money_is_conserved(&node);
    assert_eq!((books.staked, books.open, books.returned), (reference.staked, 0, reference.returned));

    let question = the_question(&node);
    let winner = question.payouts.iter().position(|share| *share == 1).unwrap();
    let mut results = BTreeMap::new();
    for bet in invariants::bets(&node) {
        let won = usize::from(bet.bet.outcome_index) == winner;
        let expected = if won { (BetStatus::Paid, BetStatus::Won) } else { (BetStatus::Lost, BetStatus::Lost) };
        assert_eq!((bet.status, bet.result), (expected.0, Some(expected.1)), "{}", bet.bet.bet_uuid);
        *results.entry(expected.1).or_insert(0) += 1;
    }
    assert_eq!((results[&BetStatus::Won], results[&BetStatus::Lost]), (reference.won, reference.bets - reference.won));
    let profits: i128 = rows::<UserRow>(&node).iter().map(|user| i128::from(user.profile.profit.micros())).sum();
    assert_eq!(profits, reference.returned - reference.staked);
    // Each bet was accepted and won or lost; the winners were paid.
    assert_eq!(each_change_is_told_once(&node) as u64, 2 * reference.bets + reference.won);
    // One mail for each: everybody in a replay has an address, and wants every mail.
    let mails = each_change_is_mailed_once(&node);
    assert_eq!((mails.sent as u64, mails.skipped), (2 * reference.bets + reference.won, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_and_repeats_change_nothing() {
    let calm = tempfile::tempdir().unwrap();
    let (node, outcome) = run(Some(calm.path()), Speed::Max, Faults::none()).await.unwrap();
    let expected = dump(&node).unwrap();
    drop(node);

    let (node, again) = run(Some(calm.path()), Speed::Max, Faults::none()).await.unwrap();
    assert_eq!((again.new, again.appended), (0, outcome.appended));
    assert_eq!(difference(&expected, &dump(&node).unwrap()), None, "after a second replay");
    drop(node);

    let rough = tempfile::tempdir().unwrap();
    for (point, nth) in [
        (CrashPoint::AfterSourceAppend, 1),
        (CrashPoint::AfterCommit, 3),
        (CrashPoint::AfterExport, 2),
        (CrashPoint::BeforeCommit, 9),
        (CrashPoint::AfterTick, 30),
    ] {
        match run(Some(rough.path()), Speed::Max, Faults::crash_at(point, nth)).await {
            Err(ReplayError::Pipeline(Error::Crashed(_))) => {}
            other => panic!("{point:?}: {:?}", other.map(|(_, outcome)| outcome)),
        }
    }
    let (node, _) = run(Some(rough.path()), Speed::Max, Faults::none()).await.unwrap();
    assert_eq!(difference(&expected, &dump(&node).unwrap()), None, "after five crashes");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_market_is_refused_where_later_records_are() {
    let dir = tempfile::tempdir().unwrap();
    drop(run(Some(dir.path()), Speed::Max, Faults::none()).await.unwrap());
    let options = NodeOptions { data_dir: Some(dir.path().into()), ..NodeOptions::default() };
    let node = Node::open(options, Clock::manual(Arrival(0))).unwrap();
    let market = dir.path().join("market");
    let text = std::fs::read_to_string(fixture::cricket().market).unwrap();
    std::fs::write(&market, text.lines().take(100).collect::<Vec<_>>().join("\n") + "\n").unwrap();
    let source = fingerprint([market.as_path()]).unwrap();
    let open = || Ok::<_, SourceError>(betfair::Replay::new(betfair::open(&market)?));
    let refused = replay(&node, None, open, source, Speed::Max, &Interrupt::default(), &mut |_| {}).await;
    assert!(matches!(refused, Err(ReplayError::Refused(_))), "{refused:?}");
}
