//! A window job and its times: what closes when, and what becomes of late rows.
//!
//! All moments lie on grids that depend on the settings alone, so batches never move a boundary.
//! A hopping window is cut into panes of one hop, each with states of its own: a row is folded
//! once, into its pane, and a window is finished from its panes.

use std::sync::Arc;

use super::{WindowPlan, WindowSpec};
use crate::clock::Arrival;

/// What becomes of a row that arrives when its window is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Late {
    /// It counts until the window is final: a new revision at the next tick.
    #[default]
    Update,
    /// It goes to a stream of late records; a window is final when it closes.
    Side,
    /// It is left out and counted; a window is final when it closes.
    Drop,
}

/// A window job and its times.
#[derive(Clone)]
pub struct WindowSettings {
    /// Name, SQL, length, hop.
    pub spec: WindowSpec,
    /// The compiled SQL.
    pub plan: Arc<WindowPlan>,
    /// How long after its end a window closes, in milliseconds.
    pub disorder_ms: i64,
    /// How long after its end a window is final where late rows count, in milliseconds; at least
    /// the disorder.
    pub lateness_ms: i64,
    /// What becomes of late rows.
    pub late: Late,
    /// How often an open window publishes what it has so far, in milliseconds; a part of the hop.
    pub early_ms: Option<i64>,
    /// Whether final windows are written as Parquet.
    pub parquet: bool,
}

impl std::fmt::Debug for WindowSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WindowSettings").field("name", &self.spec.name).finish_non_exhaustive()
    }
}

impl WindowSettings {
    /// When the window that starts at `start` ends.
    pub fn end(&self, start: i64) -> Arrival {
        Arrival(start.saturating_add(self.spec.length_ms))
    }

    /// When the window that starts at `start` closes.
    pub fn closes_at(&self, start: i64) -> Arrival {
        self.end(start).plus_ms(self.disorder_ms)
    }

    /// When the window that starts at `start` is final.
    pub fn final_at(&self, start: i64) -> Arrival {
        match self.late {
            Late::Update => self.end(start).plus_ms(self.lateness_ms.max(self.disorder_ms)),
            Late::Side | Late::Drop => self.closes_at(start),
        }
    }

    /// The first moment after `t` at which a window of this job closes or is revised.
    pub(super) fn close_after(&self, t: Arrival) -> Arrival {
        next_on_grid(t, self.closes_at(0).0, self.spec.hop_ms)
    }

    /// The first moment after `t` at which open windows publish what they have.
    pub(super) fn early_after(&self, t: Arrival) -> Option<Arrival> {
        self.early_ms.map(|step| next_on_grid(t, 0, step))
    }

    /// The first moment after `t` at which any window of this job may close or change: the records
    /// of one run all arrive before it.
    pub fn boundary_after(&self, t: Arrival) -> Arrival {
        let last = next_on_grid(t, self.final_at(0).0, self.spec.hop_ms);
        self.close_after(t).min(last).min(self.early_after(t).unwrap_or(Arrival::MAX))
    }

    /// The pane that a time falls into, by its start.
    pub fn pane_of(&self, time_ms: i64) -> i64 {
        time_ms.saturating_sub(time_ms.rem_euclid(self.spec.hop_ms))
    }

    /// The windows that a pane is part of, by their starts, the earliest first.
    pub fn windows_of(&self, pane: i64) -> impl Iterator<Item = i64> + use<> {
        let (length, hop) = (self.spec.length_ms, self.spec.hop_ms);
        let back = (length / hop - 1).max(0);
        (0..=back).rev().map(move |n| pane.saturating_sub(n * hop))
    }

    /// The panes of a window, by their starts.
    pub fn panes_of(&self, start: i64) -> std::ops::Range<i64> {
        start..self.end(start).0
    }
}

/// The first `offset + n × step` after `t`.
fn next_on_grid(t: Arrival, offset: i64, step: i64) -> Arrival {
    let past = t.0.saturating_sub(offset).rem_euclid(step);
    t.plus_ms(step - past)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_fixed_and_strictly_ahead() {
        for (t, offset, step, next) in
            [(0, 0, 300, 300), (299, 0, 300, 300), (300, 30, 300, 330), (330, 30, 300, 630), (329, 630, 300, 330)]
        {
            assert_eq!(next_on_grid(Arrival(t), offset, step), Arrival(next), "{t} {offset} {step}");
        }
    }
}
