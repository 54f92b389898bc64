//! Windows of a loop: partials in, results out, closed by the arrival frontier.
//!
//! Life of a window, by arrival time: opened by its first record → published early, where that is
//! asked for → closed at `end + disorder` → revised at fixed ticks while late records come → final
//! at `end + lateness` (Parquet; partials that no later window needs are dropped). Whether a record
//! is late is a property of the record: it arrived at or after the close. See [`super::times`].
//!
//! Partials are stored as they come, one a batch and pane ([`super::partials`]), and merge in any
//! order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use arrow::array::{AsArray, BooleanArray, RecordBatch, TimestampMillisecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::TimestampMillisecondType;

use super::partials::{self, Partials, window_key};
use super::results::{self, Stored};
use super::times::{Late, WindowSettings};
use super::{export, state};
use crate::clock::Arrival;
use crate::engine::Ports;
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

/// Rows that came too late for a window that wants them apart.
#[derive(Debug)]
pub struct LateRows {
    /// The window job's name.
    pub window: String,
    /// The first window that each row missed, by its start.
    pub starts_ms: Vec<i64>,
    /// Length of those windows.
    pub length_ms: i64,
    /// The rows, with every column of the table.
    pub rows: RecordBatch,
}

/// What is to happen to a window at a timer. Of one moment, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Close = 0,
    Revise = 1,
    Final = 2,
    Early = 3,
}

/// What folding a run leads to.
#[derive(Debug, Default)]
pub struct Folded {
    /// Timers to set.
    pub timers: Vec<(Arrival, Vec<u8>)>,
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
                    folded.timers.extend(timers_of(settings, pane, now, early));
                }
                if !ports.faults.has(Bug::LateWithoutRevision) {
                    folded.timers.extend(revisions_of(settings, pane, now));
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
    ) -> Result<(Option<WindowRows>, Option<(Arrival, Vec<u8>)>)> {
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
        let end_ms = settings.end(start).0;
        if is_final {
            let whole = WindowRows { window: name.clone(), start_ms: start, end_ms, rows: all };
            if let Some(dir) = self.export_dir.as_ref().filter(|_| settings.parquet) {
                export::write(dir, &whole)?;
                ports.faults.reach(CrashPoint::AfterExport)?;
            }
            // Its first pane is in no later window.
            if let Some(pane) = open.remove(&start) {
                pane.remove(settings, start, commit);
            }
        }
        let again = settings.early_after(due).filter(|next| event == Event::Early && *next < settings.closes_at(start));
        let again = again.map(|next| (next, timer_key(&name, Event::Early, start)));
        tracing::debug!(window = name, start, ?event, due = due.0, rows = changed.num_rows(), "window");
        let rows =
            (changed.num_rows() > 0).then_some(WindowRows { window: name, start_ms: start, end_ms, rows: changed });
        Ok((rows, again))
    }
}

/// What is to happen to the windows of a pane that was just opened.
fn timers_of(settings: &WindowSettings, pane: i64, now: Arrival, hasty: i64) -> Vec<(Arrival, Vec<u8>)> {
    let name = &settings.spec.name;
    let mut timers = Vec::new();
    for start in settings.windows_of(pane) {
        let (close, last) = (settings.closes_at(start), settings.final_at(start));
        if last > now {
            timers.push((last, timer_key(name, Event::Final, start)));
        }
        if close > now && close < last {
            timers.push((close.plus_ms(-hasty), timer_key(name, Event::Close, start)));
        }
        let first = settings.early_after(now.max(Arrival(start))).filter(|first| *first < close);
        timers.extend(first.map(|first| (first, timer_key(name, Event::Early, start))));
    }
    timers
}

/// The ticks at which the closed windows of a pane are revised, which a late row has come to.
fn revisions_of(settings: &WindowSettings, pane: i64, now: Arrival) -> impl Iterator<Item = (Arrival, Vec<u8>)> {
    let tick = settings.close_after(now);
    let late = move |start: &i64| settings.closes_at(*start) <= now && tick < settings.final_at(*start);
    settings
        .windows_of(pane)
        .filter(late)
        .map(move |start| (tick, timer_key(&settings.spec.name, Event::Revise, start)))
}

fn too_many(settings: &WindowSettings) -> Error {
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

/// The results of every window that is open, as they stand now (revision 0), for queries.
pub async fn open_results(tables: &Tables, settings: &WindowSettings) -> Result<Vec<WindowRows>> {
    let mut out = Vec::new();
    let open = partials::load_open(tables, settings).await?;
    let starts: BTreeSet<i64> = open.keys().flat_map(|pane| settings.windows_of(*pane)).collect();
    for start in starts {
        if results::load(tables, &settings.spec.name, start, &settings.plan).await?.is_some() {
            continue;
        }
        let result = finish(tables, settings, &open, start).await?;
        let rows = results::with_revision(&result, &vec![0; result.num_rows()], false, None)?;
        let (window, end_ms) = (settings.spec.name.clone(), settings.end(start).0);
        out.push(WindowRows { window, start_ms: start, end_ms, rows });
    }
    Ok(out)
}

/// A run's rows by what becomes of them.
struct Sorted {
    /// Those that some window still takes.
    counted: RecordBatch,
    /// Those that go to the late stream.
    aside: Option<LateRows>,
    /// How many arrived after one of their windows closed, and how many of them count nowhere.
    late: u64,
    dropped: u64,
}

/// Leaves out rows whose windows are all final, and sets those apart that a window has missed where
/// it wants that.
fn sort_out(settings: &WindowSettings, facts: &RecordBatch, now: Arrival) -> Result<Sorted> {
    let panes: Vec<i64> = event_times(settings, facts)?.values().iter().map(|time| settings.pane_of(*time)).collect();
    // A pane's own window is the last one that it is part of.
    let counts: Vec<bool> = panes.iter().map(|pane| settings.final_at(*pane) > now).collect();
    let first = |pane: i64| settings.windows_of(pane).next().unwrap_or(pane);
    let late: Vec<bool> = panes.iter().map(|pane| settings.closes_at(first(*pane)) <= now).collect();
    let number = |flags: &[bool]| flags.iter().filter(|flag| **flag).count() as u64;
    let (late_rows, dropped) = (number(&late), panes.len() as u64 - number(&counts));
    let counted = match dropped {
        0 => facts.clone(),
        _ => filter_record_batch(facts, &BooleanArray::from(counts))?,
    };
    let aside = match settings.late {
        Late::Side if late_rows > 0 => Some(LateRows {
            window: settings.spec.name.clone(),
            starts_ms: panes.iter().zip(&late).filter(|(_, late)| **late).map(|(pane, _)| first(*pane)).collect(),
            length_ms: settings.spec.length_ms,
            rows: filter_record_batch(facts, &BooleanArray::from(late))?,
        }),
        _ => None,
    };
    Ok(Sorted { counted, aside, late: late_rows, dropped })
}

fn event_times<'a>(settings: &WindowSettings, facts: &'a RecordBatch) -> Result<&'a TimestampMillisecondArray> {
    let (name, column) = (&settings.spec.name, &settings.spec.time_column);
    facts
        .column_by_name(column)
        .and_then(|times| times.as_primitive_opt::<TimestampMillisecondType>())
        .ok_or_else(|| Error::Fatal(format!("window {name}: {column} is no column of milliseconds")))
}

fn timer_key(name: &str, event: Event, start: i64) -> Vec<u8> {
    let mut key = vec![event as u8];
    key.extend_from_slice(&start.to_be_bytes());
    key.extend_from_slice(name.as_bytes());
    key
}

fn split_timer_key(key: &[u8]) -> Result<(String, Event, i64)> {
    let bad = || Error::corrupt("a window's timer");
    let (event, rest) = key.split_first().ok_or_else(bad)?;
    let (start, name) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
    let event = match event {
        0 => Event::Close,
        1 => Event::Revise,
        2 => Event::Final,
        3 => Event::Early,
        _ => return Err(bad()),
    };
    Ok((String::from_utf8(name.to_vec()).map_err(|_| bad())?, event, i64::from_be_bytes(*start)))
}
