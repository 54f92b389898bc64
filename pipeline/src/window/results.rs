//! Stored results of windows: one value a window, a revision a row.
//!
//! A row's revision grows only when its values change, so a tick that changes nothing publishes
//! nothing, and the same window closed again after a crash gives the same bytes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, UInt32Type};
use arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;

use super::partials::window_key;
use super::windows::WindowRows;
use super::{WindowPlan, state};
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::tables::{Tables, system};

/// A window's rows, all of them and those that are new or changed.
pub struct Stored {
    /// Every row, sorted by key.
    pub all: RecordBatch,
    /// The rows whose values are new.
    pub changed: RecordBatch,
}

/// The columns of stored results: the SELECT's, then `revision`, `final`, and `watermark`: everything
/// that arrived before it is counted (null while a window is open and nothing was published).
pub fn schema(plan: &WindowPlan) -> SchemaRef {
    revised(&plan.result_schema())
}

fn revised(result: &Schema) -> SchemaRef {
    let mut fields: Vec<_> = result.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("revision", DataType::UInt32, false)));
    fields.push(Arc::new(Field::new("final", DataType::Boolean, false)));
    fields.push(Arc::new(Field::new(
        "watermark",
        DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        true,
    )));
    Arc::new(Schema::new(fields))
}

/// Adds the columns of [`schema`] to results.
pub fn with_revision(
    result: &RecordBatch,
    revisions: &[u32],
    is_final: bool,
    watermark: Option<Arrival>,
) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = result.columns().to_vec();
    columns.push(Arc::new(UInt32Array::from(revisions.to_vec())));
    columns.push(Arc::new(BooleanArray::from(vec![is_final; result.num_rows()])));
    let watermarks = TimestampMillisecondArray::from(vec![watermark.map(|at| at.0); result.num_rows()]);
    columns.push(Arc::new(watermarks.with_timezone("UTC")));
    Ok(RecordBatch::try_new(revised(&result.schema()), columns)?)
}

/// The key of a window's rows in [`system::RESULTS`].
pub fn key(name: &str, start: i64) -> Vec<u8> {
    window_key(name, start)
}

/// Reads what is stored of a window.
pub async fn load(tables: &Tables, name: &str, start: i64, plan: &WindowPlan) -> Result<Option<RecordBatch>> {
    let values = tables.get(system::RESULTS, &[window_key(name, start)]).await?;
    values.into_iter().flatten().next().map(|value| Ok(state::decode(&schema(plan), &value)?)).transpose()
}

/// Reads the stored results of every window of a job, oldest first.
pub async fn load_all(tables: &Tables, name: &str, length_ms: i64, plan: &WindowPlan) -> Result<Vec<WindowRows>> {
    let mut prefix = name.as_bytes().to_vec();
    prefix.push(0);
    let mut out = Vec::new();
    for (key, value) in tables.scan(system::RESULTS, &prefix).await? {
        let start = key.get(prefix.len()..).and_then(|start| start.try_into().ok()).map(i64::from_be_bytes);
        let start_ms = start.ok_or_else(|| Error::corrupt("a result's key"))?;
        let rows = state::decode(&schema(plan), &value)?;
        out.push(WindowRows { window: name.to_owned(), start_ms, end_ms: start_ms + length_ms, rows });
    }
    Ok(out)
}

/// Gives each row of a window's result its revision: the one before where its values are the
/// same, the next one where they are not, 1 where the row is new.
pub fn revise(
    plan: &WindowPlan,
    before: Option<&RecordBatch>,
    result: &RecordBatch,
    is_final: bool,
    watermark: Arrival,
) -> Result<Stored> {
    let Some(before) = before else {
        let all = with_revision(result, &vec![1; result.num_rows()], is_final, Some(watermark))?;
        return Ok(Stored { changed: all.clone(), all });
    };
    let old = before.project(&(0..result.num_columns()).collect::<Vec<_>>())?;
    let revisions = before
        .column_by_name("revision")
        .and_then(|c| c.as_primitive_opt::<UInt32Type>())
        .ok_or_else(|| Error::corrupt("stored results without revisions"))?;
    let (old_keys, new_keys) = (keys(&old, plan)?, keys(result, plan)?);
    let values = RowConverter::new(result.columns().iter().map(|c| SortField::new(c.data_type().clone())).collect())?;
    let (old_values, new_values) = (values.convert_columns(old.columns())?, values.convert_columns(result.columns())?);
    let places: HashMap<&[u8], usize> = (0..).zip(&old_keys).map(|(place, key)| (&key[..], place)).collect();
    let mut next = Vec::with_capacity(result.num_rows());
    let mut changed = Vec::with_capacity(result.num_rows());
    for (row, key) in new_keys.iter().enumerate() {
        let earlier = places.get(&key[..]);
        let same = earlier.is_some_and(|place| old_values.row(*place) == new_values.row(row));
        let revision = earlier.map_or(0, |place| revisions.value(*place));
        next.push(if same { revision } else { revision + 1 });
        changed.push(!same);
    }
    let all = with_revision(result, &next, is_final, Some(watermark))?;
    let changed = filter_record_batch(&all, &BooleanArray::from(changed))?;
    Ok(Stored { all, changed })
}

/// The key of each row; without GROUP BY there is one row, under the empty key.
fn keys(rows: &RecordBatch, plan: &WindowPlan) -> Result<Vec<Vec<u8>>> {
    if plan.key_columns().is_empty() {
        return Ok(vec![Vec::new(); rows.num_rows()]);
    }
    let columns = plan.key_columns().iter().map(|key| key_column(rows, key)).collect::<Result<Vec<_>>>()?;
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let keys = RowConverter::new(fields)?.convert_columns(&columns)?;
    Ok(keys.iter().map(|key| key.data().to_vec()).collect())
}

fn key_column(rows: &RecordBatch, key: &str) -> Result<ArrayRef> {
    rows.column_by_name(key).cloned().ok_or_else(|| Error::corrupt(format!("results without column {key}")))
}
