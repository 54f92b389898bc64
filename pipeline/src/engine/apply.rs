//! Applying: records decided in order against the rows in memory, a run at a time.
//!
//! A batch is cut into runs where a timer is due and where a window may close, so that nothing
//! depends on how records were batched. While one run is written ([`super::write`]) the next one
//! is applied; whatever needs what the earlier run wrote (a timer that may be due, a decision it
//! made) waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::align::{Batch, Entry};
use super::checkpoint::Checkpoint;
use super::write::Writer;
use super::{LoopOptions, Ports, Shared};
use crate::clock::Arrival;
use crate::dead_letter::{DeadLetter, Reject};
use crate::error::{Error, Result};
use crate::fault::{Bug, CrashPoint};
use crate::job::{At, DecisionKey, Effects, Job};
use crate::metrics::Metric;
use crate::rows::Rows;
use crate::shard::ShardId;
use crate::tables::{Commit, FactPlace, RowRef};
use crate::window::times::WindowSettings;

/// The applying half of a loop.
pub struct Applier<J: Job> {
    pub(super) job: Arc<J>,
    pub(super) ports: Ports,
    pub(super) rows: Rows<J::Key, J::Row>,
    windows: Vec<WindowSettings>,
    writer: Stage<J>,
    /// The decisions of the run that is being written.
    unwritten: Arc<Decisions>,
    /// Nothing is due before this, whatever the run being written sets.
    pub(super) quiet_until: Arrival,
    shared: Arc<Shared>,
}

/// Where the writer is.
enum Stage<J: Job> {
    Idle(Box<Writer<J>>),
    Writing(JoinHandle<(Box<Writer<J>>, Result<()>)>),
    /// It failed before; nothing more may be written.
    Failed,
}

/// Decisions by input and key, as known while a run is applied.
pub(super) type Decisions = HashMap<(usize, [u8; 16]), Known>;

/// A decision as known while a run is applied.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub fingerprint: u64,
    pub open: bool,
    pub fact: FactPlace,
    /// Whether this run made it, so that it must be written.
    pub fresh: bool,
}

/// The facts that one input's decisions leave.
pub(super) struct Kept<F> {
    /// New ones, in order.
    pub new: Vec<F>,
    /// Stored ones that changed.
    pub amended: Vec<(RowRef, F)>,
}

impl<F> Default for Kept<F> {
    fn default() -> Self {
        Kept { new: Vec::new(), amended: Vec::new() }
    }
}

/// What a run of records adds up to, ready to be written.
pub(super) struct Run<F> {
    pub known: Arc<Decisions>,
    /// What each input's decisions leave.
    pub facts: Vec<Kept<F>>,
    pub effects: Effects,
    pub dead: Vec<DeadLetter>,
    /// Changed rows, encoded.
    pub rows: Commit,
    /// How far each shard is applied.
    pub checkpoints: BTreeMap<(usize, ShardId), Checkpoint>,
    /// The effective arrival of its first record, and of its last.
    pub span: (Arrival, Arrival),
}

/// A run while its records are applied.
struct Open<F> {
    known: Decisions,
    facts: Vec<Kept<F>>,
    effects: Effects,
    dead: Vec<DeadLetter>,
    duplicates: u64,
    /// Records that arrived at or after this belong to the next run.
    limit: Arrival,
}

impl<J: Job> Applier<J> {
    /// Loads timers and open windows.
    pub(super) async fn load(job: Arc<J>, ports: Ports, options: &LoopOptions, shared: Arc<Shared>) -> Result<Self> {
        let writer = Box::new(Writer::load(job.clone(), ports.clone(), options, shared.clone()).await?);
        let quiet_until = writer.next_due();
        Ok(Applier {
            job,
            ports,
            rows: Rows::default(),
            windows: options.windows.clone(),
            writer: Stage::Idle(writer),
            unwritten: Arc::default(),
            quiet_until,
            shared,
        })
    }

    /// Applies a batch: its records in order, and every timer that is due between them. Its last
    /// run may still be being written when this returns.
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
        self.rows.age();
        self.ports.show_frontier(batch.frontier);
        self.shared.take_one();
        Ok(())
    }

    /// Waits until everything taken is written.
    pub(super) async fn finish(&mut self) -> Result<()> {
        self.idle().await.map(|_| ())
    }

    /// Waits for the run that is being written, if any.
    pub(super) async fn idle(&mut self) -> Result<&mut Writer<J>> {
        self.writer = match std::mem::replace(&mut self.writer, Stage::Failed) {
            Stage::Writing(writing) => {
                let (writer, outcome) = writing.await.map_err(|error| Error::fatal("writing a run", error))?;
                outcome?;
                self.unwritten = Arc::default();
                Stage::Idle(writer)
            }
            other => other,
        };
        match &mut self.writer {
            Stage::Idle(writer) => {
                self.quiet_until = writer.next_due();
                Ok(writer)
            }
            Stage::Writing(_) | Stage::Failed => Err(Error::Fatal("an earlier run could not be written".into())),
        }
    }

    /// Applies the first records, up to the next timer or window boundary, and has them written;
    /// returns how many.
    async fn apply_run(&mut self, entries: &[Entry<J::Event>]) -> Result<usize> {
        let start = entries.first().map_or(Arrival::MIN, |entry| entry.effective);
        let boundary = self.windows.iter().map(|window| window.boundary_after(start)).min().unwrap_or(Arrival::MAX);
        let limit = boundary.min(self.quiet_until);
        let candidates = &entries[..entries.partition_point(|entry| entry.effective < limit)];

        let mut open = self.begin(candidates, limit).await?;
        let mut applied = 0;
        for entry in candidates {
            if entry.effective >= open.limit {
                break;
            }
            self.decide(entry, &mut open);
            applied += 1;
        }
        self.ports.faults.reach(CrashPoint::AfterApply)?;
        self.ports.metrics.add(Metric::EngineDuplicates, open.duplicates);
        let quiet_until = boundary.min(open.limit);
        let run = self.close(open, &candidates[..applied]);
        self.hand_over(run, quiet_until, applied == entries.len()).await?;
        Ok(applied)
    }

    /// Reads the decisions and rows that a run needs.
    async fn begin(&mut self, entries: &[Entry<J::Event>], limit: Arrival) -> Result<Open<J::Fact>> {
        let inputs = self.job.inputs().to_vec();
        let mut ids = vec![Vec::new(); inputs.len()];
        let mut keys = Vec::new();
        let mut unwritten = false;
        for entry in entries {
            if let Ok((decision, event)) = &entry.event {
                unwritten |= self.unwritten.contains_key(&(entry.input, decision.id));
                ids[entry.input].push(decision.id);
                self.job.needs(event, &mut keys);
            }
        }
        if unwritten {
            self.idle().await?;
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
        let mut also = Vec::new();
        for (_, event) in entries.iter().filter_map(|entry| entry.event.as_ref().ok()) {
            self.job.needs_also(event, &self.rows, &mut also);
        }
        self.load_rows(also).await?;
        let facts = inputs.iter().map(|_| Kept::default()).collect();
        Ok(Open { known, facts, effects: Effects::default(), dead: Vec::new(), duplicates: 0, limit })
    }

    pub(super) async fn load_rows(&mut self, keys: Vec<J::Key>) -> Result<()> {
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
    fn decide(&mut self, entry: &Entry<J::Event>, run: &mut Open<J::Fact>) {
        let (DecisionKey { id, fingerprint }, event) = match &entry.event {
            Ok((key, event)) => (*key, event),
            Err(reject) => return self.reject(entry, reject.clone(), run),
        };
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
        run.known
            .insert((entry.input, id), Known { fingerprint, open: decided.open, fact: place, fresh: decided.kept });
    }

    fn reject(&self, entry: &Entry<J::Event>, reject: Reject, run: &mut Open<J::Fact>) {
        let stream = self.job.inputs()[entry.input].stream;
        run.dead.push(DeadLetter::of(stream, entry.shard, &entry.record, reject));
    }

    /// What an applied run adds up to.
    fn close(&mut self, open: Open<J::Fact>, entries: &[Entry<J::Event>]) -> Run<J::Fact> {
        let mut rows = Commit::default();
        self.take_rows(&mut rows);
        let reached = |entry: &Entry<J::Event>| {
            let at = Checkpoint { position: entry.record.position, effective: entry.effective };
            ((entry.input, entry.shard), at)
        };
        let at = |entry: Option<&Entry<J::Event>>| entry.map_or(Arrival::MIN, |entry| entry.effective);
        let Open { known, facts, effects, dead, .. } = open;
        Run {
            known: Arc::new(known),
            facts,
            effects,
            dead,
            rows,
            checkpoints: entries.iter().map(reached).collect(),
            span: (at(entries.first()), at(entries.last())),
        }
    }

    pub(super) fn take_rows(&mut self, commit: &mut Commit) {
        let job = &self.job;
        self.rows.take_changes(|key, row| {
            let (table, key) = job.locate(key);
            commit.put(table, key, job.encode(row));
        });
    }

    /// Has a run written once the one before it is; `sync` makes everything so far durable.
    async fn hand_over(&mut self, run: Run<J::Fact>, quiet_until: Arrival, sync: bool) -> Result<()> {
        self.idle().await?;
        let Stage::Idle(mut writer) = std::mem::replace(&mut self.writer, Stage::Failed) else { return Ok(()) };
        self.quiet_until = self.quiet_until.min(quiet_until);
        self.unwritten = run.known.clone();
        let runtime = Handle::current();
        self.writer = Stage::Writing(tokio::task::spawn_blocking(move || {
            let outcome = runtime.block_on(writer.write(run, sync));
            (writer, outcome)
        }));
        Ok(())
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
