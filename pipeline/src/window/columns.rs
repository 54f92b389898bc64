//! Cutting states by window, and sorting columns by their keys.

use std::collections::BTreeMap;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_arrays;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::Result as DataFusionResult;

/// Cuts a state by its first column. Each part owns its memory: parts outlive the batch.
pub fn split_by_window(states: RecordBatch) -> DataFusionResult<Vec<(i64, RecordBatch)>> {
    let starts = states.column(0).as_primitive::<Int64Type>();
    let Some(first) = starts.values().first().copied() else {
        return Ok(Vec::new());
    };
    if starts.values().iter().all(|start| *start == first) {
        return Ok(vec![(first, states)]);
    }
    let mut windows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for (row, start) in (0_u32..).zip(starts.values()) {
        windows.entry(*start).or_default().push(row);
    }
    let mut parts = Vec::with_capacity(windows.len());
    for (start, rows) in windows {
        let columns = take_arrays(states.columns(), &UInt32Array::from(rows), None)?;
        parts.push((start, RecordBatch::try_new(states.schema(), columns)?));
    }
    Ok(parts)
}

/// Sorts columns by the first `keys` of them.
pub fn sorted(columns: Vec<ArrayRef>, keys: usize) -> DataFusionResult<Vec<ArrayRef>> {
    let (keys, _) = columns.split_at(keys.min(columns.len()));
    let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(keys)?;
    let mut order: Vec<u32> = (0_u32..).take(rows.num_rows()).collect();
    order.sort_unstable_by(|a, b| rows.row(*a as usize).cmp(&rows.row(*b as usize)));
    Ok(take_arrays(&columns, &UInt32Array::from(order), None)?)
}
