//! Final windows as Parquet, one file a window, in directories by date and hour.
//!
//! Names follow from the window alone and the bytes from its rows, so a window exported again
//! after a crash replaces the file by the same one. A file appears whole: it is written beside
//! its name and renamed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::windows::WindowRows;
use crate::error::{Error, Result};

/// Writes a window's file under `dir` and returns its path:
/// `NAME/date=2022-07-11/hour=14/NAME-2022-07-11T14-35-00Z.parquet`.
pub fn write(dir: &Path, window: &WindowRows) -> Result<PathBuf> {
    let path = dir.join(file_path(&window.window, window.start_ms)?);
    let failed = |e: &dyn std::fmt::Display| Error::fatal(&format!("export to {}", path.display()), e);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent).map_err(|e| failed(&e))?;
    let temporary = path.with_extension("parquet.tmp");
    let rows = with_window(window)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("oddsmill".into())
        .build();
    let file = File::create(&temporary).map_err(|e| failed(&e))?;
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).map_err(|e| failed(&e))?;
    writer.write(&rows).map_err(|e| failed(&e))?;
    writer.into_inner().map_err(|e| failed(&e))?.sync_all().map_err(|e| failed(&e))?;
    fs::rename(&temporary, &path).map_err(|e| failed(&e))?;
    File::open(parent).and_then(|d| d.sync_all()).map_err(|e| failed(&e))?;
    Ok(path)
}

/// The rows with `window_name`, `window_start` and `window_end` in front.
pub fn with_window(window: &WindowRows) -> Result<RecordBatch> {
    let rows = window.rows.num_rows();
    let time = |ms: i64| Arc::new(TimestampMillisecondArray::from(vec![ms; rows]).with_timezone("UTC")) as ArrayRef;
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("window_name", Arc::new(StringArray::from(vec![window.window.as_str(); rows]))),
        ("window_start", time(window.start_ms)),
        ("window_end", time(window.end_ms)),
    ];
    let schema = window.rows.schema();
    columns.extend(schema.fields().iter().map(|f| f.name().as_str()).zip(window.rows.columns().iter().cloned()));
    let fields: Vec<Field> =
        columns.iter().map(|(name, c)| Field::new(*name, c.data_type().clone(), c.is_nullable())).collect();
    let arrays = columns.into_iter().map(|(_, c)| c).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn file_path(name: &str, start_ms: i64) -> Result<PathBuf> {
    let start = arrow::temporal_conversions::timestamp_ms_to_datetime(start_ms)
        .ok_or_else(|| Error::Fatal(format!("window start {start_ms} ms is no date")))?;
    let text = start.format("%Y-%m-%dT%H-%M-%SZ");
    Ok(PathBuf::from(name)
        .join(format!("date={}", start.format("%Y-%m-%d")))
        .join(format!("hour={}", start.format("%H")))
        .join(format!("{name}-{text}.parquet")))
}
