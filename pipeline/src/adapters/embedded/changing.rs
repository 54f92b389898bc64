//! The part of a fact that later changes touch, as one short value.
//!
//! Settling changes every bet of a question once or twice, so a change must cost tens of bytes: the
//! changing columns of a row in Arrow's row format (the format that sorts and groups use). They are
//! read back together with their table's schema only.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::interleave;
use arrow::row::{RowConverter, Rows, SortField};
use bytes::Bytes;

use crate::error::{Error, Result};
use crate::tables::FactTable;

/// The changing columns of a table.
pub struct Changing {
    /// Their places in the table's schema.
    columns: Vec<usize>,
    converter: RowConverter,
}

impl Changing {
    /// Those of a table.
    pub fn of(table: &FactTable) -> Result<Changing> {
        let column = |name: &&str| Ok(table.schema.index_of(name)?);
        let columns = table.changing.iter().map(column).collect::<Result<Vec<_>>>()?;
        let fields = columns.iter().map(|at| SortField::new(table.schema.field(*at).data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        Ok(Changing { columns, converter })
    }

    /// The values of some rows, in their order.
    pub fn encode(&self, rows: &RecordBatch) -> Result<Rows> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|at| rows.column(*at).clone()).collect();
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// Rows with some of them changed: `places` names the rows, `values` what was encoded of each.
    pub fn apply(&self, rows: RecordBatch, places: &[u32], values: &[Bytes]) -> Result<RecordBatch> {
        let parser = self.converter.parser();
        let changed = self.converter.convert_rows(values.iter().map(|value| parser.parse(value)))?;
        // Source 0 is as it went in, source 1 as it was changed.
        let mut picks: Vec<(usize, usize)> = (0..rows.num_rows()).map(|row| (0, row)).collect();
        for (change, place) in places.iter().enumerate() {
            *picks.get_mut(*place as usize).ok_or_else(|| Error::corrupt("a changed row"))? = (1, change);
        }
        let mut columns = rows.columns().to_vec();
        for (at, now) in self.columns.iter().zip(&changed) {
            columns[*at] = interleave(&[columns[*at].as_ref(), now.as_ref()], &picks)?;
        }
        Ok(RecordBatch::try_new(Arc::clone(rows.schema_ref()), columns)?)
    }
}
