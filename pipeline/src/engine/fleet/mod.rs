//! The run loop where many workers share the shards: `read → decode → load → apply → commit groups →
//! emit → checkpoint`, a shard at a time.
//!
//! The embedded loop ([`super`]) commits a batch whole and in one order. Here nothing is atomic beyond a
//! group of a hundred writes, so the order of effects carries the guarantees:
//!
//! 1. A record's decision, its fact and the rows it changes are one group ([`attempt`]). The decision's
//!    condition is the only idempotence: a record read again finds it and changes nothing.
//! 2. What a decision emits follows from the stored fact, so it is emitted after the group, and again
//!    when the record is read again: consumers know repeats by their ids.
//! 3. Sums ([`sums`]) and window states ([`intervals`]) are kept in memory, each with the position it
//!    reaches to, and written before the checkpoint that passes it.
//! 4. The checkpoint is a conditional write of the lease: who lost the lease cannot move it, and has
//!    written nothing that its successor would not write.
//!
//! [`worker`] works on one shard; [`ticks`] delivers its timers; [`frontiers`] is how far all shards
//! are; [`closer`] closes windows from every shard's intervals.

mod attempt;
pub mod closer;
mod dead;
pub mod frontiers;
mod intervals;
mod loaded;
mod patience;
mod reads;
mod sets;
mod sums;
mod ticks;
mod timers;
pub mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::path::Path;

use self::frontiers::Frontiers;
use crate::adapters::aws::log::KinesisLog;
use crate::adapters::aws::tables::DynamoTables;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::fault::Faults;
use crate::job::Job;
use crate::metrics::{Metric, Metrics};
use crate::record::Append;
use crate::window::times::WindowSettings;

/// See [`FleetOptions::margin_ms`].
const MARGIN_MS: i64 = 1_000;

/// How shards are worked on.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// The job's name: its timers are kept under it.
    pub name: &'static str,
    /// Records applied together, at most.
    pub batch_records: usize,
    /// How often a checkpoint is written while records come.
    pub checkpoint_every: Duration,
    /// A shard that has nothing more has its frontier so far behind the clock, in milliseconds; nothing
    /// where time is the records' alone, as in a replay.
    pub idle_behind_ms: Option<i64>,
}

impl FleetOptions {
    /// The usual.
    pub fn new(name: &'static str) -> FleetOptions {
        FleetOptions {
            name,
            batch_records: 500,
            checkpoint_every: Duration::from_secs(10),
            idle_behind_ms: Some(2_000),
        }
    }

    /// How much further than a moment another stream must have come before nothing of that moment is
    /// expected from it: its clock is another, and a worker may have read a row just before it was
    /// changed. Where time is the records' alone it is exact.
    fn margin_ms(&self) -> i64 {
        if self.idle_behind_ms.is_some() { MARGIN_MS } else { 0 }
    }
}

/// What the workers on one input's shards share. Cheap to clone.
pub struct Fleet<J: Job> {
    /// The job.
    pub job: Arc<J>,
    /// The input's number.
    pub input: usize,
    /// Where records come from and go to.
    pub log: KinesisLog,
    /// Where rows and facts are.
    pub tables: DynamoTables,
    /// Where window states are.
    pub states: Arc<dyn ObjectStore>,
    /// The folder of all states there.
    pub folder: Path,
    /// The window jobs over this input's facts.
    pub windows: Arc<[WindowSettings]>,
    /// The table of window results.
    pub results: &'static str,
    /// How far all shards of all inputs are.
    pub frontiers: Frontiers,
    /// What time it is.
    pub clock: Clock,
    /// Where it counts.
    pub metrics: Metrics,
    /// What a test breaks.
    pub faults: Faults,
    /// How.
    pub options: FleetOptions,
}

impl<J: Job> Clone for Fleet<J> {
    fn clone(&self) -> Self {
        Fleet {
            job: self.job.clone(),
            input: self.input,
            log: self.log.clone(),
            tables: self.tables.clone(),
            states: self.states.clone(),
            folder: self.folder.clone(),
            windows: self.windows.clone(),
            results: self.results,
            frontiers: self.frontiers.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            faults: self.faults.clone(),
            options: self.options.clone(),
        }
    }
}

impl<J: Job> Fleet<J> {
    /// The input's stream.
    pub fn stream(&self) -> &'static str {
        self.job.inputs()[self.input].stream
    }

    /// Appends what a run emits, each stream in order, until all of it is in.
    async fn emit(&self, emits: Vec<(&'static str, Append)>) -> Result<()> {
        emit(&self.log, &self.metrics, emits).await
    }
}

/// Appends records until all are in; the log stamps them.
async fn emit(log: &KinesisLog, metrics: &Metrics, emits: Vec<(&'static str, Append)>) -> Result<()> {
    let mut by_stream = BTreeMap::<&'static str, Vec<Append>>::new();
    for (stream, record) in emits {
        by_stream.entry(stream).or_default().push(Append { arrived_at: None, ..record });
    }
    for (stream, records) in by_stream {
        while let Err(error) = log.append(stream, &records).await {
            let Error::Retry(why) = error else { return Err(error) };
            // What was appended stands twice then; consumers know it by its id.
            tracing::warn!("emitting to {stream}: {why}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        metrics.add(Metric::LogAppendRecords, records.len() as u64);
    }
    Ok(())
}
