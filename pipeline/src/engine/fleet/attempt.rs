//! Applying a run of records: decided in order against rows in memory, committed in groups.
//!
//! Records that change the same row are one group; a record that changes a row of its own alone is one
//! by itself. Groups are written at once and independently. A group that meets a row which somebody else
//! has written meanwhile is decided again from what is stored then, and so is one whose answer was lost:
//! whatever of it is stored is found by its decisions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::Fleet;
use super::loaded::Loaded;
use super::patience::is_told;
use super::sets::Sets;
use super::timers::{self, Timer, Timers};
use crate::adapters::aws::decisions::Decision;
use crate::adapters::aws::group::{Expect, Group, Outcome};
use crate::clock::Arrival;
use crate::dead_letter::{DeadLetter, Reject};
use crate::engine::Stop;
use crate::error::{Error, Result};
use crate::fault::Bug;
use crate::job::{At, DecisionKey, Effects, Job};
use crate::lease::held::Held;
use crate::metrics::Metric;
use crate::record::{Append, Position, Record};
use crate::shard::{HashRange, ShardId};

/// Groups written at once.
const AT_ONCE: usize = 32;
/// Times that a run is decided again before the worker says that it cannot get through.
const ATTEMPTS: u32 = 12;
/// How often records that wait for another stream look again.
const LOOK: Duration = Duration::from_millis(250);
/// How long they wait at most: a stream that stands still must not hold up this one.
const CATCH_UP: Duration = Duration::from_secs(60);
/// Decisions that may share a row in one run, so that a group with its rows and timers stays within
/// its limit.
const MAX_SHARED: usize = 40;

/// A record of a shard, decoded or refused.
pub(super) struct Entry<E> {
    pub record: Record,
    /// The shard's running maximum of arrivals.
    pub effective: Arrival,
    pub event: std::result::Result<(DecisionKey, E), Reject>,
}

/// Facts, each with the position of the record that led to it.
pub(super) struct Facts<F> {
    pub positions: Vec<Position>,
    pub facts: Vec<F>,
}

impl<F> Facts<F> {
    fn push(&mut self, position: Position, fact: Option<F>) {
        if let Some(fact) = fact {
            self.positions.push(position);
            self.facts.push(fact);
        }
    }
}

/// What a run came to.
pub(super) struct Applied<F> {
    /// Records of it.
    pub count: usize,
    /// The facts of these records, by position, those of earlier decisions about them included.
    pub facts: Facts<F>,
    /// What is to be emitted, in the order of the records.
    pub emits: Vec<(&'static str, Append)>,
    pub dead: Vec<DeadLetter>,
    /// Timers that were set.
    pub timers: Vec<Timer>,
    /// Whether some were decided before, by a try whose end nobody saw or by a predecessor that did not know that it
    /// was gone: timers that they set are stored, and not among these.
    pub replayed: bool,
}

/// What became of one record.
enum Fate<K, F> {
    /// Decided now: what it changes.
    Decided(Box<Decided<K, F>>),
    /// This very record was decided before: its fact, if it led to one.
    Replayed(Option<F>),
    Repeat,
    Dead(Reject),
}

struct Decided<K, F> {
    key: [u8; 16],
    decision: Decision,
    expect: Expect,
    fact: Option<F>,
    rows: Vec<K>,
    effects: Effects,
    /// The timers that it sets.
    timers: Vec<Timer>,
}

/// What became of records, by their places.
type Fates<J> = BTreeMap<usize, Fate<<J as Job>::Key, <J as Job>::Fact>>;
/// A record of a group.
type Member<'a, J> = (usize, &'a Decided<<J as Job>::Key, <J as Job>::Fact>);

/// What a shard's worker is while it applies.
pub(super) struct Applier<'a, J: Job> {
    pub fleet: &'a Fleet<J>,
    pub shard: ShardId,
    pub range: HashRange,
    pub timers: &'a Timers,
    /// Decisions of records up to here have told what they emit.
    pub told: Position,
    pub held: &'a Held,
    pub stop: &'a Stop,
}

impl<J: Job> Applier<'_, J> {
    /// Applies the first of these records that can be applied together. Gives nothing where it was told to stop
    /// while they waited for another stream: the next owner finds whatever of them is stored.
    pub async fn apply(&self, entries: &[Entry<J::Event>]) -> Result<Option<Applied<J::Fact>>> {
        let mut entries = entries;
        let mut todo: Vec<usize> = (0..entries.len()).collect();
        let mut fates = BTreeMap::new();
        for attempt in 0..ATTEMPTS {
            let Some((decided, loaded)) = self.decide(entries, &todo, attempt == 0).await? else { return Ok(None) };
            if attempt == 0 {
                entries = &entries[..decided.len()];
            }
            let again = self.commit(&decided, &loaded).await?;
            todo.clear();
            // What is stored by now counts, whoever wrote it: this worker, whose answer was lost, or a successor that
            // decided otherwise, from rows that had changed.
            for (at, fate) in decided {
                match fate {
                    Fate::Decided(_) if again.contains(&at) => todo.push(at),
                    fate => _ = fates.insert(at, fate),
                }
            }
            if todo.is_empty() {
                return Ok(Some(self.sum_up(entries, fates)));
            }
            tokio::time::sleep(Duration::from_millis(5 << attempt.min(7))).await;
        }
        Err(Error::Retry(format!(
            "{} of {} records of {} met rows that others write, {ATTEMPTS} times",
            todo.len(),
            entries.len(),
            self.shard
        )))
    }

    /// A record whose consequences no store takes.
    pub fn set_aside(&self, entry: &Entry<J::Event>, why: String) -> Applied<J::Fact> {
        let reject = Reject::invalid(format!("what it leads to cannot be stored: {why}"));
        self.sum_up(std::slice::from_ref(entry), Fates::<J>::from([(0, Fate::Dead(reject))]))
    }

    /// Decides records in order. The first time it may stop early: where a record sets a timer that is
    /// due before the next, asks again for what was left open, or shares a row with too many.
    async fn decide(
        &self,
        entries: &[Entry<J::Event>],
        todo: &[usize],
        may_stop: bool,
    ) -> Result<Option<(Fates<J>, Loaded<J>)>> {
        let job = &self.fleet.job;
        let events = || todo.iter().filter_map(|at| entries[*at].event.as_ref().ok());
        let table = &job.inputs()[self.fleet.input].decisions;
        let ids: Vec<[u8; 16]> = events().map(|(key, _)| key.id).collect();
        let stored = self.fleet.tables.decisions(table, &ids).await?;
        let mut known: HashMap<[u8; 16], Decision> =
            ids.iter().zip(stored).filter_map(|(id, stored)| Some((*id, stored?))).collect();
        let Some(mut loaded) = self.load_for(entries, todo).await? else { return Ok(None) };
        let mut fates = BTreeMap::new();
        let (mut limit, mut left_open, mut shared) = (Arrival::MAX, HashSet::new(), HashMap::<J::Key, usize>::new());
        for &at in todo {
            let entry = &entries[at];
            let open_again = entry.event.as_ref().is_ok_and(|(key, _)| left_open.contains(&key.id));
            if may_stop && !fates.is_empty() && (entry.effective >= limit || open_again) {
                break;
            }
            let fate = self.meet(entry, &mut known, &mut loaded)?;
            let mut crowded = false;
            if let Fate::Decided(decided) = &fate {
                let due = decided.effects.timers.iter().map(|(due, _)| *due).min();
                limit = limit.min(due.unwrap_or(Arrival::MAX));
                if decided.decision.open {
                    left_open.insert(decided.key);
                }
                for key in &decided.rows {
                    let count = shared.entry(key.clone()).or_default();
                    *count += 1;
                    crowded |= *count >= MAX_SHARED;
                }
            }
            fates.insert(at, fate);
            if may_stop && crowded {
                break;
            }
        }
        Ok(Some((fates, loaded)))
    }

    /// Reads the rows that these records need, and waits for those that may be on their way: until the stream
    /// that would bring them has come as far.
    async fn load_for(&self, entries: &[Entry<J::Event>], todo: &[usize]) -> Result<Option<Loaded<J>>> {
        let job = &self.fleet.job;
        let events =
            || todo.iter().filter_map(|at| Some((entries[*at].effective, &entries[*at].event.as_ref().ok()?.1)));
        let mut keys = Vec::new();
        events().for_each(|(_, event)| job.needs(event, &mut keys));
        let (mut reached, begun) = (Arrival::MIN, Instant::now());
        loop {
            let mut loaded = Loaded::default();
            loaded.load(self.fleet, keys.clone(), false).await?;
            let mut also = Vec::new();
            events().for_each(|(_, event)| job.needs_also(event, &loaded.rows, &mut also));
            loaded.load(self.fleet, also, false).await?;
            // The latest of those that miss something.
            let missing = events().filter_map(|(at, event)| Some((at, job.awaits(event, &loaded.rows)?)));
            let Some((at, input)) = missing.max_by_key(|(at, _)| *at) else { return Ok(Some(loaded)) };
            if reached > at.plus_ms(self.fleet.options.margin_ms()) || begun.elapsed() >= CATCH_UP {
                return Ok(Some(loaded));
            }
            // Who stops last would wait in vain for who has stopped before.
            if is_told(self.stop, self.held) && !self.fleet.faults.has(Bug::StopUnheard) {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
            // What is read from here on was written before.
            reached = self.fleet.frontiers.of(&self.fleet.log.name(job.inputs()[input].stream)).await?;
        }
    }

    /// Meets a record with its decision.
    fn meet(
        &self,
        entry: &Entry<J::Event>,
        known: &mut HashMap<[u8; 16], Decision>,
        loaded: &mut Loaded<J>,
    ) -> Result<Fate<J::Key, J::Fact>> {
        let job = &self.fleet.job;
        let (DecisionKey { id, fingerprint }, event) = match &entry.event {
            Ok((key, event)) => (*key, event),
            Err(reject) => return Ok(Fate::Dead(reject.clone())),
        };
        let from = format!("{}:{}", self.shard, entry.record.position);
        let earlier = known.get(&id);
        match earlier {
            Some(earlier) if earlier.fingerprint != fingerprint => {
                let detail = "an event with this id and another body was decided before; the first one stands";
                return Ok(Fate::Dead(Reject::conflict(detail)));
            }
            Some(earlier) if earlier.from == from => {
                let rows = earlier.fact.as_ref().map(|fact| job.unseal(self.fleet.input, fact)).transpose()?;
                return Ok(Fate::Replayed(rows.and_then(|rows| rows.into_iter().next())));
            }
            Some(earlier) if !earlier.open => return Ok(Fate::Repeat),
            _ => {}
        }
        let at = At {
            now: entry.effective,
            arrived_at: entry.record.arrived_at,
            shard: self.shard,
            position: entry.record.position,
            again: earlier.is_some(),
        };
        let mut effects = Effects::default();
        let outcome = job.apply(event, &at, &mut loaded.rows, &mut effects);
        let rows: Vec<J::Key> = loaded.rows.take_changed_keys().into_iter().filter(|key| !job.is_sum(key)).collect();
        let decided = match outcome {
            Ok(decided) => decided,
            Err(reject) => return Ok(Fate::Dead(reject)),
        };
        if decided.fact.is_none() && earlier.is_some() {
            return Ok(Fate::Repeat);
        }
        let fact = decided.fact.as_ref().map(|fact| job.seal(self.fleet.input, std::slice::from_ref(fact)));
        let fact_rows = fact.transpose()?.map(|sealed| sealed.rows);
        let (expect, version) = match earlier {
            Some(earlier) => (Expect::Version(earlier.version), earlier.version + 1),
            None => (Expect::Absent, 1),
        };
        let decision = Decision { fingerprint, open: decided.open, from, version, fact: fact_rows };
        // A repeat in this very run meets it.
        known.insert(id, decision.clone());
        let hash = timers::hash_in(self.range, &entry.record.partition_key);
        let timers = effects.timers.iter().map(|(due, key)| Timer { due: *due, key: key.clone(), hash }).collect();
        Ok(Fate::Decided(Box::new(Decided { key: id, decision, expect, fact: decided.fact, rows, effects, timers })))
    }

    /// Writes what was decided, in groups; returns the records that must be decided again.
    async fn commit(&self, fates: &Fates<J>, loaded: &Loaded<J>) -> Result<HashSet<usize>> {
        let decided: Vec<Member<'_, J>> = fates
            .iter()
            .filter_map(|(at, fate)| if let Fate::Decided(decided) = fate { Some((*at, &**decided)) } else { None })
            .collect();
        let mut sets = Sets::new(decided.len());
        let mut first = HashMap::<&J::Key, usize>::new();
        for (number, (_, decided)) in decided.iter().enumerate() {
            for key in &decided.rows {
                let with = *first.entry(key).or_insert(number);
                sets.join(with, number);
            }
        }
        let mut members = BTreeMap::<usize, Vec<usize>>::new();
        (0..decided.len()).for_each(|number| members.entry(sets.of(number)).or_default().push(number));
        let mut groups = Vec::with_capacity(members.len());
        for of in members.into_values() {
            let of: Vec<Member<'_, J>> = of.into_iter().map(|number| decided[number]).collect();
            let group = self.group(&of, loaded)?;
            groups.push((of.iter().map(|(at, _)| *at).collect::<Vec<_>>(), group));
        }
        let commit = |(of, group)| async move { (of, self.fleet.tables.commit(group).await) };
        let outcomes: Vec<(Vec<usize>, Result<Outcome>)> =
            stream::iter(groups).map(commit).buffer_unordered(AT_ONCE).collect().await;
        let mut again = HashSet::new();
        for (of, outcome) in outcomes {
            match outcome {
                Ok(Outcome::Committed) => {}
                Ok(Outcome::Cancelled(_)) => again.extend(of),
                Err(Error::Retry(why)) => {
                    tracing::debug!("{why}");
                    again.extend(of);
                }
                Err(other) => return Err(other),
            }
        }
        Ok(again)
    }

    fn group(&self, decided: &[Member<'_, J>], loaded: &Loaded<J>) -> Result<Group> {
        let table = &self.fleet.job.inputs()[self.fleet.input].decisions;
        let mut group = Group::default();
        let (mut changed, mut last, now) = (HashSet::new(), HashMap::new(), self.fleet.clock.now());
        // Of an event that was decided twice in this run the later decision is written.
        decided.iter().for_each(|(_, one)| _ = last.insert(one.key, &one.decision));
        for (_, one) in decided {
            if let Some(decision) = last.remove(&one.key) {
                self.fleet.tables.put_decision(&mut group, table, &one.key, decision, one.expect, now)?;
            }
            for key in one.rows.iter().filter(|key| changed.insert((*key).clone())) {
                loaded.put(self.fleet, &mut group, key)?;
            }
        }
        // Nothing may stand twice in a group.
        let puts: BTreeMap<_, _> = decided
            .iter()
            .flat_map(|(_, one)| &one.effects.puts)
            .map(|(table, key, value)| ((table, key), value))
            .collect();
        for ((table, key), value) in puts {
            self.fleet.tables.put_row(&mut group, table, key, Some(value.clone()), Expect::Anything)?;
        }
        for timer in decided.iter().flat_map(|(_, one)| &one.timers).collect::<BTreeSet<_>>() {
            self.timers.set(&self.fleet.tables, &mut group, timer)?;
        }
        group.check()?;
        Ok(group)
    }

    fn sum_up(&self, entries: &[Entry<J::Event>], fates: Fates<J>) -> Applied<J::Fact> {
        let job = &self.fleet.job;
        let facts = Facts { positions: Vec::new(), facts: Vec::new() };
        let (emits, dead, timers) = Default::default();
        let mut applied = Applied { count: entries.len(), facts, emits, dead, timers, replayed: false };
        let mut repeats = 0;
        for (at, fate) in fates {
            let entry = &entries[at];
            match fate {
                Fate::Decided(decided) => {
                    let Effects { emits, counts, notes, .. } = decided.effects;
                    applied.emits.extend(emits);
                    applied.timers.extend(decided.timers);
                    counts.into_iter().for_each(|(metric, n)| self.fleet.metrics.add(metric, n));
                    notes.iter().for_each(|note| tracing::warn!("{note}"));
                    applied.facts.push(entry.record.position, decided.fact);
                }
                Fate::Replayed(fact) => {
                    applied.replayed |= entry.record.position > self.told;
                    if let Some(fact) = fact.as_ref().filter(|_| entry.record.position > self.told) {
                        applied.emits.extend(job.retell(fact));
                    }
                    applied.facts.push(entry.record.position, fact);
                }
                Fate::Repeat => repeats += 1,
                Fate::Dead(reject) => {
                    let letter = DeadLetter::of(self.fleet.stream(), self.shard, &entry.record, reject);
                    applied.emits.extend(job.announce(&letter));
                    applied.dead.push(letter);
                }
            }
        }
        self.fleet.metrics.add(Metric::EngineDuplicates, repeats);
        self.fleet.metrics.add(Metric::EngineDeadLetters, applied.dead.len() as u64);
        applied
    }
}
