//! Final windows as Parquet, one file a window, in directories by date and hour.
//!
//! Names follow from the window alone and the bytes from its rows, so a window exported again
//! after a crash replaces the file by the same one. Rows are in the order of the window's keys, and
//! the file says so. Ids are text, as in SQL.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Field, Schema};
use arrow::temporal_conversions::timestamp_ms_to_datetime;
use chrono::NaiveDateTime;

use super::times::WindowSettings;
use super::windows::WindowRows;
use crate::error::{Error, Result};
use crate::id_text;
use crate::parquet_file::ParquetFile;

/// Writes a window's file under `dir` and returns its size in bytes:
/// `NAME/date=2022-07-11/hour=14/NAME-2022-07-11T14-35-00Z.parquet`.
pub fn write(dir: &Path, settings: &WindowSettings, window: &WindowRows) -> Result<u64> {
    let rows = shown(window)?;
    let sorted_by: Vec<&str> = settings.plan.sort_columns().iter().map(String::as_str).collect();
    let mut file = ParquetFile::create(&dir.join(path(&window.window, window.start_ms)?), rows.schema(), &sorted_by)?;
    file.write(&rows)?;
    file.finish()
}

/// A window's file in memory: its name under the folder of all files, and its bytes.
pub fn encode(settings: &WindowSettings, window: &WindowRows) -> Result<(String, Vec<u8>)> {
    let dir = tempfile::tempdir()?;
    write(dir.path(), settings, window)?;
    let name = path(&window.window, window.start_ms)?;
    let bytes = std::fs::read(dir.path().join(&name))?;
    let parts: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
    Ok((parts.join("/"), bytes))
}

/// A window's rows as files have them: `window_name`, `window_start` and `window_end` in front, ids
/// as text.
fn shown(window: &WindowRows) -> Result<RecordBatch> {
    let rows = window.rows.num_rows();
    let time = |ms: i64| Arc::new(TimestampMillisecondArray::from(vec![ms; rows]).with_timezone("UTC")) as ArrayRef;
    let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("window_name", Arc::new(StringArray::from(vec![window.window.as_str(); rows])), false),
        ("window_start", time(window.start_ms), false),
        ("window_end", time(window.end_ms), false),
    ];
    let schema = window.rows.schema();
    for (field, column) in schema.fields().iter().zip(window.rows.columns()) {
        columns.push((field.name(), id_text::show(column)?, field.is_nullable()));
    }
    let field =
        |(name, column, nullable): &(&str, ArrayRef, bool)| Field::new(*name, column.data_type().clone(), *nullable);
    let fields: Vec<Field> = columns.iter().map(field).collect();
    let arrays = columns.into_iter().map(|(_, column, _)| column).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

/// The file of something that begins at a time: `NAME/date=2022-07-11/hour=14/NAME-2022-07-11T14-35-00Z.parquet`.
pub fn path(name: &str, at_ms: i64) -> Result<PathBuf> {
    let at = date_time(at_ms)?;
    let (date, hour, time) = (at.format("%Y-%m-%d"), at.format("%H"), at.format("%Y-%m-%dT%H-%M-%SZ"));
    Ok([name.to_owned(), format!("date={date}"), format!("hour={hour}"), format!("{name}-{time}.parquet")]
        .iter()
        .collect())
}

fn date_time(at_ms: i64) -> Result<NaiveDateTime> {
    timestamp_ms_to_datetime(at_ms).ok_or_else(|| Error::Fatal(format!("time {at_ms} ms is no date")))
}
