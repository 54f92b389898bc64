//! A crash at every crash point, any number of times: what a node holds afterwards is, to the
//! byte, what an undisturbed run leaves.

use jobs::node::NodeOptions;
use pipeline::Error;
use pipeline::adapters::embedded::Durability;
use pipeline::fault::{CrashPoint, Faults};
use tests::drive::{self, Feed};
use tests::dump::{difference, dump};

fn options(dir: &std::path::Path, batch_records: usize) -> NodeOptions {
    // The disk is not what is tested here; a killed process keeps what the system has. A small
    // buffer is merged every few batches.
    NodeOptions {
        data_dir: Some(dir.to_path_buf()),
        durability: Durability::Os,
        batch_records,
        buffer_bytes: 32 << 10,
        ..NodeOptions::default()
    }
}

async fn undisturbed(feed: &Feed) -> String {
    let dir = tempfile::tempdir().unwrap();
    let node = drive::feed(&options(dir.path(), 700), feed, Faults::none()).await.unwrap();
    dump(&node).unwrap()
}

/// Feeds with a crash, again and again until no crash point is reached any more.
async fn crashed(feed: &Feed, batch_records: usize, faults: Vec<Faults>) -> (String, usize) {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), batch_records);
    let mut crashes = 0;
    for fault in faults {
        match drive::feed(&options, feed, fault).await {
            Ok(_) => {}
            Err(Error::Crashed(_)) => crashes += 1,
            Err(other) => panic!("{other}"),
        }
    }
    let node = drive::feed(&options, feed, Faults::none()).await.unwrap();
    (dump(&node).unwrap(), crashes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_every_point_leaves_the_same_bytes() {
    let lines = drive::lines(7, 3_000);
    let expected = undisturbed(&Feed { lines: lines.clone(), chunk: 400 }).await;
    assert!(expected.lines().filter(|line| line.starts_with("bet ")).count() > 2_500);
    for point in CrashPoint::ALL {
        for nth in [0, 1, 5] {
            let feed = Feed { lines: lines.clone(), chunk: 150 + 40 * nth as usize };
            let faults = vec![Faults::crash_at(point, nth), Faults::crash_at(point, nth + 1)];
            let (got, crashes) = crashed(&feed, 300, faults).await;
            assert!(crashes > 0, "{point:?} {nth} was never reached");
            assert_eq!(difference(&expected, &got), None, "{point:?} {nth}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_and_chunks_do_not_matter() {
    let lines = drive::lines(11, 3_000);
    let expected = undisturbed(&Feed { lines: lines.clone(), chunk: 400 }).await;
    for (chunk, batch_records) in [(1, 1), (17, 3), (3_000, 64), (5_000, 100_000)] {
        let (got, _) = crashed(&Feed { lines: lines.clone(), chunk }, batch_records, Vec::new()).await;
        assert_eq!(difference(&expected, &got), None, "chunk {chunk}, batch {batch_records}");
    }
}
