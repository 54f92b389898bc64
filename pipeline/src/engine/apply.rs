//! Applying: runs of records and timers, each committed whole.
//!
//! A batch is cut where a timer is due and where a window may close, so that nothing depends on
//! how records were batched. Within a run every record is decided in order against the rows in
//! memory; then the run's facts go through the windows, and one commit carries everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::compute::{concat_batches, filter_record_batch};
use hashbrown::HashMap;

use super::align::{Batch, Entry};
use super::checkpoint::{self, Checkpoint};
use super::timers::{Timer, Timers};
use super::{LoopOptions, Ports, Shared};
use crate::clock::Arrival;
use crate::dead_letter::{DeadLetter, Reject};
use crate::error::Result;
use crate::fault::{Bug, CrashPoint};
use crate::job::{At, DecisionKey, Effects, Job, Sealed};
use crate::metrics::Metric;
use crate::rows::Rows;
use crate::tables::{ClaimWrite, Commit, FactPlace, FactsWrite, RowRef, system};
use crate::window::tumbling::Windows;

/// First byte of a timer's key: whose it is.
const OF_WINDOW: u8 = 0;
const OF_JOB: u8 = 1;

/// The applying half of a loop.
pub struct Applier<J: Job> {
    job: Arc<J>,
    ports: Ports,
    name: &'static str,
    rows: Rows<J::Key, J::Row>,
    timers: Timers,
    windows: Windows,
    shared: Arc<Shared>,
}

/// A decision as known while a run is applied.
#[derive(Clone, Copy)]
struct Known {
    fingerprint: u64,
    open: bool,
    fact: FactPlace,
    /// Whether this run made it, so that it must be written.
    fresh: bool,
}

/// The facts that one input's decisions leave.
struct Kept<F> {
    /// New ones, in order.
    new: Vec<F>,
    /// Stored ones that changed.
    amended: Vec<(RowRef, F)>,
}

impl<F> Default for Kept<F> {
    fn default() -> Self {
        Kept { new: Vec::new(), amended: Vec::new() }
    }
}

/// What a run of records adds up to.
struct Run<F> {
    known: HashMap<(usize, [u8; 16]), Known>,
    /// What each input's decisions leave.
    facts: Vec<Kept<F>>,
    effects: Effects,
    dead: Vec<DeadLetter>,
    duplicates: u64,
    /// Records that arrived at or after this belong to the next run.
    limit: Arrival,
    /// How many records were applied.
    applied: usize,
}

impl<J: Job> Applier<J> {
    /// Loads timers and open windows.
    pub(super) async fn load(job: Arc<J>, ports: Ports, options: &LoopOptions, shared: Arc<Shared>) -> Result<Self> {
        let timers = Timers::load(&ports.tables, options.name).await?;
        let windows = Windows::load(&ports, options.windows.clone(), options.export_dir.clone()).await?;
        shared.set_next_due(timers.next_due());
        Ok(Applier { job, ports, name: options.name, rows: Rows::default(), timers, windows, shared })
    }

    /// Applies a batch: its records in order, and every timer that is due between them.
    pub(super) async fn take(&mut self, batch: Batch<J::Event>) -> Result<()> {
        let mut rest = &batch.entries[..];
        loop {
            let reached = rest.first().map_or(batch.frontier, |entry| entry.effective);
            self.tick_until(reached).await?;
            if rest.is_empty() {
                break;
            }
            let applied = self.apply_run(rest).await?;
            rest = &rest[applied..];
        }
        // One fsync a batch: what a batch did is durable before the next one is taken.
        self.ports.tables.sync().await?;
        self.rows.age();
        self.shared.set_next_due(self.timers.next_due());
        let metrics = &self.ports.metrics;
        metrics.set(Metric::EngineFrontier, u64::try_from(batch.frontier.0).unwrap_or(0));
        metrics.set(Metric::WindowOpen, self.windows.open_count() as u64);
        Ok(())
    }

    /// Delivers every timer due by `frontier`, each in a commit of its own.
    async fn tick_until(&mut self, frontier: Arrival) -> Result<()> {
        while self.timers.next_due().is_some_and(|due| due <= frontier) {
            let mut commit = Commit::default();
            let Some(timer) = self.timers.pop(&mut commit, frontier) else { break };
            self.tick(&timer, &mut commit).await?;
            self.ports.faults.reach(CrashPoint::AfterTick)?;
            checkpoint::put_frontier(&mut commit, self.name, timer.due);
            self.ports.metrics.add(Metric::EngineTicks, 1);
            self.commit(commit).await?;
        }
        Ok(())
    }

    async fn tick(&mut self, timer: &Timer, commit: &mut Commit) -> Result<()> {
        match timer.key.split_first() {
            Some((&OF_WINDOW, key)) => {
                let published = self.windows.tick(&self.ports, key, timer.due, commit).await?;
                if let Some(rows) = published {
                    for (stream, record) in self.job.publish(&rows)? {
                        commit.emits.entry(stream).or_default().push(record.arrived(timer.due));
                    }
                }
            }
            Some((_, key)) => {
                let mut keys = Vec::new();
                self.job.tick_needs(key, &mut keys);
                self.load_rows(keys).await?;
                let mut effects = Effects::default();
                self.job.tick(key, timer.due, &mut self.rows, &mut effects);
                self.write_effects(effects, commit);
                self.write_rows(commit);
            }
            None => {}
        }
        Ok(())
    }

    /// Applies the first records, up to the next timer or window boundary; returns how many.
    async fn apply_run(&mut self, entries: &[Entry<J::Event>]) -> Result<usize> {
        let start = entries.first().map_or(Arrival::MIN, |entry| entry.effective);
        let due = self.timers.next_due().unwrap_or(Arrival::MAX);
        let limit = self.windows.boundary_after(start).min(due);
        let entries = &entries[..entries.partition_point(|entry| entry.effective < limit)];

        let mut run = self.begin(entries, limit).await?;
        for entry in entries {
            if entry.effective >= run.limit {
                break;
            }
            self.decide(entry, &mut run);
            run.applied += 1;
        }
        let (entries, applied) = (&entries[..run.applied], run.applied);
        self.ports.faults.reach(CrashPoint::AfterApply)?;

        let mut commit = Commit::default();
        self.write_facts(&mut run, start, &mut commit).await?;
        self.ports.faults.reach(CrashPoint::AfterPartials)?;
        self.write_dead_letters(&run, &mut commit);
        self.write_effects(run.effects, &mut commit);
        self.write_rows(&mut commit);
        self.ports.metrics.add(Metric::EngineDuplicates, run.duplicates);
        self.write_checkpoints(entries, &mut commit).await?;
        self.commit(commit).await?;
        Ok(applied)
    }

    /// Reads the decisions and rows that a run needs.
    async fn begin(&mut self, entries: &[Entry<J::Event>], limit: Arrival) -> Result<Run<J::Fact>> {
        let inputs = self.job.inputs().to_vec();
        let mut ids = vec![Vec::new(); inputs.len()];
        let mut keys = Vec::new();
        for entry in entries {
            if let Ok(event) = &entry.event {
                ids[entry.input].push(self.job.decision(event).id);
                self.job.needs(event, &mut keys);
            }
        }
        let mut known = HashMap::with_capacity(entries.len());
        for (number, ids) in ids.iter().enumerate() {
            if self.ports.faults.has(Bug::ClaimIgnored) {
                break;
            }
            let claims = self.ports.tables.claims(&inputs[number].decisions, ids).await?;
            for (id, claim) in ids.iter().zip(claims) {
                let Some(claim) = claim else { continue };
                let fact = claim.fact.map_or(FactPlace::None, FactPlace::Stored);
                known.insert(
                    (number, *id),
                    Known { fingerprint: claim.fingerprint, open: claim.open, fact, fresh: false },
                );
            }
        }
        self.load_rows(keys).await?;
        let facts = inputs.iter().map(|_| Kept::default()).collect();
        Ok(Run { known, facts, effects: Effects::default(), dead: Vec::new(), duplicates: 0, limit, applied: 0 })
    }

    async fn load_rows(&mut self, keys: Vec<J::Key>) -> Result<()> {
        // By table: the keys, and where each is stored.
        let mut missing = BTreeMap::<&'static str, (Vec<J::Key>, Vec<_>)>::new();
        for key in keys {
            if !self.rows.knows(&key) {
                let (table, at) = self.job.locate(&key);
                let (keys, places) = missing.entry(table).or_default();
                // Known from here on, so that a key asked for twice is read once.
                self.rows.load(key.clone(), None);
                keys.push(key);
                places.push(at);
            }
        }
        for (table, (keys, places)) in missing {
            let values = self.ports.tables.get(table, &places).await?;
            for (key, value) in keys.into_iter().zip(values) {
                let row = value.map(|bytes| self.job.restore(&key, &bytes)).transpose()?;
                self.rows.load(key, row);
            }
        }
        Ok(())
    }

    /// Meets a record with its decision: a repeat, a conflict, or the job's to decide.
    fn decide(&mut self, entry: &Entry<J::Event>, run: &mut Run<J::Fact>) {
        let event = match &entry.event {
            Ok(event) => event,
            Err(reject) => return self.reject(entry, reject.clone(), run),
        };
        let DecisionKey { id, fingerprint } = self.job.decision(event);
        let earlier = run.known.get(&(entry.input, id)).copied();
        match earlier {
            Some(known) if known.fingerprint != fingerprint => {
                let detail = "an event with this id and another body was decided before; the first one stands";
                return self.reject(entry, Reject::conflict(detail), run);
            }
            Some(known) if !known.open => {
                run.duplicates += 1;
                return;
            }
            _ => {}
        }
        let at = At {
            now: entry.effective,
            arrived_at: entry.record.arrived_at,
            shard: entry.shard,
            position: entry.record.position,
            again: earlier.is_some(),
        };
        let decided = match self.job.apply(event, &at, &mut self.rows, &mut run.effects) {
            Ok(decided) => decided,
            Err(reject) => return self.reject(entry, reject, run),
        };
        if let Some(due) = run.effects.timers.iter().map(|(due, _)| *due).min() {
            run.limit = run.limit.min(due);
        }
        let place = keep(&mut run.facts[entry.input], decided.fact, earlier.map_or(FactPlace::None, |k| k.fact));
        run.known.insert((entry.input, id), Known { fingerprint, open: decided.open, fact: place, fresh: true });
    }

    fn reject(&self, entry: &Entry<J::Event>, reject: Reject, run: &mut Run<J::Fact>) {
        let stream = self.job.inputs()[entry.input].stream;
        run.dead.push(DeadLetter::of(stream, entry.shard, &entry.record, reject));
    }

    /// Seals each input's facts, folds them into the windows, and adds both to the commit.
    async fn write_facts(&mut self, run: &mut Run<J::Fact>, now: Arrival, commit: &mut Commit) -> Result<()> {
        let inputs = self.job.inputs().to_vec();
        let mut claims = vec![Vec::new(); inputs.len()];
        for ((input, key), known) in run.known.iter().filter(|(_, known)| known.fresh) {
            let Known { fingerprint, open, fact, .. } = *known;
            claims[*input].push(ClaimWrite { key: *key, fingerprint, open, fact });
        }
        for (number, (input, claims)) in inputs.into_iter().zip(&mut claims).enumerate() {
            // Sorted keys go into the store's index faster.
            claims.sort_unstable_by_key(|claim| claim.key);
            let Kept { new: facts, amended } = std::mem::take(&mut run.facts[number]);
            if claims.is_empty() {
                continue;
            }
            let (places, changed): (Vec<RowRef>, Vec<J::Fact>) = amended.into_iter().unzip();
            let (new, changed) = (self.job.seal(number, &facts)?, self.job.seal(number, &changed)?);
            self.fold(number, [&new, &changed], now, commit).await?;
            let amended = places.into_iter().enumerate().map(|(i, at)| (at, changed.rows.slice(i, 1))).collect();
            let rows = new.rows;
            commit.facts.push(FactsWrite { table: input.decisions, rows, claims: std::mem::take(claims), amended });
        }
        Ok(())
    }

    /// Folds the facts that count into the windows, all in one go.
    async fn fold(&mut self, input: usize, sealed: [&Sealed; 2], now: Arrival, commit: &mut Commit) -> Result<()> {
        let mut windowed = Vec::new();
        for part in sealed.into_iter().filter(|part| part.windowed.true_count() > 0) {
            windowed.push(filter_record_batch(&part.rows, &part.windowed)?);
        }
        let facts = match &windowed[..] {
            [] => return Ok(()),
            [one] => one.clone(),
            many => concat_batches(&many[0].schema(), many)?,
        };
        let table = self.job.inputs()[input].decisions.name;
        for (due, key) in self.windows.fold(&self.ports, table, &facts, now, commit).await? {
            self.timers.set(commit, Timer { due, key: owned(OF_WINDOW, key) });
        }
        Ok(())
    }

    fn write_dead_letters(&self, run: &Run<J::Fact>, commit: &mut Commit) {
        for letter in &run.dead {
            commit.put(system::DEAD_LETTERS, letter.key(), letter.encode());
            if let Some((stream, record)) = self.job.announce(letter) {
                commit.emits.entry(stream).or_default().push(record);
            }
        }
        self.ports.metrics.add(Metric::EngineDeadLetters, run.dead.len() as u64);
    }

    fn write_effects(&mut self, effects: Effects, commit: &mut Commit) {
        self.ports.metrics.add(Metric::LogAppendRecords, effects.emits.len() as u64);
        for (stream, record) in effects.emits {
            commit.emits.entry(stream).or_default().push(record);
        }
        for (due, key) in effects.timers {
            self.timers.set(commit, Timer { due, key: owned(OF_JOB, key) });
        }
        for (metric, n) in effects.counts {
            self.ports.metrics.add(metric, n);
        }
    }

    fn write_rows(&mut self, commit: &mut Commit) {
        let job = &self.job;
        self.rows.take_changes(|key, row| {
            let (table, key) = job.locate(key);
            commit.put(table, key, job.encode(row));
        });
    }

    async fn write_checkpoints(&self, entries: &[Entry<J::Event>], commit: &mut Commit) -> Result<()> {
        let mut last = BTreeMap::new();
        for entry in entries {
            last.insert(
                (entry.input, entry.shard),
                Checkpoint { position: entry.record.position, effective: entry.effective },
            );
        }
        let mut early = Commit::default();
        let target = if self.ports.faults.has(Bug::CheckpointBeforeCommit) { &mut early } else { commit };
        for ((input, shard), checkpoint) in last {
            checkpoint::put(target, self.name, self.job.inputs()[input].stream, shard, checkpoint);
        }
        if let Some(entry) = entries.last() {
            checkpoint::put_frontier(target, self.name, entry.effective);
        }
        if early.is_empty() { Ok(()) } else { self.ports.tables.commit(early).await }
    }

    async fn commit(&self, commit: Commit) -> Result<()> {
        self.ports.faults.reach(CrashPoint::BeforeCommit)?;
        self.ports.tables.commit(commit).await?;
        self.ports.metrics.add(Metric::EngineBatches, 1);
        self.ports.faults.reach(CrashPoint::AfterCommit)
    }
}

/// Keeps a fact and says where it stands: over an earlier one, or as the next row.
fn keep<F>(facts: &mut Kept<F>, fact: Option<F>, earlier: FactPlace) -> FactPlace {
    let Kept { new, amended } = facts;
    match (fact, earlier) {
        (None, earlier) => earlier,
        (Some(fact), FactPlace::Stored(at)) => {
            amended.push((at, fact));
            earlier
        }
        (Some(fact), FactPlace::New(row)) => {
            if let Some(slot) = new.get_mut(row as usize) {
                *slot = fact;
            }
            earlier
        }
        (Some(fact), FactPlace::None) => {
            new.push(fact);
            FactPlace::New(u32::try_from(new.len() - 1).unwrap_or(u32::MAX))
        }
    }
}

fn owned(owner: u8, key: Vec<u8>) -> Vec<u8> {
    let mut out = vec![owner];
    out.extend_from_slice(&key);
    out
}
