//! The table `dead_letters`: records that could not be applied, with their bytes.
//!
//! `id` is what the commands on dead letters take: stream, shard number and position.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use pipeline::Result;
use pipeline::dead_letter::DeadLetter;
use pipeline::tables::system;
use schemas::columns;

use super::ask::Ask;
use super::catalog::Batches;
use super::view::{Pages, View};

/// Rows of a page: each has up to a megabyte of bytes.
const PAGE_LETTERS: usize = 32;

/// The table's columns: the reference's, and how often the record was redriven.
pub fn schema() -> SchemaRef {
    let mut fields: Vec<_> = columns::dead_letters().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("redriven", DataType::UInt64, false)));
    Arc::new(Schema::new(fields))
}

/// Reads the table, in the order of streams, shards and positions.
pub fn read(view: Arc<View>, ask: Arc<Ask>) -> Batches {
    if let Some(ids) = ask.keys_of("id") {
        let rows = ids.iter().map(|key| view.tables.get(system::DEAD_LETTERS, key)).collect::<Result<Vec<_>>>();
        let batch = rows.and_then(|rows| columns(rows.into_iter().flatten(), &ask));
        return Box::new(std::iter::once(batch));
    }
    let pages = Pages::all(view, system::DEAD_LETTERS, ask.page(PAGE_LETTERS));
    Box::new(pages.map(move |page| columns(page?.into_iter().map(|(_, value)| value), &ask)))
}

fn columns(rows: impl Iterator<Item = Vec<u8>>, ask: &Ask) -> Result<RecordBatch> {
    let letters = rows.map(|bytes| DeadLetter::decode(&bytes)).collect::<Result<Vec<_>>>()?;
    let text =
        |of: fn(&DeadLetter) -> String| Arc::new(StringArray::from_iter_values(letters.iter().map(of))) as ArrayRef;
    let arrived: TimestampMillisecondArray = letters.iter().map(|letter| Some(letter.arrived_at.0)).collect();
    let columns: Vec<ArrayRef> = vec![
        text(DeadLetter::id),
        text(|letter| letter.stream.clone()),
        text(|letter| letter.shard.to_string()),
        text(|letter| letter.position.to_string()),
        Arc::new(arrived.with_timezone("UTC")),
        text(|letter| letter.reject.reason.as_str().to_owned()),
        text(|letter| letter.reject.detail.clone()),
        Arc::new(BinaryArray::from_iter_values(letters.iter().map(|letter| &letter.bytes))),
        Arc::new(UInt64Array::from_iter_values(letters.iter().map(|letter| letter.redriven))),
    ];
    ask.project(&RecordBatch::try_new(schema(), columns)?)
}
