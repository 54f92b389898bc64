//! The worker on one shard: reads, applies, emits, checkpoints, until its lease goes.
//!
//! Life: its states taken up → records applied as they come, timers and window boundaries in between →
//! lease asked for, lost, or the shard's end; each with a checkpoint, but for a lost one.

use std::sync::Arc;
use std::time::Duration;

use arrow::compute::filter_record_batch;
use tokio::time::{Instant, MissedTickBehavior};

use super::Fleet;
use super::attempt::{Applied, Applier, Entry, Facts};
use super::intervals::Intervals;
use super::patience::{self, LONGEST, insist};
use super::reads::Reads;
use super::sums::Sums;
use super::timers::{Timer, Timers};
use crate::adapters::aws::shard_reader::{From, Read, ShardReader, Source};
use crate::clock::Arrival;
use crate::dead_letter::DeadLetter;
use crate::engine::Stop;
use crate::error::{Error, Result};
use crate::fault::{Bug, CrashPoint};
use crate::job::Job;
use crate::lease::held::{Held, Standing};
use crate::lease::sync::StreamKey;
use crate::lease::{Lease, Progress, Reached};
use crate::metrics::Metric;
use crate::record::{Append, Position};
use crate::shard::{Shard, ShardId};

/// How often a worker looks whether something is due that nobody tells it of.
const LOOK: Duration = Duration::from_millis(200);

/// Why a worker has nothing more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It was told to stop, or to hand over.
    Told,
    /// The shard is read to its end.
    Shard,
}

/// The worker on one shard.
pub(super) struct Worker<J: Job> {
    pub fleet: Arc<Fleet<J>>,
    pub held: Held,
    pub shard: Shard,
    stream: StreamKey,
    /// The last position applied, once there is one.
    position: Option<Position>,
    /// The running maximum of arrivals.
    effective: Arrival,
    /// Everything that arrived before it is applied, window states included.
    frontier: Arrival,
    /// The checkpoint it began with: until window states that were older have come as far, nothing is saved.
    before: Option<Position>,
    /// What the lease said then, which stays true: it never goes back.
    promised: Progress,
    /// Decisions of records up to here have told what they emit.
    told: Position,
    pub timers: Timers,
    /// Timers that wait for other shards.
    pub parked: Vec<Timer>,
    sums: Sums<J>,
    intervals: Intervals,
    /// The position of the newest snapshot.
    snapshot: Option<Position>,
    saved: Instant,
    dirty: bool,
    stop: Stop,
}

/// Works on a shard until its lease goes or `stop` says so. Whatever else goes wrong ends it too; the
/// lease is let go then, for a worker that fares better.
pub async fn work<J: Job>(
    fleet: Arc<Fleet<J>>,
    stream: StreamKey,
    source: Source,
    held: Held,
    stop: Stop,
) -> Result<()> {
    let outcome = match Worker::begin(fleet, stream, held.clone()).await {
        Ok((worker, from)) => worker.run(source, from, stop).await,
        Err(error) => Err(error),
    };
    match outcome {
        Err(Error::Fenced(why)) => {
            tracing::info!(lease = %held.key(), "{why}");
            held.forget();
            Ok(())
        }
        // A test's crash lets nothing go.
        Err(crash @ Error::Crashed(_)) => {
            held.forget();
            Err(crash)
        }
        other => {
            if other.is_err() {
                // Whoever takes it next may fail as well: not faster than this.
                tokio::time::sleep(LONGEST).await;
            }
            let gone = held.let_go().await;
            other.and(gone)
        }
    }
}

impl<J: Job> Worker<J> {
    async fn begin(fleet: Arc<Fleet<J>>, stream: StreamKey, held: Held) -> Result<(Worker<J>, From)> {
        let lease = held.lease().await;
        let shards = fleet.log.shards(fleet.stream()).await?;
        let shard = shards.into_iter().find(|shard| shard.id == held.shard());
        let shard = shard.ok_or_else(|| Error::Reject(format!("{} has no {}", fleet.stream(), held.shard())))?;
        let before = inherited(&fleet, &lease, &shard, &stream).await?;
        let (from, position) = match lease.reached {
            Reached::At(position) => (From::After(position), Some(position)),
            Reached::Latest => (From::Latest, None),
            Reached::AtTimestamp => (From::Time(before.effective), None),
            Reached::TrimHorizon | Reached::ShardEnd => (From::Oldest, None),
        };
        // What is read from its beginning begins with empty windows, or it would count twice.
        let snapshot = before.snapshot.filter(|_| position.is_some());
        // Without a snapshot the first record begins an interval that may have ended long since.
        let first = if position.is_some() { Arrival::MIN } else { before.effective };
        let (intervals, start) = Intervals::load(&fleet, &held.key().0, snapshot, first).await?;
        // Window states may be older than the checkpoint: what lies between re-enters the windows.
        let (from, applied, effective) = match start.filter(|_| position.is_some()) {
            Some((at, effective)) => (From::After(at), Some(at), effective),
            None => (from, position, before.effective),
        };
        // What is read again is placed by its own time; what is new comes after all that was promised.
        let again = applied < position;
        let frontier = if again { effective } else { effective.max(before.frontier) };
        let timers = Timers::load(&fleet, shard.range).await?;
        let sums = Sums::new(held.key().0.clone());
        let worker = Worker {
            fleet,
            held,
            shard,
            stream,
            position: applied,
            effective,
            frontier,
            before: position,
            promised: before,
            told: position.unwrap_or(Position::START),
            timers,
            parked: Vec::new(),
            sums,
            intervals,
            snapshot,
            saved: Instant::now(),
            dirty: false,
            stop: Stop::default(),
        };
        worker.held.idle_until(worker.progress());
        Ok((worker, from))
    }

    async fn run(mut self, source: Source, from: From, stop: Stop) -> Result<()> {
        self.stop = stop.clone();
        let unpacker = self.fleet.log.unpacker(&self.shard);
        let reader = ShardReader::new(source, self.shard.id, unpacker, from);
        let mut reads = Reads::start(reader, self.fleet.clock.clone());
        let (mut standing, mut stopped) = (self.held.standing(), stop.watch());
        // Not a pause in the loop: on a busy shard it would never be over.
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            if self.held.is_lost() {
                return Err(Error::Fenced(format!("lease {} is another worker's", self.held.key())));
            }
            if *standing.borrow_and_update() == Standing::Asked || stop.is_now() {
                break End::Told;
            }
            tokio::select! {
                biased;
                _ = standing.changed() => {}
                _ = stopped.changed() => {}
                _ = look.tick() => self.look().await?,
                read = reads.next() => {
                    let (read, asked) = read?;
                    let ended = read.end.is_some();
                    // What it was told to leave is left to the next owner, the shard's end as well.
                    if self.take(read, asked).await? && ended {
                        break End::Shard;
                    }
                }
            }
            if self.dirty && self.saved.elapsed() >= self.fleet.options.checkpoint_every {
                match self.save().await {
                    Err(Error::Retry(why)) => tracing::warn!(lease = %self.held.key(), "the checkpoint waits: {why}"),
                    other => other?,
                }
            }
        };
        let held = self.held.clone();
        match end {
            End::Told => insist!(&held, self.save()),
            End::Shard => insist!(&held, self.finish()),
        }
    }

    /// Applies a read, and lets time pass up to where it shows that everything was read. Gives false where
    /// it was told to stop before all of it was applied.
    async fn take(&mut self, read: Read, asked: Option<Arrival>) -> Result<bool> {
        let idle = self.fleet.options.idle_behind_ms.filter(|_| read.is_idle());
        let idle = idle.and_then(|behind| Some(asked?.plus_ms(-behind)));
        let found = read.found;
        self.held.count_read(found.bytes);
        self.fleet.metrics.add(Metric::LogReadRecords, found.records.len() as u64);
        self.fleet.metrics.add(Metric::LogReadBytes, found.bytes as u64);
        let refused = found.refused.into_iter();
        let refused = refused.map(|(record, why)| DeadLetter::of(self.fleet.stream(), self.shard.id, &record, why));
        self.write_dead(refused.collect()).await?;
        let data: Vec<_> = found.records.iter().map(|record| (self.fleet.input, &record.data[..])).collect();
        let events = self.fleet.job.decode_batch(&data)?;
        let mut entries = Vec::with_capacity(found.records.len());
        let mut effective = self.effective.max(self.frontier);
        for (record, event) in found.records.into_iter().zip(events) {
            effective = effective.max(record.arrived_at);
            let event = event.map(|event| (self.fleet.job.decision(&event), event));
            entries.push(Entry { record, effective, event });
        }
        let mut rest = &entries[..];
        while let Some(first) = rest.first() {
            if !self.pass(first.effective).await? {
                return Ok(false);
            }
            let Some(others) = self.others(first.effective).await? else { return Ok(false) };
            let limit = self.timers.next_due().min(self.intervals.next_boundary()).min(others);
            let together = rest.partition_point(|entry| entry.effective < limit).min(self.fleet.options.batch_records);
            let applied = self.apply(&rest[..together.max(1)]).await?;
            if applied == 0 {
                return Ok(false);
            }
            rest = &rest[applied..];
        }
        // A predecessor may have come further than the last record, by a mark: timers were set since.
        let reached = idle.max(found.time).map_or(self.frontier, |time| self.frontier.max(time));
        let whole = self.pass(reached).await?;
        tracing::debug!(lease = %self.held.key(), %reached, whole, frontier = %self.frontier, last = ?found.last, "read applied");
        if let Some(last) = found.last.filter(|_| whole) {
            // Also past what held no record of ours: a mark is passed once its time is.
            self.position = self.position.max(Some(last));
            self.dirty = true;
        }
        Ok(whole)
    }

    /// How far the inputs are that the job lists before this one, once they have passed `at`; nothing where
    /// it was told to stop meanwhile. Where time is the records' alone they come as fast as they can, and
    /// only this keeps their order. Live ones come in their time: nobody waits for anybody.
    async fn others(&self, at: Arrival) -> Result<Option<Arrival>> {
        let before = &self.fleet.job.inputs()[..self.fleet.input];
        if self.fleet.options.idle_behind_ms.is_some() || before.is_empty() {
            return Ok(Some(Arrival::MAX));
        }
        while !self.is_told() {
            let mut reached = Arrival::MAX;
            for input in before {
                let stream = self.fleet.log.name(input.stream);
                reached = reached.min(insist!(&self.held, self.fleet.frontiers.of(&stream))?);
            }
            if reached > at {
                return Ok(Some(reached));
            }
            tracing::debug!(lease = %self.held.key(), %at, %reached, "waits for the streams before");
            tokio::time::sleep(LOOK).await;
        }
        Ok(None)
    }

    /// Applies the first of these records; returns how many, none where it was told to stop before.
    async fn apply(&mut self, entries: &[Entry<J::Event>]) -> Result<usize> {
        let fleet = self.fleet.clone();
        fleet.faults.reach(CrashPoint::AfterRead)?;
        let (shard, range) = (self.shard.id, self.shard.range);
        let (timers, told, held, stop) = (&self.timers, self.told, &self.held, &self.stop);
        let applier = Applier { fleet: &fleet, shard, range, timers, told, held, stop };
        let mut part = entries;
        let applied = loop {
            match insist!(&self.held, applier.apply(part)) {
                // Fewer at once may do; one that never does must not hold up the shard.
                Err(Error::TooLarge(_)) if part.len() > 1 => part = &part[..part.len() / 2],
                Err(Error::TooLarge(why)) => break Some(applier.set_aside(&part[0], why)),
                other => break other?,
            }
        };
        let Some(applied) = applied else { return Ok(0) };
        let Applied { count, facts, mut emits, dead, timers, replayed } = applied;
        fleet.faults.reach(CrashPoint::AfterCommit)?;
        timers.into_iter().for_each(|timer| self.timers.keep(timer));
        if replayed && !self.fleet.faults.has(Bug::TimersForgotten) {
            self.read_timers().await?;
        }
        emits.extend(self.fold(&facts, entries[0].effective)?);
        self.write_dead_rows(&dead).await?;
        fleet.emit(emits).await?;
        fleet.faults.reach(CrashPoint::AfterSend)?;
        insist!(&self.held, self.sums.add(&fleet, &facts))?;
        let last = &entries[count - 1];
        self.effective = last.effective;
        self.frontier = self.frontier.max(last.effective);
        self.position = self.position.max(Some(last.record.position));
        self.told = self.told.max(last.record.position);
        self.dirty = true;
        fleet.metrics.add(Metric::EngineBatches, 1);
        Ok(count)
    }

    /// Folds facts that count into the window states.
    fn fold(&mut self, facts: &Facts<J::Fact>, now: Arrival) -> Result<Vec<(&'static str, Append)>> {
        if self.intervals.is_empty() || facts.facts.is_empty() {
            return Ok(Vec::new());
        }
        let sealed = self.fleet.job.seal(self.fleet.input, &facts.facts)?;
        if sealed.windowed.true_count() == 0 {
            return Ok(Vec::new());
        }
        self.intervals.fold(&self.fleet, &filter_record_batch(&sealed.rows, &sealed.windowed)?, now)
    }

    /// Lets time pass: intervals that end are handed over, timers that are due are delivered. Gives false
    /// where it was told to stop in between: then nothing that comes after may be applied.
    async fn pass(&mut self, to: Arrival) -> Result<bool> {
        let boundary = self.intervals.next_boundary() <= to;
        if boundary && self.intervals.pass(to).await? {
            self.dirty = true;
        }
        while let Some(timer) = self.timers.due(to) {
            // A chain of timers may be long.
            if self.is_told() {
                return Ok(false);
            }
            self.tick(timer).await?;
        }
        self.frontier = self.frontier.max(to);
        if boundary && self.dirty {
            // Whoever closes windows waits for it.
            let held = self.held.clone();
            insist!(&held, self.save())?;
        }
        if !self.dirty {
            self.held.idle_until(self.progress());
        }
        Ok(true)
    }

    /// Whether to finish what is begun and no more.
    pub(super) fn is_told(&self) -> bool {
        patience::is_told(&self.stop, &self.held)
    }

    /// What is to be done also while nothing comes.
    ///
    /// A timer that waits for other shards is tried again.
    async fn look(&mut self) -> Result<()> {
        for timer in std::mem::take(&mut self.parked) {
            if self.is_told() {
                self.parked.push(timer);
            } else {
                self.tick(timer).await?;
            }
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        Progress {
            effective: self.effective.max(self.promised.effective),
            frontier: self.frontier.max(self.promised.frontier),
            snapshot: self.snapshot,
        }
    }

    /// Makes what is in memory durable, then the checkpoint.
    async fn save(&mut self) -> Result<()> {
        self.saved = Instant::now();
        let Some(position) = self.position else { return Ok(()) };
        if !self.dirty || self.position < self.before {
            return Ok(());
        }
        self.fleet.faults.reach(CrashPoint::AfterPartials)?;
        self.sums.flush(&self.fleet).await?;
        if !self.intervals.is_empty() {
            self.intervals.keep(position, self.frontier).await?;
            self.snapshot = Some(position);
        }
        self.fleet.faults.reach(CrashPoint::BeforeCommit)?;
        self.held.checkpoint(Reached::At(position), self.progress()).await?;
        tracing::debug!(lease = %self.held.key(), %position, frontier = %self.frontier, "checkpoint");
        self.dirty = false;
        Ok(())
    }

    /// The shard is read to its end: its children's leases are made, and its own is finished.
    async fn finish(&mut self) -> Result<()> {
        self.intervals.end().await?;
        self.sums.flush(&self.fleet).await?;
        let shards = self.fleet.log.shards(self.fleet.stream()).await?;
        let children: Vec<&Shard> = shards.iter().filter(|shard| shard.parents.contains(&self.shard.id)).collect();
        for child in &children {
            let mut lease = self.stream.lease(child, Reached::TrimHorizon);
            lease.progress = Progress { snapshot: None, ..self.progress() };
            self.held.create(&lease).await?;
        }
        let ids: Vec<ShardId> = children.iter().map(|child| child.id).collect();
        if !ids.is_empty() {
            self.held.note_children(ids).await?;
        }
        self.held.checkpoint(Reached::ShardEnd, self.progress()).await?;
        tracing::info!(lease = %self.held.key(), "shard read to its end");
        Ok(())
    }
}

/// How far the shard's past is: its own, or its parents', the later of them.
async fn inherited<J: Job>(fleet: &Fleet<J>, lease: &Lease, shard: &Shard, stream: &StreamKey) -> Result<Progress> {
    let mut progress = lease.progress;
    if lease.reached.has_begun() {
        return Ok(progress);
    }
    for parent in &shard.parents {
        if let Some(parent) = fleet.frontiers.lease(&stream.lease_key(*parent)).await? {
            progress.effective = progress.effective.max(parent.progress.effective);
            progress.frontier = progress.frontier.max(parent.progress.frontier);
        }
    }
    Ok(progress)
}
