//! Rows of a query as plain values: columns by name and type, or an error that names the column.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Decimal128Type, Int64Type, TimestampMillisecondType, UInt16Type, UInt64Type};
use futures::StreamExt;
use pipeline::{Error, Result};
use schemas::money::Total;
use schemas::odds::Odds;
use schemas::time::Timestamp;

use crate::control::Access;

/// Asks for a small answer and waits for all of it.
pub async fn ask(access: &Access, query: &str) -> Result<Vec<RecordBatch>> {
    let mut batches = access.sql(query).await?.batches;
    let mut out = Vec::new();
    while let Some(batch) = batches.next().await {
        out.push(batch?);
    }
    Ok(out)
}

/// Every row of some batches.
pub fn rows(batches: &[RecordBatch]) -> impl Iterator<Item = Row<'_>> {
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |at| Row { batch, at }))
}

/// A row of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    batch: &'a RecordBatch,
    at: usize,
}

impl Row<'_> {
    fn column(&self, name: &str) -> Result<&ArrayRef> {
        self.batch.column_by_name(name).ok_or_else(|| unlike(name))
    }

    /// A cell that may be null, read by `get` out of a column that `typed` makes of the name.
    fn cell<'b, A: Array + 'b, T>(
        &'b self,
        name: &str,
        typed: impl FnOnce(&'b ArrayRef) -> Option<&'b A>,
        get: impl FnOnce(&'b A, usize) -> T,
    ) -> Result<Option<T>> {
        let column = typed(self.column(name)?).ok_or_else(|| unlike(name))?;
        Ok(column.is_valid(self.at).then(|| get(column, self.at)))
    }

    /// A text; empty where it is null.
    pub fn text(&self, name: &str) -> Result<String> {
        let text = self.cell(name, |column| column.as_string_opt::<i32>(), |column, at| column.value(at).to_owned())?;
        Ok(text.unwrap_or_default())
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<Option<u64>> {
        self.cell(name, |column| column.as_primitive_opt::<UInt64Type>(), |column, at| column.value(at))
    }

    /// A small number; 0 where it is null.
    pub fn small(&self, name: &str) -> Result<u16> {
        let number =
            self.cell(name, |column| column.as_primitive_opt::<UInt16Type>(), |column, at| column.value(at))?;
        Ok(number.unwrap_or_default())
    }

    /// A number that may be negative, as counts and lags are.
    pub fn signed(&self, name: &str) -> Result<Option<i64>> {
        self.cell(name, |column| column.as_primitive_opt::<Int64Type>(), |column, at| column.value(at))
    }

    /// A moment.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>> {
        let millis = self.cell(
            name,
            |column| column.as_primitive_opt::<TimestampMillisecondType>(),
            |column, at| column.value(at),
        );
        Ok(millis?.map(Timestamp::from_millis_clamped))
    }

    /// Odds; nothing where they are null or none.
    pub fn odds(&self, name: &str) -> Result<Option<Odds>> {
        let micros =
            self.cell(name, |column| column.as_primitive_opt::<Decimal128Type>(), |column, at| column.value(at));
        Ok(micros?.and_then(|micros| u64::try_from(micros).ok()).and_then(Odds::from_micros))
    }

    /// The items of a list; none where it is null.
    fn items(&self, name: &str) -> Result<Option<ArrayRef>> {
        self.cell(name, |column| column.as_list_opt::<i32>(), |column, at| column.value(at))
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let Some(items) = self.items(name)? else { return Ok(Vec::new()) };
        let items = items.as_string_opt::<i32>().ok_or_else(|| unlike(name))?;
        Ok(items.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
    }

    /// A list of numbers.
    pub fn numbers(&self, name: &str) -> Result<Vec<u64>> {
        let Some(items) = self.items(name)? else { return Ok(Vec::new()) };
        let items = items.as_primitive_opt::<UInt64Type>().ok_or_else(|| unlike(name))?;
        Ok(items.iter().map(Option::unwrap_or_default).collect())
    }

    /// A list of amounts.
    pub fn amounts(&self, name: &str) -> Result<Vec<Total>> {
        let Some(items) = self.items(name)? else { return Ok(Vec::new()) };
        let items = items.as_primitive_opt::<Decimal128Type>().ok_or_else(|| unlike(name))?;
        Ok(items.iter().map(|micros| micros.and_then(Total::from_micros).unwrap_or_default()).collect())
    }
}

fn unlike(column: &str) -> Error {
    Error::Reject(format!(
        "column {column} is missing or of another type; use the same version of oddsmill as the pipeline"
    ))
}

/// Keys as SQL writes a list of them. They are ids that a table gave, and hold no quotes.
pub fn keys<'a>(keys: impl Iterator<Item = &'a str>) -> String {
    keys.map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ")
}
