//! The table `odds_windows`: stored results of closed windows, then open ones as they stand.
//!
//! A closed window shows its latest revision. An open one is finished from its partials for the
//! query, with revision 0; it is in the table once, since both are read from one view.

use std::ops::{Bound, Range};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, TimestampMillisecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Field;
use pipeline::engine::checkpoint;
use pipeline::tables::system;
use pipeline::window::results;
use pipeline::window::state;
use pipeline::window::times::WindowSettings;
use pipeline::window::windows::{self, WindowRows};
use pipeline::{Error, Result};

use super::ask::Ask;
use super::catalog::Batches;
use super::render;
use super::view::{Pages, View};
use crate::bets::odds;
use crate::betting;

/// Windows read at once; ten thousand markets of three outcomes are about 3 MB a window.
const PAGE_WINDOWS: usize = 4;
/// Reads the odds windows.
pub fn read(view: Arc<View>, ask: Arc<Ask>) -> Batches {
    match view.node.windows.iter().find(|job| job.spec.name == odds::NAME).cloned() {
        Some(job) => of_job(view, ask, Arc::new(job)),
        None => Box::new(std::iter::empty()),
    }
}

/// Reads the windows of a job.
pub fn of_job(view: Arc<View>, ask: Arc<Ask>, job: Arc<WindowSettings>) -> Batches {
    let closed = closed(view.clone(), job.clone(), ask.times.clone());
    let open = open(view, job, ask.times.clone());
    Box::new(closed.chain(open).map(move |window| shown(&window?, &ask)))
}

fn closed(
    view: Arc<View>,
    job: Arc<WindowSettings>,
    times: Range<i64>,
) -> impl Iterator<Item = Result<WindowRows>> + Send {
    let (from, to) = key_bounds(&job.spec.name, &times);
    let schema = results::schema(&job.plan);
    Pages::between(view, system::RESULTS, from, to, PAGE_WINDOWS).flat_map(move |page| {
        let windows = page.and_then(|rows| {
            rows.iter()
                .map(|(key, value)| Ok(window(&job, start_of(key)?, state::decode(&schema, value)?)))
                .collect::<Result<Vec<_>>>()
        });
        let (windows, error) = match windows {
            Ok(windows) => (windows, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        windows.into_iter().map(Ok).chain(error)
    })
}

/// The open windows, computed when they are reached.
fn open(
    view: Arc<View>,
    job: Arc<WindowSettings>,
    times: Range<i64>,
) -> impl Iterator<Item = Result<WindowRows>> + Send {
    let compute = move || {
        let windows = futures::executor::block_on(async {
            let frontier = checkpoint::load(&view.port(), betting::LOOP).await?.frontier;
            windows::open_results(&view.port(), &job, frontier).await
        });
        match windows {
            Ok(windows) => windows.into_iter().filter(|window| times.contains(&window.start_ms)).map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }
    };
    std::iter::once_with(compute).flatten()
}

/// Keys of results are `name \0 start`, big-endian, and starts are not negative.
fn key_bounds(name: &str, times: &Range<i64>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let key = |start: i64| [name.as_bytes(), &[0], &start.max(0).to_be_bytes()].concat();
    (Bound::Included(key(times.start)), Bound::Excluded(key(times.end)))
}

fn start_of(key: &[u8]) -> Result<i64> {
    let start = key.last_chunk::<8>().ok_or_else(|| Error::corrupt("a result's key"))?;
    Ok(i64::from_be_bytes(*start))
}

fn window(job: &WindowSettings, start_ms: i64, rows: RecordBatch) -> WindowRows {
    WindowRows { window: job.spec.name.clone(), start_ms, end_ms: start_ms.saturating_add(job.spec.length_ms), rows }
}

/// A window's rows with the questions asked for, in the columns asked for.
fn shown(window: &WindowRows, ask: &Ask) -> Result<RecordBatch> {
    let rows = match ask.keys_of("question_uuid") {
        None => window.rows.clone(),
        Some(wanted) => {
            let questions = window.rows.column_by_name("question_uuid").and_then(|c| c.as_fixed_size_binary_opt());
            let questions = questions.ok_or_else(|| render::lacks("question_uuid"))?;
            let keep: BooleanArray =
                questions.iter().map(|id| Some(id.is_some_and(|id| wanted.contains(id)))).collect();
            filter_record_batch(&window.rows, &keep)?
        }
    };
    let columns = ask.schema.fields().iter().map(|field| column(window, &rows, field)).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(ask.schema.clone(), columns, &options)?)
}

fn column(window: &WindowRows, rows: &RecordBatch, field: &Field) -> Result<arrow::array::ArrayRef> {
    let times = |at: i64| Arc::new(TimestampMillisecondArray::from_value(at, rows.num_rows()).with_timezone("UTC"));
    match field.name().as_str() {
        "window_name" => {
            Ok(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&window.window, rows.num_rows()))))
        }
        "window_start" => Ok(times(window.start_ms)),
        "window_end" => Ok(times(window.end_ms)),
        _ => render::column(rows, field),
    }
}
