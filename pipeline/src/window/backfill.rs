//! A window job computed again, in memory, beside the loop that computed it first.
//!
//! It is fed the decided rows in the order of their decisions and gives each window's rows when it
//! is final: the same bytes as the loop's, revisions and watermarks included, since partials merge
//! in any order and every timer follows from a row's own arrival ([`super::schedule`]).
//!
//! ```text
//! rows ──take──► panes, timers ──(a timer is passed)──► published rows ──(final)──► out
//!                  └── snapshot ⇄ restore ──┘
//! ```
//!
//! The same serves whoever closes windows of which shards fold parts ([`super::interval`]): their states
//! are absorbed instead of rows.
//!
//! Memory is the open panes' states and the published rows of windows that are not final, whatever
//! the number of rows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use arrow::array::{BooleanArray, RecordBatch, TimestampMillisecondArray};
use arrow::compute::filter_record_batch;

use super::lateness::{event_times, sort_out};
use super::results::{self, Stored};
use super::schedule::{self, Due, Event, split_timer_key};
use super::snapshot::Snapshot;
use super::times::WindowSettings;
use super::windows::{MAX_OPEN, WindowRows, too_many, window_rows};
use crate::clock::Arrival;
use crate::error::{Error, Result};

/// States of a pane that are merged into one: a merge costs as much as they have groups, so it is
/// shared by this many batches.
const FANOUT: usize = 16;

/// What a timer gave.
pub struct Delivered {
    /// Every row of the window.
    pub all: WindowRows,
    /// Those that are new or changed.
    pub changed: WindowRows,
    /// Whether the window is final.
    pub is_final: bool,
}

/// A window job that is computed again.
pub struct Backfill {
    settings: WindowSettings,
    /// Windows that start in it are computed.
    wanted: Range<i64>,
    panes: BTreeMap<i64, Vec<RecordBatch>>,
    published: BTreeMap<i64, RecordBatch>,
    timers: BTreeSet<Due>,
    /// Everything that was decided before this is folded.
    frontier: Arrival,
}

impl Backfill {
    /// Computes the windows that start in a range.
    pub fn new(settings: WindowSettings, wanted: Range<i64>) -> Backfill {
        let (panes, published, timers) = Default::default();
        Backfill { settings, wanted, panes, published, timers, frontier: Arrival::MIN }
    }

    /// Goes on from a snapshot of the same windows, which must be of this plan.
    pub fn restore(settings: WindowSettings, wanted: Range<i64>, snapshot: Snapshot) -> Backfill {
        let Snapshot { frontier, panes, published, timers } = snapshot;
        let panes = panes.into_iter().map(|(pane, state)| (pane, vec![state])).collect();
        Backfill { settings, wanted, panes, published, timers: timers.into_iter().collect(), frontier }
    }

    /// What is needed to go on from here.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        for states in self.panes.values_mut() {
            merge(&self.settings, states)?;
        }
        let one = |(pane, states): (&i64, &Vec<RecordBatch>)| Some((*pane, states.first()?.clone()));
        Ok(Snapshot {
            frontier: self.frontier,
            panes: self.panes.iter().filter_map(one).collect(),
            published: self.published.clone(),
            timers: self.timers.iter().cloned().collect(),
        })
    }

    /// Everything that was decided before this is folded.
    pub fn frontier(&self) -> Arrival {
        self.frontier
    }

    /// How many windows have rows and are not final.
    pub fn open_windows(&self) -> u64 {
        let starts: BTreeSet<i64> = self.panes.keys().flat_map(|pane| self.settings.windows_of(*pane)).collect();
        starts
            .iter()
            .filter(|start| self.wanted.contains(start) && self.settings.final_at(**start) > self.frontier)
            .count() as u64
    }

    /// Folds decided rows, whose times of decision are ascending and not before the frontier;
    /// returns the windows that became final before the last of them.
    pub fn take(&mut self, rows: &RecordBatch, decided: &TimestampMillisecondArray) -> Result<Vec<WindowRows>> {
        let mut out = Vec::new();
        let times = decided.values();
        let mut from = 0;
        while let Some(reached) = times.get(from).map(|ms| Arrival(*ms)) {
            if reached < self.frontier {
                return Err(Error::Fatal(format!(
                    "window {}: a row decided at {reached} comes after {}; rows must come as they were decided",
                    self.settings.spec.name, self.frontier
                )));
            }
            self.pass(reached, &mut out)?;
            // Within a run nothing closes, so its rows are late or not alike.
            let limit = self.next_due().min(self.settings.boundary_after(reached));
            let to = from + times[from..].partition_point(|ms| *ms < limit.0);
            self.fold(&rows.slice(from, to - from), reached)?;
            from = to;
        }
        Ok(out)
    }

    /// Says that no row will come that was decided before a moment; returns the windows that are
    /// final by then.
    pub fn pass_to(&mut self, frontier: Arrival) -> Result<Vec<WindowRows>> {
        let mut out = Vec::new();
        self.pass(frontier, &mut out)?;
        Ok(out)
    }

    /// Takes in what somebody else has folded: states and timers.
    pub fn absorb(&mut self, part: Snapshot) -> Result<()> {
        for (pane, state) in part.panes {
            if !self.panes.contains_key(&pane) && self.panes.len() >= MAX_OPEN {
                return Err(too_many(&self.settings));
            }
            let states = self.panes.entry(pane).or_default();
            states.push(state);
            if states.len() >= FANOUT {
                merge(&self.settings, states)?;
            }
        }
        self.timers.extend(part.timers);
        Ok(())
    }

    /// The same as [`Backfill::pass_to`]; returns what every timer gave.
    pub fn deliver(&mut self, frontier: Arrival) -> Result<Vec<Delivered>> {
        let mut out = Vec::new();
        while self.next_due() <= frontier {
            let Some((due, key)) = self.timers.pop_first() else { break };
            out.extend(self.tick(due, &key)?);
        }
        self.frontier = self.frontier.max(frontier);
        Ok(out)
    }

    fn next_due(&self) -> Arrival {
        self.timers.first().map_or(Arrival::MAX, |(due, _)| *due)
    }

    fn pass(&mut self, frontier: Arrival, out: &mut Vec<WindowRows>) -> Result<()> {
        out.extend(self.deliver(frontier)?.into_iter().filter(|given| given.is_final).map(|given| given.all));
        Ok(())
    }

    fn fold(&mut self, rows: &RecordBatch, now: Arrival) -> Result<()> {
        let settings = &self.settings;
        let sorted = sort_out(settings, &self.within(rows)?, now)?;
        for (pane, partial) in settings.plan.partial(&sorted.counted)? {
            if !self.panes.contains_key(&pane) {
                if self.panes.len() >= MAX_OPEN {
                    return Err(too_many(settings));
                }
                self.timers.extend(schedule::opened(settings, pane, now, &self.wanted, 0));
            }
            self.timers.extend(schedule::revised(settings, pane, now, &self.wanted));
            let states = self.panes.entry(pane).or_default();
            states.push(partial);
            if states.len() >= FANOUT {
                merge(settings, states)?;
            }
        }
        Ok(())
    }

    /// The rows whose panes belong to a window that is wanted.
    fn within(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let panes =
            self.wanted.start..self.wanted.end.saturating_add(self.settings.spec.length_ms - self.settings.spec.hop_ms);
        let times = event_times(&self.settings, rows)?;
        let keep = BooleanArray::from_unary(times, |time| panes.contains(&self.settings.pane_of(time)));
        if keep.true_count() == rows.num_rows() {
            return Ok(rows.clone());
        }
        Ok(filter_record_batch(rows, &keep)?)
    }

    /// Delivers a timer; nothing comes of it where the window has no rows.
    fn tick(&mut self, due: Arrival, key: &[u8]) -> Result<Option<Delivered>> {
        let (_, event, start) = split_timer_key(key)?;
        let settings = &self.settings;
        let states: Vec<RecordBatch> =
            self.panes.range(settings.panes_of(start)).flat_map(|(_, states)| states.iter().cloned()).collect();
        if states.is_empty() {
            return Ok(None);
        }
        let result = settings.plan.finish(start, &states)?;
        let is_final = event == Event::Final;
        let before = self.published.remove(&start);
        let Stored { all, changed } = results::revise(&settings.plan, before.as_ref(), &result, is_final, due)?;
        self.timers.extend(schedule::again(settings, event, start, due));
        if is_final {
            // Its first pane is in no later window.
            self.panes.remove(&start);
        } else {
            self.published.insert(start, all.clone());
        }
        let rows = |rows| window_rows(&self.settings, start, rows);
        Ok(Some(Delivered { all: rows(all), changed: rows(changed), is_final }))
    }
}

/// Merges a pane's states into one.
fn merge(settings: &WindowSettings, states: &mut Vec<RecordBatch>) -> Result<()> {
    if states.len() > 1 {
        *states = vec![settings.plan.merge(states)?];
    }
    Ok(())
}
