//! Which rows a window still takes, which have missed it, and which count nowhere.
//!
//! Whether a row is late is a property of the row: it arrived at or after the close of its window.

use arrow::array::{AsArray, BooleanArray, RecordBatch, TimestampMillisecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::TimestampMillisecondType;

use super::times::{Late, WindowSettings};
use crate::clock::Arrival;
use crate::error::{Error, Result};

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

/// A run's rows by what becomes of them.
pub(super) struct Sorted {
    /// Those that some window still takes.
    pub counted: RecordBatch,
    /// Those that go to the late stream.
    pub aside: Option<LateRows>,
    /// How many arrived after one of their windows closed.
    pub late: u64,
    /// How many of them count nowhere.
    pub dropped: u64,
}

/// Leaves out rows whose windows are all final, and sets those apart that a window has missed where
/// it wants that. `now` is the arrival of all of them, as far as windows can tell.
pub(super) fn sort_out(settings: &WindowSettings, rows: &RecordBatch, now: Arrival) -> Result<Sorted> {
    let panes: Vec<i64> = event_times(settings, rows)?.values().iter().map(|time| settings.pane_of(*time)).collect();
    // A pane's own window is the last one that it is part of.
    let counts: Vec<bool> = panes.iter().map(|pane| settings.final_at(*pane) > now).collect();
    let first = |pane: i64| settings.windows_of(pane).next().unwrap_or(pane);
    let late: Vec<bool> = panes.iter().map(|pane| settings.closes_at(first(*pane)) <= now).collect();
    let number = |flags: &[bool]| flags.iter().filter(|flag| **flag).count() as u64;
    let (late_rows, dropped) = (number(&late), panes.len() as u64 - number(&counts));
    let counted = match dropped {
        0 => rows.clone(),
        _ => filter_record_batch(rows, &BooleanArray::from(counts))?,
    };
    let aside = match settings.late {
        Late::Side if late_rows > 0 => Some(LateRows {
            window: settings.spec.name.clone(),
            starts_ms: panes.iter().zip(&late).filter(|(_, late)| **late).map(|(pane, _)| first(*pane)).collect(),
            length_ms: settings.spec.length_ms,
            rows: filter_record_batch(rows, &BooleanArray::from(late))?,
        }),
        _ => None,
    };
    Ok(Sorted { counted, aside, late: late_rows, dropped })
}

/// The times that place rows in their windows.
pub(super) fn event_times<'a>(
    settings: &WindowSettings,
    rows: &'a RecordBatch,
) -> Result<&'a TimestampMillisecondArray> {
    let (name, column) = (&settings.spec.name, &settings.spec.time_column);
    rows.column_by_name(column)
        .and_then(|times| times.as_primitive_opt::<TimestampMillisecondType>())
        .ok_or_else(|| Error::Fatal(format!("window {name}: {column} is no column of milliseconds")))
}
