//! A node: the embedded store, log and tables of one data directory, and what runs on them.
//!
//! Life: opened (the directory is locked, missing streams are created) → jobs started → stopped
//! or drained → closed when the last handle goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipeline::adapters::embedded::{Durability, EmbeddedLog, EmbeddedTables, Store, StoreOptions};
use pipeline::engine::{self, LoopOptions, Ports, Stop, checkpoint};
use pipeline::fault::Faults;
use pipeline::log::Log;
use pipeline::metrics::Metrics;
use pipeline::tables::{FactTable, Tables};
use pipeline::window::times::WindowSettings;
use pipeline::{Arrival, Clock, Error, Result};
use tokio::task::JoinHandle;

use crate::bets::{BetRules, odds};
use crate::betting::{self, Betting};
use crate::config::window::WindowConfig;
use crate::notify::MailOptions;
use crate::notify::fold::{self, Notify};
use crate::notify::sender::Sender;
use crate::settle::SettleRules;
use crate::sql::postgres::SqlOptions;
use crate::supervise::{self, Job};
use crate::vision::{self, Vision, VisionOptions};
use crate::windows::{self, Times};

/// Bets settled in one commit: about 10 ms of work, which is what a bet on another question may wait
/// for. With profiles and two notifications each of about 450 bytes they are 3 MB.
const SETTLE_PAGE_BETS: usize = 2_048;

/// The folder of the local inbox, in the data directory.
pub const INBOX: &str = "inbox";

/// What a node needs to know. Each value has one reason to be set.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Where everything is kept; nothing for a store in memory.
    pub data_dir: Option<PathBuf>,
    /// When a write counts as done.
    pub durability: Durability,
    /// Shards of the stream `bets` when it is created.
    pub bets_shards: u32,
    /// How far a bet's `placed_at` may be from its arrival, in milliseconds.
    pub max_skew_ms: i64,
    /// How long after its end a window closes, in milliseconds.
    pub disorder_ms: i64,
    /// How long after its end a window is final, in milliseconds.
    pub lateness_ms: i64,
    /// Whether status changes are emitted.
    pub notify: bool,
    /// How long a proposed answer can be challenged, in milliseconds.
    pub challenge_ms: i64,
    /// How long after a second operator asked an emergency answer takes effect, in milliseconds.
    pub emergency_delay_ms: i64,
    /// Bets settled in one commit, at most.
    pub settle_page_bets: usize,
    /// Whether final windows are written as Parquet.
    pub export: bool,
    /// Records of a batch, at most.
    pub batch_records: usize,
    /// Bytes of small rows that are merged into the trees together.
    pub buffer_bytes: usize,
    /// Memory of one query of the control socket, in bytes.
    pub query_memory_bytes: usize,
    /// Windows that are computed beside the odds.
    pub windows: Vec<WindowConfig>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        NodeOptions {
            data_dir: None,
            durability: Durability::Fsync,
            bets_shards: 2,
            max_skew_ms: 10 * 60 * 1000,
            disorder_ms: 30 * 1000,
            lateness_ms: 10 * 60 * 1000,
            notify: true,
            challenge_ms: 5 * 60 * 1000,
            emergency_delay_ms: 60 * 60 * 1000,
            settle_page_bets: SETTLE_PAGE_BETS,
            export: true,
            batch_records: LoopOptions::new(betting::LOOP).batch_records,
            buffer_bytes: StoreOptions::default().buffer_bytes,
            query_memory_bytes: SqlOptions::default().memory_bytes,
            windows: Vec::new(),
        }
    }
}

impl NodeOptions {
    /// What settling is told.
    pub fn settle_rules(&self) -> SettleRules {
        SettleRules {
            challenge_ms: self.challenge_ms,
            emergency_delay_ms: self.emergency_delay_ms,
            notify: self.notify,
            page_bets: self.settle_page_bets,
        }
    }
}

/// An open node. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    /// The log.
    pub log: EmbeddedLog,
    /// The tables.
    pub tables: EmbeddedTables,
    /// What time it is.
    pub clock: Clock,
    /// Where the jobs count.
    pub metrics: Metrics,
    /// The insert-only table of bets.
    pub bets: Arc<FactTable>,
    /// The window jobs.
    pub windows: Vec<WindowSettings>,
    options: Arc<NodeOptions>,
    faults: Faults,
}

/// A job's loop that runs.
pub struct Running {
    /// Stops it.
    pub stop: Stop,
    /// What it came to.
    pub task: JoinHandle<Result<()>>,
}

impl Node {
    /// Opens the node's data directory, or a store in memory where none is given.
    pub fn open(options: NodeOptions, clock: Clock) -> Result<Node> {
        Node::open_with(options, clock, Faults::none())
    }

    /// The same, with the faults a test asks for.
    pub fn open_with(options: NodeOptions, clock: Clock, faults: Faults) -> Result<Node> {
        let (durability, buffer_bytes) = (options.durability, options.buffer_bytes);
        let store_options = StoreOptions { durability, buffer_bytes, ..StoreOptions::default() };
        let store = match &options.data_dir {
            Some(dir) => Store::open(dir, store_options)?,
            None => Store::ephemeral(store_options)?,
        };
        let log = EmbeddedLog::open(store.clone(), clock.clone())?;
        for (stream, shards) in streams(options.bets_shards) {
            log.create_stream(stream, shards)?;
        }
        let bets = betting::bets_table();
        let NodeOptions { disorder_ms, lateness_ms, max_skew_ms, .. } = options;
        let mut windows = vec![odds::settings(disorder_ms, lateness_ms)?];
        for declared in &options.windows {
            let times = Times { disorder_ms, lateness_ms, max_skew_ms };
            windows.push(windows::settings(declared, times).map_err(Error::Fatal)?);
        }
        let tables = EmbeddedTables::open(store, log.clone(), faults.clone())?;
        let options = Arc::new(options);
        Ok(Node { log, tables, clock, metrics: Metrics::default(), bets, windows, options, faults })
    }

    /// The directory everything is in.
    pub fn dir(&self) -> &Path {
        self.tables.store().dir()
    }

    /// Where final windows are written as Parquet.
    pub fn parquet_dir(&self) -> PathBuf {
        self.dir().join("parquet")
    }

    /// What the node was opened with.
    pub fn options(&self) -> &NodeOptions {
        &self.options
    }

    /// What the engine needs.
    pub fn ports(&self) -> Ports {
        Ports {
            log: Log::Embedded(self.log.clone()),
            tables: Tables::Embedded(self.tables.clone()),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            faults: self.faults.clone(),
        }
    }

    /// Starts the main job alone. With `drain` it ends once all that the log holds is applied.
    pub fn start(&self, drain: bool) -> Running {
        self.start_jobs(drain, None, None)
    }

    /// Starts the main job, and the mails that its notifications become.
    ///
    /// # Errors
    /// A mailer that cannot be set up as asked.
    pub fn start_with_mail(&self, drain: bool, mail: &MailOptions) -> Result<Running> {
        self.start_all(drain, Some(mail), None)
    }

    /// Starts the main job and what is asked for: mails, and looking at frames.
    ///
    /// # Errors
    /// A mailer that cannot be set up as asked. Models that cannot be loaded end the jobs.
    pub fn start_all(
        &self,
        drain: bool,
        mail: Option<&MailOptions>,
        vision: Option<&VisionOptions>,
    ) -> Result<Running> {
        let sender = mail.map(|mail| self.sender(mail)).transpose()?;
        Ok(self.start_jobs(drain, sender, vision.cloned()))
    }

    fn sender(&self, mail: &MailOptions) -> Result<Sender> {
        Ok(Sender {
            tables: Tables::Embedded(self.tables.clone()),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            faults: self.faults.clone(),
            mailer: Arc::new(mail.server.open(&self.dir().join(INBOX), self.options.durability == Durability::Fsync)?),
            options: mail.clone(),
        })
    }

    fn start_jobs(&self, drain: bool, sender: Option<Sender>, vision: Option<VisionOptions>) -> Running {
        let (stop, node) = (Stop::default(), self.clone());
        if drain {
            stop.when_drained();
        }
        let told = stop.clone();
        let run = async move { supervise::run(node.jobs(&told, sender, vision)?, told).await };
        Running { stop, task: tokio::spawn(run) }
    }

    /// Starts every job, in the order of the streams. `stop` stops the first.
    fn jobs(&self, stop: &Stop, sender: Option<Sender>, vision: Option<VisionOptions>) -> Result<Vec<Job>> {
        let rules = BetRules { max_skew_ms: self.options.max_skew_ms, notify: self.options.notify };
        let mut betting = Betting::new(rules, self.options.settle_rules(), self.streamed());
        let mut jobs = Vec::new();
        if let Some(mut options) = vision {
            if stop.is_draining() {
                // Whoever drains wants all of it, and waits.
                options.latency = None;
            }
            let vision = Vision::load(options, self.metrics.clone())?;
            betting = betting.with_states(vision.states());
            jobs.push(Job::beside(stop.clone(), vision, self.ports(), vision::loop_options()));
        }
        let mut options = LoopOptions::new(betting::LOOP);
        options.windows = self.windows.clone();
        options.export_dir = self.options.export.then(|| self.parquet_dir());
        options.batch_records = self.options.batch_records;
        let (first, ports) = (if jobs.is_empty() { stop.clone() } else { Stop::default() }, self.ports());
        jobs.push(Job::start(first, |stop| engine::run(Arc::new(betting), ports, options, stop)));
        if let Some(sender) = sender {
            let options = LoopOptions::new(fold::LOOP);
            jobs.push(Job::beside(Stop::default(), Notify::default(), self.ports(), options));
            jobs.push(Job::start(Stop::default(), |stop| sender.run(stop)));
        }
        Ok(jobs)
    }

    /// The declared windows whose rows are published, each with its key columns.
    fn streamed(&self) -> BTreeMap<String, Vec<String>> {
        let published = |name: &str| self.options.windows.iter().any(|window| window.stream && window.name == name);
        let jobs = self.windows.iter().filter(|job| published(&job.spec.name));
        jobs.map(|job| (job.spec.name.clone(), job.plan.key_columns().to_vec())).collect()
    }

    /// The latest arrival that the directory knows of: of any record, or of the applied frontier.
    pub async fn high_water(&self) -> Result<Arrival> {
        let mut high = checkpoint::load(&self.ports().tables, betting::LOOP).await?.frontier;
        for stream in self.log.streams() {
            for shard in self.log.shards(&stream)? {
                high = high.max(shard.last_arrival);
            }
        }
        Ok(high)
    }
}

/// Every stream, with how many shards it gets when it is created.
pub(crate) fn streams(bets_shards: u32) -> [(&'static str, u32); 10] {
    [
        ("bets", bets_shards),
        ("game-events", 1),
        ("frames", 1),
        ("odds", 1),
        ("windows", 1),
        ("late-bets", 1),
        ("quotes", 1),
        ("settlements", 1),
        ("notifications", 1),
        ("dead-letters", 1),
    ]
}
