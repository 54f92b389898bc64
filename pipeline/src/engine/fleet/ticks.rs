//! Timers of the job: delivered between two records, on rows and on stored facts.
//!
//! A timer that works on facts does so in two steps, since they may be more than one group takes: first
//! each fact with the rows that it changes, then the timer's own rows, the timers it sets, and its
//! removal. What a worker leaves between the two is done again by the next: the job finds facts changed
//! and tells of them again. Such a timer waits until every shard of the facts' stream has come as far.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures::{StreamExt, stream};

use super::loaded::Loaded;
use super::patience::insist;
use super::sets::Sets;
use super::timers::{Timer, Timers};
use super::worker::Worker;
use crate::adapters::aws::decisions::{Decision, Facts};
use crate::adapters::aws::group::{Expect, Group, Outcome};
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::fault::CrashPoint;
use crate::job::{Ask, Effects, Job, Placed};
use crate::metrics::Metric;
use crate::tables::RowRef;

/// Pauses before a timer is delivered again.
const AGAIN: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];
/// Groups written at once.
const AT_ONCE: usize = 32;
/// Writes of a group, unless facts that share rows are more: a group for each of them would cost as many
/// requests.
const ENOUGH: usize = 20;
/// Facts of a page that may share a row, so that a group of them with the row stays within its limit.
const MAX_SHARED: usize = 90;

/// What delivering came to.
#[derive(Debug)]
enum Delivery {
    Done,
    /// Somebody has written to its rows meanwhile.
    Again,
    /// Other shards are not as far.
    Early,
}

impl<J: Job> Worker<J> {
    /// Delivers a timer, or parks it where it must wait.
    pub(super) async fn tick(&mut self, timer: Timer) -> Result<()> {
        self.timers.forget(&timer);
        let (held, mut pause) = (self.held.clone(), AGAIN[0]);
        loop {
            let delivery = insist!(&held, self.deliver(&timer))?;
            tracing::debug!(lease = %held.key(), due = %timer.due, ?delivery, "timer");
            match delivery {
                Delivery::Done => {
                    self.fleet.metrics.add(Metric::EngineTicks, 1);
                    return Ok(());
                }
                Delivery::Again => {
                    insist!(&held, held.confirm())?;
                    if !self.waits(&timer).await? || self.is_told() {
                        return Ok(());
                    }
                    self.timers.forget(&timer);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(AGAIN[1]);
                }
                Delivery::Early => {
                    self.parked.push(timer);
                    return Ok(());
                }
            }
        }
    }

    /// Reads the timers anew; whether this one is still among them. A predecessor that did not know that it was
    /// gone may have delivered it since they were read, and set the next one.
    async fn waits(&mut self, timer: &Timer) -> Result<bool> {
        self.read_timers().await?;
        Ok(self.timers.has(timer))
    }

    /// Reads the timers anew: there may be some that nobody kept in memory.
    pub(super) async fn read_timers(&mut self) -> Result<()> {
        let (held, fleet, range) = (self.held.clone(), self.fleet.clone(), self.shard.range);
        self.timers = insist!(&held, Timers::load(&fleet, range))?;
        self.parked.iter().for_each(|parked| self.timers.forget(parked));
        Ok(())
    }

    async fn deliver(&mut self, timer: &Timer) -> Result<Delivery> {
        let fleet = self.fleet.clone();
        let job = &fleet.job;
        let mut loaded = Loaded::default();
        let mut keys = Vec::new();
        job.tick_needs(&timer.key, &mut keys);
        loaded.load(&fleet, keys.clone(), true).await?;
        let ask = job.tick_asks(&timer.key, &loaded.rows);
        let page = match &ask {
            Some(ask) => {
                if !self.is_time(ask, timer.due).await? {
                    return Ok(Delivery::Early);
                }
                // What was added while others caught up counts.
                loaded = Loaded::default();
                loaded.load(&fleet, keys, true).await?;
                Some(self.page(ask, &mut loaded).await?)
            }
            None => None,
        };
        let (facts, decisions) = page.unwrap_or_default();
        let mut effects = Effects::default();
        let changed = job.tick(&timer.key, timer.due, facts, &mut loaded.rows, &mut effects);
        fleet.faults.reach(CrashPoint::AfterTick)?;
        let rows = loaded.rows.take_changed_keys();
        let shared = match &ask {
            Some(ask) => match self.write_facts(ask, changed, &decisions, &rows, &loaded).await? {
                Some(shared) => shared,
                None => return Ok(Delivery::Again),
            },
            None => HashSet::new(),
        };
        let Effects { emits, timers, puts, counts, notes } = effects;
        fleet.emit(emits).await?;
        let mut group = Group::default();
        for key in rows.iter().filter(|key| !shared.contains(key)) {
            loaded.put(&fleet, &mut group, key)?;
        }
        for (table, key, value) in puts {
            fleet.tables.put_row(&mut group, table, &key, Some(value), Expect::Anything)?;
        }
        let set: Vec<Timer> = timers.into_iter().map(|(due, key)| Timer { due, key, hash: timer.hash }).collect();
        for new in set.iter().filter(|new| *new != timer) {
            self.timers.set(&fleet.tables, &mut group, new)?;
        }
        if !set.contains(timer) {
            self.timers.remove(&fleet.tables, &mut group, timer)?;
        }
        fleet.faults.reach(CrashPoint::BeforeCommit)?;
        match fleet.tables.commit(group).await? {
            Outcome::Committed => {}
            Outcome::Cancelled(_) => return Ok(Delivery::Again),
        }
        set.into_iter().for_each(|new| self.timers.keep(new));
        counts.into_iter().for_each(|(metric, n)| fleet.metrics.add(metric, n));
        notes.iter().for_each(|note| tracing::warn!("{note}"));
        Ok(Delivery::Done)
    }

    /// Whether every shard of the facts' stream is as far as a timer.
    async fn is_time(&self, ask: &Ask, due: Arrival) -> Result<bool> {
        let stream = self.fleet.log.name(self.fleet.job.inputs()[ask.input].stream);
        Ok(self.fleet.frontiers.of(&stream).await? >= due.plus_ms(self.fleet.options.margin_ms()))
    }

    /// Reads a page of facts, and the rows that working on them needs.
    async fn page(&self, ask: &Ask, loaded: &mut Loaded<J>) -> Result<(Placed<J::Fact>, HashMap<RowRef, Decision>)> {
        let job = &self.fleet.job;
        let table = &job.inputs()[ask.input].decisions;
        let page = self.fleet.tables.page(table, ask.index, &ask.key, ask.after, ask.limit).await?;
        let Facts { mut at, decisions, rows } = page;
        let mut facts = job.unseal(ask.input, &rows)?;
        // Those that share a row are one group: where they would be too many, the page ends before.
        let (mut sharing, mut needed) = (HashMap::<J::Key, usize>::new(), Vec::new());
        let fits = |fact: &J::Fact| {
            let mut keys = Vec::new();
            job.fact_needs(fact, &mut keys);
            keys.into_iter().all(|key| {
                needed.push(key.clone());
                let count = sharing.entry(key).or_default();
                *count += 1;
                *count <= MAX_SHARED
            })
        };
        let count = facts.iter().map(fits).take_while(|fits| *fits).count();
        at.truncate(count);
        facts.truncate(count);
        loaded.load(&self.fleet, needed, false).await?;
        let decisions = at.iter().copied().zip(decisions).collect();
        Ok((at.into_iter().zip(facts).collect(), decisions))
    }

    /// Writes changed facts, each in a group with the rows that it shares; returns these rows' keys, or
    /// nothing when somebody else has written to one.
    async fn write_facts(
        &self,
        ask: &Ask,
        changed: Placed<J::Fact>,
        decisions: &HashMap<RowRef, Decision>,
        rows: &[J::Key],
        loaded: &Loaded<J>,
    ) -> Result<Option<HashSet<J::Key>>> {
        let job = &self.fleet.job;
        let table = &job.inputs()[ask.input].decisions;
        let is_changed: HashSet<&J::Key> = rows.iter().collect();
        let (mut sets, mut first, mut shared) = (Sets::new(changed.len()), HashMap::new(), HashSet::new());
        let mut needs = Vec::with_capacity(changed.len());
        for (number, (_, fact)) in changed.iter().enumerate() {
            let mut keys = Vec::new();
            job.fact_needs(fact, &mut keys);
            keys.retain(|key| is_changed.contains(key));
            for key in &keys {
                sets.join(*first.entry(key.clone()).or_insert(number), number);
            }
            shared.extend(keys.iter().cloned());
            needs.push(keys);
        }
        let mut members = BTreeMap::<usize, Vec<usize>>::new();
        (0..changed.len()).for_each(|number| members.entry(sets.of(number)).or_default().push(number));
        let (mut groups, mut put, now) = (Vec::<Group>::new(), HashSet::new(), self.fleet.clock.now());
        for members in members.into_values() {
            let rows: HashSet<&J::Key> = members.iter().flat_map(|number| &needs[*number]).collect();
            let writes = members.len() + rows.len();
            // Full enough: a group that somebody else's write cancels is written again whole.
            if groups.last().is_none_or(|group| group.len() + writes > ENOUGH) {
                groups.push(Group::default());
            }
            let Some(group) = groups.last_mut() else { break };
            for number in members {
                let (at, fact) = &changed[number];
                let decision = decisions.get(at).ok_or_else(|| Error::Fatal("a fact that was not asked for".into()))?;
                let sealed = job.seal(ask.input, std::slice::from_ref(fact))?;
                let key = (u128::from(at.block) << 64 | u128::from(at.row)).to_be_bytes();
                let expect = Expect::Version(decision.version);
                let decision = Decision { fact: Some(sealed.rows), ..decision.clone() };
                self.fleet.tables.put_decision(group, table, &key, &decision, expect, now)?;
                for key in &needs[number] {
                    if put.insert(key.clone()) {
                        loaded.put(&self.fleet, group, key)?;
                    }
                }
            }
        }
        let commit = |group| self.fleet.tables.commit(group);
        let outcomes: Vec<Result<Outcome>> = stream::iter(groups).map(commit).buffer_unordered(AT_ONCE).collect().await;
        let mut whole = true;
        for outcome in outcomes {
            whole &= outcome? == Outcome::Committed;
        }
        self.fleet.faults.reach(CrashPoint::AfterCommit)?;
        Ok(whole.then_some(shared))
    }
}
