//! Cutting states by window, and sorting columns by their keys.

use std::collections::BTreeMap;

use datafusion::arrow::array::{ArrayRef, AsArray, UInt32Array};
use datafusion::arrow::compute::take_arrays;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::Result as DataFusionResult;

/// Cuts columns by the first of them, ascending.
pub fn split_by_start(columns: Vec<ArrayRef>) -> DataFusionResult<Vec<(i64, Vec<ArrayRef>)>> {
    let mut windows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    if let Some(starts) = columns.first().and_then(|starts| starts.as_primitive_opt::<Int64Type>()) {
        for (row, start) in (0_u32..).zip(starts.values()) {
            windows.entry(*start).or_default().push(row);
        }
    }
    if let (1, Some(start)) = (windows.len(), windows.keys().next()) {
        return Ok(vec![(*start, columns)]);
    }
    let part = |(start, rows)| Ok((start, take_arrays(&columns, &UInt32Array::from(rows), None)?));
    windows.into_iter().map(part).collect()
}

/// Sorts key columns; the first `keys` of them count. Beside them, the order of their rows.
pub fn sorted(columns: Vec<ArrayRef>, keys: usize) -> DataFusionResult<(Vec<ArrayRef>, Vec<u32>)> {
    let (keys, _) = columns.split_at(keys.min(columns.len()));
    let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(keys)?;
    let mut order: Vec<u32> = (0_u32..).take(rows.num_rows()).collect();
    order.sort_unstable_by(|a, b| rows.row(*a as usize).cmp(&rows.row(*b as usize)));
    let columns = take_arrays(&columns, &UInt32Array::from(order.clone()), None)?;
    Ok((columns, order))
}
