//! The run loop: `read → decode → load rows → apply → commit → emit → checkpoint`.
//!
//! Three stages, each at work on its own part. The reader ([`align`]) merges the shards of every
//! input into one order by effective arrival and decodes; the applier ([`apply`]) takes batches
//! in that order, cuts them where a timer is due ([`tick`]) and applies each run of records; the writer
//! ([`write`]) commits a run's every effect at once. Back-pressure: one run is written while the
//! next is applied, the channel before holds [`CHANNEL_BATCHES`] batches, then the reader waits,
//! and the log keeps what producers append.
//!
//! Life of a loop: started (checkpoints and timers loaded) → running → draining (told to stop, or
//! all is applied) → stopped (everything committed is durable).

pub mod align;
mod apply;
pub mod checkpoint;
#[cfg(feature = "aws")]
pub mod fleet;
mod stop;
mod tick;
pub mod timers;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::sync::mpsc;

pub use self::stop::{Stop, Stopped};

use crate::clock::{Arrival, Clock};
use crate::error::{Error, Result};
use crate::fault::Faults;
use crate::job::Job;
use crate::log::Log;
use crate::metrics::{Metric, Metrics};
use crate::tables::Tables;
use crate::window::times::WindowSettings;

/// Batches between reader and applier. With batches of at most 4 MiB of data and as much decoded,
/// the channel and the three stages' hands hold under 40 MiB.
const CHANNEL_BATCHES: usize = 1;

/// How a loop runs.
#[derive(Debug, Clone)]
pub struct LoopOptions {
    /// Its name: checkpoints and timers are kept under it.
    pub name: &'static str,
    /// Records of a batch, at most.
    pub batch_records: usize,
    /// Data bytes of a batch, at most (one more record may exceed it).
    pub batch_bytes: usize,
    /// The windows it folds facts into.
    pub windows: Vec<WindowSettings>,
    /// Where final windows are written as Parquet, if anywhere.
    pub export_dir: Option<PathBuf>,
    /// Ends once everything in the log is applied, instead of waiting for more.
    pub drain: bool,
}

impl LoopOptions {
    /// A loop with the limits that suit one machine.
    pub fn new(name: &'static str) -> LoopOptions {
        LoopOptions {
            name,
            batch_records: 12_288,
            batch_bytes: 4 << 20,
            windows: Vec::new(),
            export_dir: None,
            drain: false,
        }
    }
}

/// What a loop needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// Where records come from and go to.
    pub log: Log,
    /// Where rows and facts are.
    pub tables: Tables,
    /// What time it is.
    pub clock: Clock,
    /// Where it counts.
    pub metrics: Metrics,
    /// What a test breaks.
    pub faults: Faults,
}

/// What the two threads tell each other besides batches.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// When the next timer is due, so that the reader wakes up for it.
    next_due: AtomicI64,
    /// Batches applied, so that the reader knows when all that it has read is.
    taken: AtomicU64,
}

impl Shared {
    fn next_due(&self) -> Arrival {
        Arrival(self.next_due.load(Ordering::Acquire))
    }

    fn set_next_due(&self, due: Option<Arrival>) {
        self.next_due.store(due.unwrap_or(Arrival::MAX).0, Ordering::Release);
    }

    fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    fn take_one(&self) {
        self.taken.fetch_add(1, Ordering::Release);
    }
}

impl Ports {
    /// Says how far in time everything is applied.
    fn show_frontier(&self, frontier: Arrival) {
        let lag = self.clock.now().0.saturating_sub(frontier.0);
        self.metrics.set(Metric::EngineFrontier, u64::try_from(frontier.0).unwrap_or(0));
        self.metrics.set(Metric::EngineLagMs, u64::try_from(lag).unwrap_or(0));
    }
}

/// Runs a job's loop until it is told to stop, is drained, or fails.
///
/// Call it within a multi-threaded tokio runtime; it keeps the calling task busy and one thread
/// more.
pub async fn run<J: Job>(job: Arc<J>, ports: Ports, options: LoopOptions, stop: Stop) -> Result<()> {
    let shared = Arc::new(Shared::default());
    let mut applier = apply::Applier::load(job.clone(), ports.clone(), &options, shared.clone()).await?;
    let checkpoints = checkpoint::load(&ports.tables, options.name).await?;
    if options.drain {
        stop.when_drained();
    }
    let reader = align::Reader::new(job, ports.clone(), &options, checkpoints, shared, stop);
    let (sender, mut batches) = mpsc::channel(CHANNEL_BATCHES);
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new()
        .name(format!("{}-reader", options.name))
        .spawn(move || runtime.block_on(reader.run(sender)))?;
    let mut outcome = Ok(());
    while let Some(batch) = batches.recv().await {
        outcome = applier.take(batch).await;
        if outcome.is_err() {
            break;
        }
    }
    // What is being written is waited for, also after a failure: nothing writes after the return.
    let outcome = outcome.and(applier.finish().await);
    // A closed channel ends the reader at its next send.
    drop(batches);
    let read = tokio::task::spawn_blocking(move || thread.join()).await;
    outcome?;
    match read {
        Ok(Ok(read)) => read?,
        _ => return Err(Error::Fatal(format!("the reader of loop {} panicked", options.name))),
    }
    ports.tables.sync().await
}
