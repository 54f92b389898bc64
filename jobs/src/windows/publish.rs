//! Results of declared windows as records of the stream `windows`.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use pipeline::record::Append;
use pipeline::window::windows::WindowRows;
use pipeline::{Error, Result};
use schemas::codec::Event;
use schemas::time::Timestamp;
use schemas::window_row::WindowRow;
use serde_json::{Map, Value};

use super::shown;
use crate::sql::output::objects;
use crate::sql::render;

/// Columns that every result has beside its SELECT list.
const ADDED: [&str; 3] = ["revision", "final", "watermark"];

/// One record a row, keyed by the window and the row's keys.
pub fn records(window: &WindowRows, keys: &[String]) -> Result<Vec<(&'static str, Append)>> {
    let lacks = || Error::corrupt("results without revisions");
    let revisions = window.rows.column_by_name("revision").and_then(|c| c.as_primitive_opt::<UInt32Type>());
    let finals = window.rows.column_by_name("final").and_then(|c| c.as_boolean_opt());
    let (revisions, finals) = (revisions.ok_or_else(lacks)?, finals.ok_or_else(lacks)?);
    let (start, end) = (time(window.start_ms)?, time(window.end_ms)?);
    let mut out = Vec::with_capacity(window.rows.num_rows());
    for (number, row) in rows(&window.rows)?.into_iter().enumerate() {
        let keys: Vec<String> = keys.iter().map(|key| text(row.get(key))).collect();
        let revision = revisions.value(number);
        let event = WindowRow {
            event_uuid: WindowRow::id_of(&window.window, start, &keys, revision),
            window_name: window.window.clone(),
            window_start: start,
            window_end: end,
            row,
            revision,
            is_final: finals.value(number),
        };
        let key = keys.first().map_or(window.window.as_str(), String::as_str);
        out.push((WindowRow::STREAM, Append::new(key, event.to_json())));
    }
    Ok(out)
}

/// The SELECT list's columns of each row, as JSON.
fn rows(stored: &RecordBatch) -> Result<Vec<Map<String, Value>>> {
    let schema = shown(&stored.schema());
    let kept: Vec<usize> =
        (0..schema.fields().len()).filter(|n| !ADDED.contains(&schema.field(*n).name().as_str())).collect();
    let schema = std::sync::Arc::new(schema.project(&kept)?);
    let columns = schema.fields().iter().map(|field| render::column(stored, field)).collect::<Result<Vec<_>>>()?;
    objects(&RecordBatch::try_new(schema, columns)?).map_err(|error| Error::fatal("a window's rows", error))
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

fn time(ms: i64) -> Result<Timestamp> {
    Timestamp::from_millis(ms).ok_or_else(|| Error::Fatal(format!("window time {ms} ms is out of range")))
}
