//! Windows of a loop: partials in, results out, closed by the arrival frontier.
//!
//! Life of a window, by arrival time: opened by its first record → published early, where that is
//! asked for → closed at `end + disorder` → revised at fixed ticks while late records come → final
//! at `end + lateness` (Parquet; partials that no later window needs are dropped). Which rows count
//! is [`super::lateness`]'s, what is due when [`super::schedule`]'s.
//!
//! Partials are stored as they come, one a batch and pane ([`super::partials`]), and merge in any
//! order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use arrow::array::RecordBatch;

use super::lateness::{LateRows, sort_out};
use super::partials::{self, Partials, window_key};
use super::results::{self, Stored};
use super::schedule::{self, ALL, Due, Event, split_timer_key};
use super::times::WindowSettings;
use super::{export, state};
use crate::clock::Arrival;
use crate::engine::Ports;
use crate::engine::timers::{self, Owner, Timer};
use crate::error::{Error, Result};
use crate::fault::{Bug, CrashPoint};
use crate::metrics::Metric;
use crate::tables::{Commit, Tables, system};

/// Panes open at once, at most: of five-minute windows that are final after ten minutes, three are.
/// More means producers whose clocks disagree by days, which the skew limit keeps out.
pub const MAX_OPEN: usize = 4096;

/// What a window publishes: new and revised rows.
#[derive(Debug)]
pub struct WindowRows {
    /// The window job's name.
    pub window: String,
    /// The window's start, in milliseconds since the epoch.
    pub start_ms: i64,
    /// The window's end.
    pub end_ms: i64,
    /// The SELECT's columns, then [`results::schema`]'s; rows sorted by key.
    pub rows: RecordBatch,
}

/// What folding a run leads to.
#[derive(Debug, Default)]
pub struct Folded {
    /// Timers to set.
    pub timers: Vec<Due>,
    /// Rows that go aside.
    pub late: Vec<LateRows>,
}

/// Every window job of a loop, with its open panes.
pub struct Windows {
    jobs: Vec<(WindowSettings, BTreeMap<i64, Partials>)>,
    export_dir: Option<PathBuf>,
}

impl Windows {
    /// Loads the open panes of these jobs.
    pub async fn load(ports: &Ports, settings: Vec<WindowSettings>, export_dir: Option<PathBuf>) -> Result<Windows> {
        let mut jobs = Vec::new();
        for settings in settings {
            let open = partials::load_open(&ports.tables, &settings).await?;
            jobs.push((settings, open));
        }
        Ok(Windows { jobs, export_dir })
    }

    /// How many panes are open or not yet final.
    pub fn open_count(&self) -> usize {
        self.jobs.iter().map(|(_, open)| open.len()).sum()
    }

    /// Folds the facts of a run into every window job on their table. `now` is the effective arrival
    /// of the run, which crosses no boundary.
    pub async fn fold(
        &mut self,
        ports: &Ports,
        table: &str,
        facts: &RecordBatch,
        now: Arrival,
        commit: &mut Commit,
    ) -> Result<Folded> {
        let mut folded = Folded::default();
        for (settings, open) in self.jobs.iter_mut().filter(|(settings, _)| settings.spec.table == table) {
            let early = if ports.faults.has(Bug::WindowClosedEarly) { 1 } else { 0 };
            let now = now.plus_ms(early);
            let sorted = sort_out(settings, facts, now)?;
            ports.metrics.add(Metric::WindowLate, sorted.late);
            ports.metrics.add(Metric::WindowDropped, sorted.dropped);
            ports.metrics.add(Metric::WindowRecords, sorted.counted.num_rows() as u64);
            folded.late.extend(sorted.aside);
            for (pane, partial) in settings.plan.partial(&sorted.counted)? {
                if !open.contains_key(&pane) {
                    if open.len() >= MAX_OPEN {
                        return Err(too_many(settings));
                    }
                    folded.timers.extend(schedule::opened(settings, pane, now, &ALL, early));
                }
                if !ports.faults.has(Bug::LateWithoutRevision) {
                    folded.timers.extend(schedule::revised(settings, pane, now, &ALL));
                }
                let partials = open.entry(pane).or_default();
                // What is stored by now, without this batch's own.
                partials.merge(&ports.tables, settings, pane).await?;
                partials.add(settings, pane, &partial, commit).await?;
            }
        }
        Ok(folded)
    }

    /// Delivers a window's timer: publishes what changed; a final window is exported and forgotten.
    /// Returns the next timer, if this one repeats.
    pub async fn tick(
        &mut self,
        ports: &Ports,
        key: &[u8],
        due: Arrival,
        commit: &mut Commit,
    ) -> Result<(Option<WindowRows>, Option<Due>)> {
        let (name, event, start) = split_timer_key(key)?;
        // A job that was taken out of the configuration leaves timers behind; they do nothing.
        let Some((settings, open)) = self.jobs.iter_mut().find(|(settings, _)| settings.spec.name == name) else {
            return Ok((None, None));
        };
        if open.range(settings.panes_of(start)).next().is_none() {
            return Ok((None, None));
        }
        let result = finish(&ports.tables, settings, open, start).await?;
        let is_final = event == Event::Final;
        let before = results::load(&ports.tables, &settings.spec.name, start, &settings.plan).await?;
        let Stored { all, changed } = results::revise(&settings.plan, before.as_ref(), &result, is_final, due)?;
        ports.metrics.add(Metric::WindowRevisions, changed.num_rows() as u64);
        commit.put(system::RESULTS, window_key(&settings.spec.name, start), state::encode(&all)?);
        if is_final {
            if let Some(dir) = self.export_dir.as_ref().filter(|_| settings.parquet) {
                export::write(dir, settings, &window_rows(settings, start, all))?;
                ports.faults.reach(CrashPoint::AfterExport)?;
            }
            // Its first pane is in no later window.
            if let Some(pane) = open.remove(&start) {
                pane.remove(settings, start, commit);
            }
        }
        tracing::debug!(window = name, start, ?event, due = due.0, rows = changed.num_rows(), "window");
        let rows = (changed.num_rows() > 0).then(|| window_rows(settings, start, changed));
        Ok((rows, schedule::again(settings, event, start, due)))
    }
}

/// Whether a window is final and its loop has nothing more to do with it. `frontier` is how far the
/// loop has come; at that very moment its timer may still wait behind another's.
pub async fn is_done(
    tables: &Tables,
    loop_name: &str,
    settings: &WindowSettings,
    start: i64,
    frontier: Arrival,
) -> Result<bool> {
    let (due, key) = (settings.final_at(start), schedule::final_key(settings, start));
    let timer = Timer { due, owner: Owner::Window, key };
    Ok(due <= frontier && !timers::waits(tables, loop_name, &timer).await?)
}

/// Rows of the window of a job that starts then.
pub fn window_rows(settings: &WindowSettings, start: i64, rows: RecordBatch) -> WindowRows {
    WindowRows { window: settings.spec.name.clone(), start_ms: start, end_ms: settings.end(start).0, rows }
}

pub(super) fn too_many(settings: &WindowSettings) -> Error {
    Error::Fatal(format!(
        "window {}: over {MAX_OPEN} panes of {} ms are open at once; set a longer hop, or a shorter lateness",
        settings.spec.name, settings.spec.hop_ms
    ))
}

/// The rows of one window as its panes give them now.
async fn finish(
    tables: &Tables,
    settings: &WindowSettings,
    open: &BTreeMap<i64, Partials>,
    start: i64,
) -> Result<RecordBatch> {
    let mut all = Vec::new();
    for (pane, partials) in open.range(settings.panes_of(start)) {
        all.extend(partials.load(tables, settings, *pane).await?);
    }
    Ok(settings.plan.finish(start, &all)?)
}

/// The results of every window that is open, as they stand now (revision 0), for queries. `frontier`
/// is how far everything is applied: a pane may hold rows that came too late for its first windows.
pub async fn open_results(tables: &Tables, settings: &WindowSettings, frontier: Arrival) -> Result<Vec<WindowRows>> {
    let mut out = Vec::new();
    let open = partials::load_open(tables, settings).await?;
    let starts: BTreeSet<i64> = open.keys().flat_map(|pane| settings.windows_of(*pane)).collect();
    for start in starts.into_iter().filter(|start| settings.final_at(*start) > frontier) {
        if results::load(tables, &settings.spec.name, start, &settings.plan).await?.is_some() {
            continue;
        }
        let result = finish(tables, settings, &open, start).await?;
        let rows = results::with_revision(&result, &vec![0; result.num_rows()], false, None)?;
        out.push(window_rows(settings, start, rows));
    }
    Ok(out)
}
