//! A shard's window states: one interval a window job, kept as snapshots, handed over at boundaries.
//!
//! ```text
//! FOLDER/windows/JOB/until-MILLISECONDS/LEASE.snapshot    handed over, for whoever closes windows
//! FOLDER/shards/LEASE/JOB/POSITION.snapshot               kept, for whoever takes the shard over
//! ```

use std::sync::Arc;

use arrow::array::RecordBatch;
use object_store::ObjectStore;
use object_store::path::Path;

use super::Fleet;
use crate::clock::Arrival;
use crate::error::Result;
use crate::job::Job;
use crate::metrics::Metric;
use crate::record::{Append, Position};
use crate::window::interval::Interval;
use crate::window::snapshot::Snapshot;
use crate::window::snapshots::{self, Snapshots};
use crate::window::times::WindowSettings;

/// Window states of one shard.
pub(super) struct Intervals {
    jobs: Vec<(Interval, Snapshots)>,
    store: Arc<dyn ObjectStore>,
    folder: Path,
    /// The lease's key as a file's name.
    lease: String,
}

impl Intervals {
    /// Takes up the states of a shard as of `position`, or as of the newest one before it of which every
    /// window job has a snapshot. Returns where reading must start, and the effective arrival there:
    /// with the first record and `effective` where there are no such snapshots.
    pub async fn load<J: Job>(
        fleet: &Fleet<J>,
        lease: &str,
        position: Option<Position>,
        effective: Arrival,
    ) -> Result<(Intervals, Option<(Position, Arrival)>)> {
        let lease = lease.replace([':', '/'], "_");
        let shard = fleet.folder.clone().join("shards").join(lease.as_str());
        let snapshots = |settings: &WindowSettings| {
            let folder = shard.clone().join(settings.spec.name.as_str());
            Snapshots::new(fleet.states.clone(), folder, settings.plan.clone())
        };
        let kept: Vec<Snapshots> = fleet.windows.iter().map(snapshots).collect();
        let found = common(&kept, position).await?;
        let mut found = found.map(|(at, states)| (at, states.into_iter()));
        let mut start = found.as_ref().map_or((Position::START, effective), |(at, _)| (*at, effective));
        let mut jobs = Vec::new();
        for (settings, kept) in fleet.windows.iter().zip(kept) {
            let interval = match found.as_mut().and_then(|(_, states)| states.next()) {
                Some(snapshot) => {
                    start.1 = snapshot.frontier;
                    Interval::restore(settings.clone(), snapshot)
                }
                None => Interval::new(settings.clone(), effective),
            };
            jobs.push((interval, kept));
        }
        let start = (!jobs.is_empty()).then_some(start);
        let (store, folder) = (fleet.states.clone(), fleet.folder.clone());
        Ok((Intervals { jobs, store, folder, lease }, start))
    }

    /// The first moment at which an interval ends.
    pub fn next_boundary(&self) -> Arrival {
        self.jobs.iter().map(|(interval, _)| interval.until()).min().unwrap_or(Arrival::MAX)
    }

    /// True without window jobs.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Folds a run's facts; returns what is to be emitted of them.
    pub fn fold<J: Job>(
        &mut self,
        fleet: &Fleet<J>,
        facts: &RecordBatch,
        now: Arrival,
    ) -> Result<Vec<(&'static str, Append)>> {
        let mut emits = Vec::new();
        for (interval, _) in &mut self.jobs {
            let folded = interval.fold(facts, now)?;
            fleet.metrics.add(Metric::WindowLate, folded.late);
            fleet.metrics.add(Metric::WindowDropped, folded.dropped);
            if let Some(aside) = folded.aside {
                emits.extend(fleet.job.late(&aside)?);
            }
        }
        fleet.metrics.add(Metric::WindowRecords, facts.num_rows() as u64);
        Ok(emits)
    }

    /// Hands over every interval that ends by `now`; whether one had something in it.
    pub async fn pass(&mut self, now: Arrival) -> Result<bool> {
        let mut handed = false;
        for at in 0..self.jobs.len() {
            if self.jobs[at].0.until() <= now {
                handed |= self.hand_over(at).await?;
                self.jobs[at].0.begin(now);
            }
        }
        Ok(handed)
    }

    /// Hands over what there is: the shard has ended.
    pub async fn end(&mut self) -> Result<()> {
        for at in 0..self.jobs.len() {
            self.hand_over(at).await?;
        }
        Ok(())
    }

    async fn hand_over(&mut self, at: usize) -> Result<bool> {
        let (interval, _) = &mut self.jobs[at];
        if interval.is_empty() {
            return Ok(false);
        }
        let (until, settings) = (interval.until(), interval.settings().clone());
        let snapshot = interval.snapshot(until)?;
        let path = interval_folder(&self.folder, &settings.spec.name, until).join(format!("{}.snapshot", self.lease));
        snapshots::put(&self.store, &path, &settings.plan, Position::START, &snapshot).await?;
        Ok(true)
    }

    /// Keeps the states as of a position.
    pub async fn keep(&mut self, position: Position, frontier: Arrival) -> Result<()> {
        for (interval, kept) in &mut self.jobs {
            kept.write(position, &interval.snapshot(frontier)?).await?;
        }
        Ok(())
    }
}

/// Where the intervals of a window job are that end at a moment.
pub(super) fn interval_folder(folder: &Path, job: &str, until: Arrival) -> Path {
    intervals_folder(folder, job).join(format!("until-{:020}", until.0))
}

/// Where the intervals of a window job are.
pub(super) fn intervals_folder(folder: &Path, job: &str) -> Path {
    folder.clone().join("windows").join(job)
}

/// The newest position, not after `until`, of which everybody has a snapshot, and the snapshots.
async fn common(kept: &[Snapshots], until: Option<Position>) -> Result<Option<(Position, Vec<Snapshot>)>> {
    let Some(mut until) = until else { return Ok(None) };
    loop {
        let mut found = Vec::new();
        for kept in kept {
            match kept.latest(until).await? {
                Some(snapshot) => found.push(snapshot),
                None => return Ok(None),
            }
        }
        let Some(lowest) = found.iter().map(|(at, _)| *at).min() else { return Ok(None) };
        if found.iter().all(|(at, _)| *at == lowest) {
            return Ok(Some((lowest, found.into_iter().map(|(_, snapshot)| snapshot).collect())));
        }
        until = lowest;
    }
}
