//! Bugs seeded behind a switch: each is caught by the checks that the other tests rest on.

use jobs::node::NodeOptions;
use pipeline::Error;
use pipeline::fault::{Bug, CrashPoint, Faults};
use tests::drive::{self, Feed};
use tests::dump::{difference, dump};

/// Runs with a bug (and with crashes where the bug needs one) and says whether a dump tells.
async fn caught(bug: Bug, crash: Option<CrashPoint>) -> bool {
    // Which commit a crash meets (a run's or a timer's) depends on the batches.
    for nth in if crash.is_some() { 0..8 } else { 0..1 } {
        if told(bug, crash, nth).await {
            return true;
        }
    }
    false
}

async fn told(bug: Bug, crash: Option<CrashPoint>, nth: u32) -> bool {
    let lines = drive::lines(3, 4_000);
    let clean =
        drive::feed(&NodeOptions::default(), &Feed { lines: lines.clone(), chunk: 500 }, Faults::none()).await.unwrap();
    let expected = dump(&clean).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = NodeOptions { data_dir: Some(dir.path().to_path_buf()), ..NodeOptions::default() };
    let feed = Feed { lines, chunk: 500 };
    if let Some(point) = crash {
        let outcome = drive::feed(&options, &feed, Faults::crash_at(point, nth).and_bug(bug)).await;
        assert!(matches!(outcome, Err(Error::Crashed(_))), "{bug:?} was to crash");
    }
    match drive::feed(&options, &feed, Faults::with_bug(bug)).await {
        Ok(node) => difference(&expected, &dump(&node).unwrap()).is_some(),
        Err(_) => true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_seeded_bug_is_caught() {
    for (bug, crash) in [
        (Bug::CheckpointBeforeCommit, Some(CrashPoint::BeforeCommit)),
        (Bug::ClaimIgnored, None),
        (Bug::WindowClosedEarly, None),
        (Bug::LateWithoutRevision, None),
        (Bug::TiesReversed, None),
    ] {
        assert!(caught(bug, crash).await, "{bug:?} went unnoticed");
    }
}
