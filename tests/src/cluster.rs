//! A cluster on third-party servers: made, worked on by workers that can be killed, looked into.

use std::sync::Arc;
use std::time::Duration;

use jobs::cluster::{Cluster, ClusterOptions};
use jobs::node::NodeOptions;
use pipeline::adapters::aws::envelope::Secret;
use pipeline::adapters::aws::{Aws, setup};
use pipeline::engine::Stop;
use pipeline::lease::WorkerId;
use pipeline::{Clock, Result};
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

/// Logs as `RUST_LOG` says, where it says anything: what a worker does is seen nowhere else.
fn log_if_asked() {
    if let Ok(filter) = EnvFilter::try_from_default_env() {
        // Another test of this process may have set it.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    }
}

/// Waits for a condition, within a limit.
pub async fn until(what: &str, seconds: u64, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(seconds), waiting).await.is_ok(),
        "not within {seconds} s: {what}"
    );
}
