//! A quiet night: nothing arrives, and the time that is shown passes nevertheless, at no cost.

use std::time::Duration;

use jobs::betting;
use jobs::node::{Node, NodeOptions};
use pipeline::engine::checkpoint;
use pipeline::metrics::Metric;
use pipeline::{Arrival, Clock};

/// Waits until the jobs show this time.
async fn shows(node: &Node, at: i64) {
    let reached = async {
        while node.metrics.get(Metric::EngineFrontier) != at as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
    assert!(reached.is_ok(), "the time shown is {}, not {at}", node.metrics.get(Metric::EngineFrontier));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_passes_where_nothing_comes() {
    let node = Node::open(NodeOptions::default(), Clock::manual(Arrival(1_000))).unwrap();
    let running = node.start(false);
    for now in [2_000, 60_000, 3_600_000] {
        node.clock.advance_to(Arrival(now));
        shows(&node, now).await;
        assert_eq!(node.metrics.get(Metric::EngineLagMs), 0);
    }
    // Shown, and not written: no record and no timer asked for it.
    assert_eq!(node.metrics.get(Metric::EngineBatches), 0);
    let kept = checkpoint::load(&node.ports().tables, betting::LOOP).await.unwrap();
    assert_eq!(kept.frontier, Arrival::MIN);
    running.stop.now();
    running.task.await.unwrap().unwrap();
}
