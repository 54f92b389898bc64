//! The `quotes` table as SQL shows it: a row for each outcome of each quote.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt16Array, UInt64Array};

use super::{ColumnError, build};
use crate::quote::{OutcomeQuote, Quote};

/// Quotes as columns. A quote has at most 1024 outcomes, so an index fits 16 bits.
pub fn to_sql(quotes: &[Quote]) -> Result<RecordBatch, ColumnError> {
    let rows: Vec<(&Quote, u16, &OutcomeQuote)> = quotes
        .iter()
        .flat_map(|quote| (0..=u16::MAX).zip(&quote.outcomes).map(move |(index, outcome)| (quote, index, outcome)))
        .collect();
    let columns: Vec<ArrayRef> = vec![
        build::text(rows.iter().map(|(quote, _, _)| quote.event_uuid)),
        build::text(rows.iter().map(|(quote, _, _)| quote.question_uuid)),
        Arc::new(UInt16Array::from_iter_values(rows.iter().map(|(_, index, _)| *index))),
        build::money(rows.iter().map(|(_, _, outcome)| outcome.probability))?,
        build::optional_money(rows.iter().map(|(_, _, outcome)| outcome.odds))?,
        build::text(rows.iter().map(|(quote, _, _)| &quote.model)),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|(quote, _, _)| quote.revision))),
        build::times(rows.iter().map(|(quote, _, _)| quote.at)),
    ];
    Ok(RecordBatch::try_new(super::quotes(), columns)?)
}
