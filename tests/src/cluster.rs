//! A cluster on third-party servers: made, worked on by workers that can be killed, looked into.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jobs::betting::bets_table;
use jobs::cluster::{Cluster, ClusterOptions};
use jobs::node::NodeOptions;
use pipeline::adapters::aws::envelope::Secret;
use pipeline::adapters::aws::item::Item;
use pipeline::adapters::aws::{Aws, setup};
use pipeline::dead_letter::DeadLetter;
use pipeline::engine::Stop;
use pipeline::lease::WorkerId;
use pipeline::record::Position;
use pipeline::tables::system;
use pipeline::{Clock, Result};
use schemas::bet_row::BetRow;
use schemas::codec::Event;
use schemas::columns::bet_block::BetBlock;
use schemas::row::Row;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

use crate::fixture::memory_dir;

/// A cluster, its states in a folder of their own.
pub struct Site {
    /// The cluster.
    pub cluster: Cluster,
    options: ClusterOptions,
    aws: Aws,
    _states: Arc<TempDir>,
}

/// A worker that runs.
pub struct Working {
    /// Its name.
    pub id: WorkerId,
    stop: Stop,
    task: JoinHandle<Result<()>>,
}

impl Site {
    /// Creates a cluster in an account; `change` sets what differs from the usual.
    pub async fn create(aws: Aws, change: impl FnOnce(&mut ClusterOptions)) -> Site {
        log_if_asked();
        let states = Arc::new(memory_dir());
        let mut options = ClusterOptions {
            prefix: "test-".into(),
            shards: Some(2),
            states: states.path().display().to_string(),
            secret: Some(Secret::new("a secret of the tests")),
            aggregate: true,
            fan_out: false,
            idle_clock: false,
            failover: Duration::from_secs(3),
            mail: None,
            inbox: states.path().join("inbox"),
            node: NodeOptions::default(),
        };
        change(&mut options);
        let cluster = Cluster::open(aws.clone(), options.clone(), Clock::System).unwrap();
        for missing in cluster.missing().await.unwrap() {
            setup::create(&aws, &missing).await.unwrap();
        }
        assert_eq!(cluster.missing().await.unwrap(), []);
        Site { cluster, options, aws, _states: states }
    }

    /// Starts a worker, with clients of its own.
    pub fn start(&self, id: &str) -> Working {
        self.start_with(id, self.aws.clone())
    }

    /// Starts a worker that reaches the account in a way of its own, such as through a proxy.
    pub fn start_with(&self, id: &str, aws: Aws) -> Working {
        let cluster = Cluster::open(aws, self.options.clone(), Clock::System).unwrap();
        let (id, stop) = (WorkerId(id.to_owned()), Stop::default());
        let (me, told) = (id.clone(), stop.clone());
        let task = tokio::spawn(async move { cluster.run(me, told).await });
        Working { id, stop, task }
    }
}

impl Working {
    /// Lets it finish what it has begun.
    pub async fn stop(self) {
        self.stop.now();
        self.task.await.expect("a worker does not panic").unwrap();
    }

    /// Ends it in the midst of whatever it does.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

/// Every row of a table.
pub async fn rows<R: Row>(cluster: &Cluster) -> Vec<R> {
    let rows = cluster.tables.scan(R::TABLE).await.unwrap();
    rows.iter().map(|(_, row)| R::from_bytes(&row.bytes).unwrap()).collect()
}

/// Every bet as it stands, by its id.
pub async fn bets(cluster: &Cluster) -> BTreeMap<String, BetRow> {
    let block = cluster.tables.scan_facts(&bets_table()).await.unwrap();
    let block = BetBlock::new(&block).unwrap();
    (0..block.len()).map(|row| block.row(row).unwrap()).map(|row| (row.bet.bet_uuid.to_string(), row)).collect()
}

/// The rows of windows as they stand, by window and group.
pub async fn windows(cluster: &Cluster) -> BTreeMap<(String, String), Item> {
    let text = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
    let items = cluster.tables.scan_items("odds_windows").await.unwrap();
    items.into_iter().map(|item| ((text(&item, "window_key"), text(&item, "group_key")), item)).collect()
}

/// Every event of a stream, repeats included.
pub async fn events<E: Event>(cluster: &Cluster) -> Vec<E> {
    let mut events = Vec::new();
    for shard in cluster.log.shards(E::STREAM).await.unwrap() {
        let chunk = cluster.log.read(E::STREAM, shard.id, Position::START, usize::MAX).await.unwrap();
        events.extend(chunk.records.iter().map(|record| E::decode(&record.data).unwrap()));
    }
    events
}

/// What could not be applied.
pub async fn dead_letters(cluster: &Cluster) -> Vec<DeadLetter> {
    let rows = cluster.tables.scan(system::DEAD_LETTERS).await.unwrap();
    rows.iter().map(|(_, row)| DeadLetter::decode(&row.bytes).unwrap()).collect()
}

/// Logs as `RUST_LOG` says, where it says anything: what a worker does is seen nowhere else.
fn log_if_asked() {
    if let Ok(filter) = EnvFilter::try_from_default_env() {
        // Another test of this process may have set it.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    }
}

/// Waits for a condition, within a limit.
pub async fn until(what: &str, seconds: u64, holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(seconds), wait_until(holds)).await;
    assert!(waited.is_ok(), "not within {seconds} s: {what}");
}

/// Waits for a condition, however long.
pub async fn wait_until(mut holds: impl AsyncFnMut() -> bool) {
    while !holds().await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
