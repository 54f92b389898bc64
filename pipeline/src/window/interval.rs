//! What one shard folds between two moments at which a window may change.
//!
//! Where shards are worked on apart, nobody sees all rows. Each worker folds its shard's rows into the
//! panes of the interval at hand, and at the interval's end hands over their states and the timers that
//! the rows have set; whoever closes windows absorbs them ([`super::backfill`]). States merge in any
//! order and timers are a set, so it does not matter which worker had which shard, nor who comes first.
//!
//! Life of an interval: begun after a boundary → rows folded → kept as a snapshot now and then →
//! handed over at the next boundary.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;

use super::lateness::{LateRows, sort_out};
use super::schedule::{self, ALL, Due};
use super::snapshot::Snapshot;
use super::times::WindowSettings;
use super::windows::{MAX_OPEN, too_many};
use crate::clock::Arrival;
use crate::error::Result;

/// States of a pane that are merged into one.
const FANOUT: usize = 16;

/// One window job's part of one shard.
#[derive(Debug)]
pub struct Interval {
    settings: WindowSettings,
    /// The moment at which it ends.
    until: Arrival,
    panes: BTreeMap<i64, Vec<RecordBatch>>,
    timers: BTreeSet<Due>,
}

/// What folding led to besides states.
#[derive(Debug, Default)]
pub struct Folded {
    /// Rows that came too late for a window that wants them apart.
    pub aside: Option<LateRows>,
    /// How many arrived after one of their windows closed.
    pub late: u64,
    /// How many of them count nowhere.
    pub dropped: u64,
}

impl Interval {
    /// The interval that a moment lies in.
    pub fn new(settings: WindowSettings, now: Arrival) -> Interval {
        let until = settings.boundary_after(now);
        Interval { settings, until, panes: BTreeMap::new(), timers: BTreeSet::new() }
    }

    /// Goes on from a snapshot of the interval that its frontier lies in.
    pub fn restore(settings: WindowSettings, snapshot: Snapshot) -> Interval {
        let mut interval = Interval::new(settings, snapshot.frontier);
        interval.panes = snapshot.panes.into_iter().map(|(pane, state)| (pane, vec![state])).collect();
        interval.timers = snapshot.timers.into_iter().collect();
        interval
    }

    /// The window job.
    pub fn settings(&self) -> &WindowSettings {
        &self.settings
    }

    /// The moment at which it ends: rows that arrive then belong to the next one.
    pub fn until(&self) -> Arrival {
        self.until
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// Folds rows that arrived before the interval's end, `now` being the arrival of the first.
    pub fn fold(&mut self, rows: &RecordBatch, now: Arrival) -> Result<Folded> {
        let settings = &self.settings;
        let sorted = sort_out(settings, rows, now)?;
        for (pane, partial) in settings.plan.partial(&sorted.counted)? {
            if !self.panes.contains_key(&pane) {
                if self.panes.len() >= MAX_OPEN {
                    return Err(too_many(settings));
                }
                self.timers.extend(schedule::opened(settings, pane, now, &ALL, 0));
            }
            self.timers.extend(schedule::revised(settings, pane, now, &ALL));
            let states = self.panes.entry(pane).or_default();
            states.push(partial);
            if states.len() >= FANOUT {
                *states = vec![settings.plan.merge(states)?];
            }
        }
        Ok(Folded { aside: sorted.aside, late: sorted.late, dropped: sorted.dropped })
    }

    /// What it has so far; `frontier` is how far its shard is applied.
    pub fn snapshot(&mut self, frontier: Arrival) -> Result<Snapshot> {
        let mut panes = BTreeMap::new();
        for (pane, states) in &mut self.panes {
            if states.len() > 1 {
                *states = vec![self.settings.plan.merge(states)?];
            }
            panes.extend(states.first().map(|state| (*pane, state.clone())));
        }
        let timers = self.timers.iter().cloned().collect();
        Ok(Snapshot { frontier, panes, published: BTreeMap::new(), timers })
    }

    /// Begins the interval that `now` lies in.
    pub fn begin(&mut self, now: Arrival) {
        self.until = self.settings.boundary_after(now);
        self.panes.clear();
        self.timers.clear();
    }
}
