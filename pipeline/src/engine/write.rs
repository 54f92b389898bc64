//! Writing: an applied run, or a timer's effects, in one commit.
//!
//! A run's facts are sealed into columns and folded into the windows; then one commit carries
//! its rows, facts, decisions, partials, timers, emitted records and checkpoints.

use std::sync::Arc;

use arrow::compute::{concat_batches, filter_record_batch};

use super::apply::{Kept, Known, Run};
use super::checkpoint;
use super::timers::{Owner, Timer, Timers};
use super::{LoopOptions, Ports, Shared};
use crate::clock::Arrival;
use crate::dead_letter::DeadLetter;
use crate::error::Result;
use crate::fault::{Bug, CrashPoint};
use crate::job::{Effects, Job, Sealed};
use crate::metrics::Metric;
use crate::record::Position;
use crate::tables::{ClaimWrite, Commit, FactPlace, FactsWrite, RowRef, system};
use crate::window::windows::Windows;

/// The writing half of an applier.
pub struct Writer<J: Job> {
    job: Arc<J>,
    ports: Ports,
    name: &'static str,
    timers: Timers,
    windows: Windows,
    shared: Arc<Shared>,
}

impl<J: Job> Writer<J> {
    /// Loads timers and open windows.
    pub(super) async fn load(job: Arc<J>, ports: Ports, options: &LoopOptions, shared: Arc<Shared>) -> Result<Self> {
        let timers = Timers::load(&ports.tables, options.name).await?;
        let windows = Windows::load(&ports, options.windows.clone(), options.export_dir.clone()).await?;
        shared.set_next_due(timers.next_due());
        Ok(Writer { job, ports, name: options.name, timers, windows, shared })
    }

    /// When the next timer is due.
    pub(super) fn next_due(&self) -> Arrival {
        self.timers.next_due().unwrap_or(Arrival::MAX)
    }

    /// Takes the next timer due by `frontier`, and its row with it.
    pub(super) fn pop_timer(&mut self, commit: &mut Commit, frontier: Arrival) -> Option<Timer> {
        self.timers.pop(commit, frontier)
    }

    /// Writes what a timer led to: `commit` has its row's removal and the changed rows.
    pub(super) async fn tick(&mut self, timer: &Timer, effects: Effects, mut commit: Commit) -> Result<()> {
        if timer.owner == Owner::Window {
            let (rows, again) = self.windows.tick(&self.ports, &timer.key, timer.due, &mut commit).await?;
            for (stream, record) in rows.map(|rows| self.job.publish(&rows)).transpose()?.into_iter().flatten() {
                commit.emits.entry(stream).or_default().push(record.arrived(timer.due));
            }
            if let Some((due, key)) = again {
                self.set_timer(&mut commit, Timer { due, owner: Owner::Window, key });
            }
        }
        self.write_effects(effects, &mut commit);
        self.ports.faults.reach(CrashPoint::AfterTick)?;
        checkpoint::put_frontier(&mut commit, self.name, timer.due);
        self.ports.metrics.add(Metric::EngineTicks, 1);
        self.commit(commit).await
    }

    /// Writes a run; `sync` waits until it and everything before it are durable.
    pub(super) async fn write(&mut self, mut run: Run<J::Fact>, sync: bool) -> Result<()> {
        let mut commit = std::mem::take(&mut run.rows);
        self.write_facts(&mut run, &mut commit).await?;
        self.ports.faults.reach(CrashPoint::AfterPartials)?;
        self.write_dead_letters(&run.dead, &mut commit);
        self.write_effects(std::mem::take(&mut run.effects), &mut commit);
        self.write_checkpoints(&run, &mut commit).await?;
        self.commit(commit).await?;
        if sync { self.ports.tables.sync().await } else { Ok(()) }
    }

    /// Seals each input's facts, folds them into the windows, and adds both to the commit.
    async fn write_facts(&mut self, run: &mut Run<J::Fact>, commit: &mut Commit) -> Result<()> {
        let now = run.span.0;
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
            let (amended, changed): (Vec<RowRef>, Vec<J::Fact>) = amended.into_iter().unzip();
            let (new, changed) = (self.job.seal(number, &facts)?, self.job.seal(number, &changed)?);
            self.fold(number, [&new, &changed], now, commit).await?;
            let mut claims = std::mem::take(claims);
            if self.ports.faults.has(Bug::ClaimsUnwritten) {
                claims.retain(|claim| claim.fact != FactPlace::None);
                claims.iter_mut().for_each(|claim| claim.open = true);
            }
            let (rows, changed) = (new.rows, changed.rows);
            commit.facts.push(FactsWrite { table: input.decisions, rows, claims, amended, changed });
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
        if self.ports.faults.has(Bug::PartialsDoubled) {
            self.windows.fold(&self.ports, table, &facts, now, commit).await?;
        }
        let folded = self.windows.fold(&self.ports, table, &facts, now, commit).await?;
        for (due, key) in folded.timers {
            self.set_timer(commit, Timer { due, owner: Owner::Window, key });
        }
        for late in folded.late {
            for (stream, record) in self.job.late(&late)? {
                commit.emits.entry(stream).or_default().push(record);
            }
        }
        Ok(())
    }

    fn write_dead_letters(&self, dead: &[DeadLetter], commit: &mut Commit) {
        let kept = if self.ports.faults.has(Bug::DeadLettersDropped) { &[] } else { dead };
        for letter in kept {
            commit.put(system::DEAD_LETTERS, letter.key(), letter.encode());
            if let Some((stream, record)) = self.job.announce(letter) {
                commit.emits.entry(stream).or_default().push(record);
            }
        }
        self.ports.metrics.add(Metric::EngineDeadLetters, dead.len() as u64);
    }

    fn set_timer(&mut self, commit: &mut Commit, timer: Timer) {
        let mut lost = Commit::default();
        let unwritten = self.ports.faults.has(Bug::TimersUnwritten);
        self.timers.set(if unwritten { &mut lost } else { commit }, timer);
    }

    fn write_effects(&mut self, mut effects: Effects, commit: &mut Commit) {
        if self.ports.faults.has(Bug::EmitDropped) && effects.emits.len() > 1 {
            effects.emits.pop();
        }
        self.ports.metrics.add(Metric::LogAppendRecords, effects.emits.len() as u64);
        for (stream, record) in effects.emits {
            commit.emits.entry(stream).or_default().push(record);
        }
        for (table, key, value) in effects.puts {
            commit.put(table, key, value);
        }
        for (due, key) in effects.timers {
            self.set_timer(commit, Timer { due, owner: Owner::Job, key });
        }
        for (metric, n) in effects.counts {
            self.ports.metrics.add(metric, n);
        }
        for note in effects.notes {
            tracing::warn!("{note}");
        }
    }

    async fn write_checkpoints(&self, run: &Run<J::Fact>, commit: &mut Commit) -> Result<()> {
        let mut early = Commit::default();
        let target = if self.ports.faults.has(Bug::CheckpointBeforeCommit) { &mut early } else { commit };
        for ((input, shard), at) in &run.checkpoints {
            let mut at = *at;
            if self.ports.faults.has(Bug::CheckpointAhead) {
                at.position = Position::new(u128::from(at.position.as_u64().unwrap_or_default()) + 1);
            }
            checkpoint::put(target, self.name, self.job.inputs()[*input].stream, *shard, at);
        }
        checkpoint::put_frontier(target, self.name, run.span.1);
        if early.is_empty() { Ok(()) } else { self.ports.tables.commit(early).await }
    }

    async fn commit(&mut self, commit: Commit) -> Result<()> {
        self.ports.faults.reach(CrashPoint::BeforeCommit)?;
        self.ports.tables.commit(commit).await?;
        self.shared.set_next_due(self.timers.next_due());
        self.ports.metrics.add(Metric::EngineBatches, 1);
        self.ports.metrics.set(Metric::WindowOpen, self.windows.open_count() as u64);
        self.ports.faults.reach(CrashPoint::AfterCommit)
    }
}
