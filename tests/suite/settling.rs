//! Settling: money is conserved and every bet gets one result, over random days, page sizes and
//! crashes, and over the recorded match.

use jobs::node::{Node, NodeOptions};
use pipeline::Error;
use pipeline::adapters::embedded::Durability;
use pipeline::fault::{CrashPoint, Faults};
use schemas::audit::AuditRow;
use schemas::bet_row::BetStatus;
use schemas::question::{QuestionRow, QuestionState};
use schemas::settlement::SettlementRow;
use tests::drive::{self, Feed};
use tests::dump::{difference, dump};
use tests::invariants::{self, each_change_is_mailed_once, each_change_is_told_once, money_is_conserved, rows};

fn options(dir: Option<&std::path::Path>, settle_page_bets: usize) -> NodeOptions {
    let data_dir = dir.map(Into::into);
    NodeOptions { data_dir, durability: Durability::Os, settle_page_bets, ..NodeOptions::default() }
}

fn states(node: &Node) -> Vec<QuestionState> {
    let mut states: Vec<_> = rows::<QuestionRow>(node).iter().map(|question| question.state).collect();
    states.sort();
    states.dedup();
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_conserved_over_random_days() {
    for seed in [1, 2, 3] {
        let feed = Feed { lines: drive::lines(seed, 4_000), chunk: 500 };
        let node = drive::feed(&options(None, 50), &feed, Faults::none()).await.unwrap();
        let books = money_is_conserved(&node);
        assert!(books.returned > 0 && books.open > 0 && books.house != 0, "{books:?}");
        let told = each_change_is_told_once(&node);
        assert!(told > 6_000, "{told}");
        use QuestionState as State;
        assert_eq!(states(&node), [State::Open, State::Approved, State::Voided], "seed {seed}");
        let results: Vec<_> = invariants::bets(&node).iter().filter_map(|row| row.result).collect();
        for result in [BetStatus::Won, BetStatus::Lost, BetStatus::Void] {
            assert!(results.iter().filter(|of| **of == result).count() > 50, "seed {seed}: few {result}");
        }
        // An operator's word, an approval, and two for each emergency.
        let acts: Vec<_> = rows::<AuditRow>(&node).into_iter().map(|row| row.operator).collect();
        assert!(acts.iter().any(|name| name == "ann") && acts.iter().any(|name| name == "unnamed"), "{acts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_conserved_over_match_days() {
    let mut waiting = 0;
    for seed in [1, 2, 3] {
        let feed = Feed { lines: drive::match_day(seed, 5_000), chunk: 1_000 };
        let node = drive::feed(&options(None, 64), &feed, Faults::none()).await.unwrap();
        let books = money_is_conserved(&node);
        assert!(books.returned > 0 && books.house != 0, "{books:?}");
        each_change_is_told_once(&node);
        each_change_is_mailed_once(&node);
        let settled = rows::<SettlementRow>(&node).iter().filter(|task| task.settled_at.is_some()).count();
        let flagged = rows::<QuestionRow>(&node).iter().filter(|row| row.state == QuestionState::Flagged).count();
        // Whatever is not settled waits for an operator.
        assert_eq!(settled + flagged, 120, "seed {seed}: {settled} settled, {flagged} flagged");
        waiting += flagged;
    }
    assert!(waiting > 0, "no sources disagreed on any of the days");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_do_not_matter() {
    let feed = Feed { lines: drive::lines(5, 2_000), chunk: 300 };
    let results = |node: &Node| {
        let mut bets = invariants::bets(node);
        bets.sort_by_key(|row| row.bet.bet_uuid);
        let tasks = rows::<SettlementRow>(node);
        // When a page's turn came depends on its size.
        let tasks: Vec<_> = tasks.into_iter().map(|task| SettlementRow { settled_at: None, ..task }).collect();
        (bets, rows::<schemas::user::UserRow>(node), tasks)
    };
    let whole = drive::feed(&options(None, 100_000), &feed, Faults::none()).await.unwrap();
    for page in [1, 7, 64] {
        let node = drive::feed(&options(None, page), &feed, Faults::none()).await.unwrap();
        assert!(results(&node) == results(&whole), "pages of {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_any_two_pages_doubles_and_misses_nothing() {
    let feed = Feed { lines: drive::lines(9, 1_500), chunk: 300 };
    let calm = drive::feed(&options(None, 20), &feed, Faults::none()).await.unwrap();
    let expected = dump(&calm).unwrap();
    money_is_conserved(&calm);
    for point in [CrashPoint::AfterTick, CrashPoint::BeforeCommit, CrashPoint::AfterCommit] {
        let dir = tempfile::tempdir().unwrap();
        let mut crashes = 0;
        // Each run comes a few pages further before it crashes.
        for nth in (0..60).map(|n| 5 + n % 11) {
            match drive::feed(&options(Some(dir.path()), 20), &feed, Faults::crash_at(point, nth)).await {
                Ok(_) => break,
                Err(Error::Crashed(_)) => crashes += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(crashes >= 10, "{point:?}: {crashes}");
        let node = drive::feed(&options(Some(dir.path()), 20), &feed, Faults::none()).await.unwrap();
        assert_eq!(difference(&expected, &dump(&node).unwrap()), None, "{point:?}");
        money_is_conserved(&node);
        each_change_is_told_once(&node);
    }
}
