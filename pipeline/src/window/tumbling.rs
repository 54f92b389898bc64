//! Tumbling windows: partials in, results out, closed by the arrival frontier.
//!
//! Life of a window, by arrival time: opened by its first record → closed at `end + disorder`
//! (results of revision 1) → revised at fixed ticks while late records come → final at
//! `end + lateness` (Parquet; its partials are dropped). Whether a record is late is a property
//! of the record: it arrived at or after the close. Ticks fall on a grid that depends on the
//! settings alone, so batches never move a boundary.
//!
//! Partials are stored as they come, one a batch and window ([`super::partials`]), and merge in
//! any order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;

use super::partials::{self, Partials, window_key};
use super::results::{self, Stored};
use super::{WindowPlan, WindowSpec, export, state};
use crate::clock::Arrival;
use crate::engine::Ports;
use crate::error::{Error, Result};
use crate::fault::{Bug, CrashPoint};
use crate::metrics::Metric;
use crate::tables::{Commit, Tables, system};

/// Windows open at once, at most: an hour of five-minute windows and as much again would be 24.
/// More means producers whose clocks disagree by days, which the skew limit keeps out.
const MAX_OPEN: usize = 4096;

/// A window job and its times.
#[derive(Clone)]
pub struct WindowSettings {
    /// Name, SQL, length.
    pub spec: WindowSpec,
    /// The compiled SQL.
    pub plan: Arc<WindowPlan>,
    /// How long after its end a window closes, in milliseconds.
    pub disorder_ms: i64,
    /// How long after its end a window is final, in milliseconds; at least the disorder.
    pub lateness_ms: i64,
}

impl std::fmt::Debug for WindowSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WindowSettings").field("name", &self.spec.name).finish_non_exhaustive()
    }
}

impl WindowSettings {
    fn end(&self, start: i64) -> Arrival {
        Arrival(start.saturating_add(self.spec.length_ms))
    }

    /// When the window that starts at `start` closes.
    pub fn closes_at(&self, start: i64) -> Arrival {
        self.end(start).plus_ms(self.disorder_ms)
    }

    /// When the window that starts at `start` is final.
    pub fn final_at(&self, start: i64) -> Arrival {
        self.end(start).plus_ms(self.lateness_ms)
    }

    /// The first moment after `t` at which a window of this job closes or is revised.
    fn close_after(&self, t: Arrival) -> Arrival {
        next_on_grid(t, self.disorder_ms, self.spec.length_ms)
    }

    /// The first moment after `t` at which any window of this job may close or change: the records
    /// of one run all arrive before it.
    pub fn boundary_after(&self, t: Arrival) -> Arrival {
        self.close_after(t).min(next_on_grid(t, self.lateness_ms, self.spec.length_ms))
    }
}

/// The first `offset + n × step` after `t`.
fn next_on_grid(t: Arrival, offset: i64, step: i64) -> Arrival {
    let past = t.0.saturating_sub(offset).rem_euclid(step);
    t.plus_ms(step - past)
}

/// What a window publishes: new and revised rows.
#[derive(Debug)]
pub struct WindowRows {
    /// The window job's name.
    pub window: String,
    /// The window's start, in milliseconds since the epoch.
    pub start_ms: i64,
    /// The window's end.
    pub end_ms: i64,
    /// The SELECT's columns, then `revision` (UInt32) and `final` (Boolean); rows sorted by key.
    pub rows: RecordBatch,
}

/// What is to happen to a window at a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Close = 0,
    Revise = 1,
    Final = 2,
}

/// Every window job of a loop, with its open windows.
pub struct Windows {
    jobs: Vec<(WindowSettings, BTreeMap<i64, Partials>)>,
    export_dir: Option<PathBuf>,
}

impl Windows {
    /// Loads the open windows of these jobs.
    pub async fn load(ports: &Ports, settings: Vec<WindowSettings>, export_dir: Option<PathBuf>) -> Result<Windows> {
        let mut jobs = Vec::new();
        for settings in settings {
            let open = partials::load_open(&ports.tables, &settings).await?;
            jobs.push((settings, open));
        }
        Ok(Windows { jobs, export_dir })
    }

    /// How many windows are open or not yet final.
    pub fn open_count(&self) -> usize {
        self.jobs.iter().map(|(_, open)| open.len()).sum()
    }

    /// Folds the facts of a run into every window job on their table; returns the timers to set.
    /// `now` is the effective arrival of the run, which crosses no boundary.
    pub async fn fold(
        &mut self,
        ports: &Ports,
        table: &str,
        facts: &RecordBatch,
        now: Arrival,
        commit: &mut Commit,
    ) -> Result<Vec<(Arrival, Vec<u8>)>> {
        let mut timers = Vec::new();
        for (settings, open) in self.jobs.iter_mut().filter(|(settings, _)| settings.spec.table == table) {
            let early = if ports.faults.has(Bug::WindowClosedEarly) { 1 } else { 0 };
            let now = now.plus_ms(early);
            let facts = without_final(settings, facts, now, ports)?;
            ports.metrics.add(Metric::WindowRecords, facts.num_rows() as u64);
            for (start, partial) in settings.plan.partial(&facts)? {
                let late = settings.closes_at(start) <= now;
                if !open.contains_key(&start) {
                    if open.len() >= MAX_OPEN {
                        return Err(Error::Fatal(format!(
                            "window {}: over {MAX_OPEN} windows are open at once",
                            settings.spec.name
                        )));
                    }
                    let (close, last) = (settings.closes_at(start), settings.final_at(start));
                    timers.push((last, timer_key(&settings.spec.name, Event::Final, start)));
                    if !late {
                        timers.push((close.plus_ms(-early), timer_key(&settings.spec.name, Event::Close, start)));
                    }
                }
                if late {
                    ports.metrics.add(Metric::WindowLate, late_rows(settings, &facts, start)?);
                }
                if late && !ports.faults.has(Bug::LateWithoutRevision) {
                    let tick = settings.close_after(now);
                    if tick < settings.final_at(start) {
                        timers.push((tick, timer_key(&settings.spec.name, Event::Revise, start)));
                    }
                }
                let window = open.entry(start).or_default();
                // What is stored by now, without this batch's own.
                window.merge(&ports.tables, settings, start).await?;
                window.add(settings, start, &partial, commit).await?;
            }
        }
        Ok(timers)
    }

    /// Delivers a window's timer: publishes what changed; a final window is exported and forgotten.
    pub async fn tick(
        &mut self,
        ports: &Ports,
        key: &[u8],
        due: Arrival,
        commit: &mut Commit,
    ) -> Result<Option<WindowRows>> {
        let (name, event, start) = split_timer_key(key)?;
        // A job that was taken out of the configuration leaves timers behind; they do nothing.
        let Some((settings, open)) = self.jobs.iter_mut().find(|(settings, _)| settings.spec.name == name) else {
            return Ok(None);
        };
        let Some(window) = open.get(&start) else { return Ok(None) };
        let partials = window.load(&ports.tables, settings, start).await?;
        let result = settings.plan.finish(&partials)?;
        let is_final = event == Event::Final;
        let before = results::load(&ports.tables, &settings.spec.name, start, &settings.plan).await?;
        let Stored { all, changed } = results::revise(&settings.plan, before.as_ref(), &result, is_final)?;
        ports.metrics.add(Metric::WindowRevisions, changed.num_rows() as u64);
        commit.put(system::RESULTS, window_key(&settings.spec.name, start), state::encode(&all)?);
        let end_ms = settings.end(start).0;
        if is_final {
            let whole = WindowRows { window: name.clone(), start_ms: start, end_ms, rows: all };
            if let Some(dir) = &self.export_dir {
                export::write(dir, &whole)?;
                ports.faults.reach(CrashPoint::AfterExport)?;
            }
            window.remove(settings, start, commit);
            open.remove(&start);
        }
        tracing::debug!(window = name, start, ?event, due = due.0, rows = changed.num_rows(), "window");
        Ok((changed.num_rows() > 0).then_some(WindowRows { window: name, start_ms: start, end_ms, rows: changed }))
    }
}

/// The results of every window that is open, as they stand now (revision 0), for queries.
pub async fn open_results(tables: &Tables, settings: &WindowSettings) -> Result<Vec<WindowRows>> {
    let mut out = Vec::new();
    for (start, window) in partials::load_open(tables, settings).await? {
        if results::load(tables, &settings.spec.name, start, &settings.plan).await?.is_some() {
            continue;
        }
        let partials = window.load(tables, settings, start).await?;
        let result = settings.plan.finish(&partials)?;
        let rows = results::with_revision(&result, &vec![0; result.num_rows()], false)?;
        out.push(WindowRows {
            window: settings.spec.name.clone(),
            start_ms: start,
            end_ms: settings.end(start).0,
            rows,
        });
    }
    Ok(out)
}

/// Leaves out records whose window is final, and counts them.
fn without_final(settings: &WindowSettings, facts: &RecordBatch, now: Arrival, ports: &Ports) -> Result<RecordBatch> {
    let times = event_times(settings, facts)?;
    let keep = |time: i64| settings.final_at(window_start(time, settings.spec.length_ms)) > now;
    if times.values().iter().all(|time| keep(*time)) {
        return Ok(facts.clone());
    }
    let mask: arrow::array::BooleanArray = times.values().iter().map(|time| Some(keep(*time))).collect();
    ports.metrics.add(Metric::WindowDropped, (mask.len() - mask.true_count()) as u64);
    Ok(arrow::compute::filter_record_batch(facts, &mask)?)
}

fn late_rows(settings: &WindowSettings, facts: &RecordBatch, start: i64) -> Result<u64> {
    let times = event_times(settings, facts)?;
    Ok(times.values().iter().filter(|time| window_start(**time, settings.spec.length_ms) == start).count() as u64)
}

fn event_times<'a>(
    settings: &WindowSettings,
    facts: &'a RecordBatch,
) -> Result<&'a arrow::array::TimestampMillisecondArray> {
    facts
        .column_by_name(&settings.spec.time_column)
        .and_then(|column| column.as_primitive_opt::<TimestampMillisecondType>())
        .ok_or_else(|| {
            Error::Fatal(format!(
                "window {}: {} is no column of milliseconds",
                settings.spec.name, settings.spec.time_column
            ))
        })
}

/// The start of the window that holds a time.
pub fn window_start(time_ms: i64, length_ms: i64) -> i64 {
    time_ms - time_ms.rem_euclid(length_ms)
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
        _ => return Err(bad()),
    };
    Ok((String::from_utf8(name.to_vec()).map_err(|_| bad())?, event, i64::from_be_bytes(*start)))
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
