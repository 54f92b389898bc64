//! The table `bets`: blocks read one by one, or single rows through the indexes.
//!
//! A scan decodes a block, cuts it into batches and renders the columns asked for. A query with
//! filters on keys finds the places of the rows first, newest first, and reads only the blocks
//! they stand in.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, UInt64Array};
use arrow::compute::{TakeOptions, take, take_record_batch};
use arrow::datatypes::{Field, UInt8Type, UInt32Type};
use pipeline::Result;
use pipeline::tables::RowRef;
use schemas::bet_row::{BetStatus, RejectReason, shard_name};
use schemas::log_position::LogPosition;

use super::ask::{Ask, Keys};
use super::catalog::Batches;
use super::render;
use super::session::BATCH_ROWS;
use super::view::View;

/// Fewer blocks than this are read in one part, in the order of their decisions.
const MIN_BLOCKS: u64 = 8;
/// Parts of a scan: as many as a query has threads.
const PARTS: usize = 2;

/// In how many parts the table is read: one where an order of rows is to be expected.
pub fn parts(view: &View, ask: &Ask) -> Result<usize> {
    let whole = ask.keys.is_empty() && ask.limit.is_none() && view.blocks()? >= MIN_BLOCKS;
    Ok(if whole { PARTS } else { 1 })
}

/// Reads one part.
pub fn read(view: Arc<View>, ask: Arc<Ask>, part: usize, parts: usize) -> Result<Batches> {
    if !ask.keys.is_empty() {
        return lookup(view, ask);
    }
    let blocks = view.blocks()?;
    let (part, parts) = (part as u64, parts.max(1) as u64);
    let numbers = blocks * part / parts..blocks * (part + 1) / parts;
    let read = numbers.map_while(move |number| view.block(number).transpose());
    Ok(Box::new(read.flat_map(move |block| {
        let ask = ask.clone();
        cut(block).map(move |rows| shown(&rows?, &ask))
    })))
}

/// A block in batches of the size that queries work on.
fn cut(block: Result<RecordBatch>) -> impl Iterator<Item = Result<RecordBatch>> {
    let (block, error) = match block {
        Ok(block) => (Some(block), None),
        Err(error) => (None, Some(Err(error))),
    };
    let batches = block.into_iter().flat_map(|block| {
        let rows = block.num_rows();
        (0..rows).step_by(BATCH_ROWS).map(move |from| Ok(block.slice(from, BATCH_ROWS.min(rows - from))))
    });
    batches.chain(error)
}

/// Reads the rows that have the keys asked for, newest first.
fn lookup(view: Arc<View>, ask: Arc<Ask>) -> Result<Batches> {
    let mut places = places(&view, &ask)?;
    places.truncate(ask.limit.unwrap_or(usize::MAX));
    let blocks: Vec<Vec<RowRef>> = places.chunk_by(|a, b| a.block == b.block).map(<[RowRef]>::to_vec).collect();
    Ok(Box::new(blocks.into_iter().filter_map(move |places| {
        let block = match view.block(places.first()?.block) {
            // Decided after the view was taken.
            Ok(None) => return None,
            Ok(Some(block)) => block,
            Err(error) => return Some(Err(error)),
        };
        let rows: UInt64Array = places.iter().map(|place| place.row).collect();
        Some(take_record_batch(&block, &rows).map_err(Into::into).and_then(|rows| shown(&rows, &ask)))
    })))
}

/// Where the rows stand that have one of the keys of every filter, newest first.
fn places(view: &View, ask: &Ask) -> Result<Vec<RowRef>> {
    let mut found: Option<BTreeSet<RowRef>> = None;
    for keys in &ask.keys {
        // With one key of one filter, the first places are the newest, and enough.
        let alone = ask.keys.len() == 1 && keys.any_of.len() == 1;
        let limit = ask.limit.filter(|_| alone).unwrap_or(usize::MAX);
        let these = with_keys(view, keys, limit)?;
        found = Some(match found {
            None => these,
            Some(before) => before.intersection(&these).copied().collect(),
        });
    }
    Ok(found.unwrap_or_default().into_iter().rev().collect())
}

fn with_keys(view: &View, keys: &Keys, limit: usize) -> Result<BTreeSet<RowRef>> {
    if keys.column == "bet_uuid" {
        let ids: Vec<[u8; 16]> = keys.any_of.iter().filter_map(|key| key.as_slice().try_into().ok()).collect();
        let claims = view.tables.claims(&view.node.bets, &ids)?;
        return Ok(claims.into_iter().flatten().filter_map(|claim| claim.fact).collect());
    }
    let mut places = BTreeSet::new();
    for key in &keys.any_of {
        places.extend(view.find(keys.column, key, limit)?);
    }
    Ok(places)
}

/// Rows of a block as the whole table shows them.
pub fn as_shown(rows: &RecordBatch) -> Result<RecordBatch> {
    let schema = schemas::columns::bets();
    let columns = schema.fields().iter().map(|field| column(rows, field)).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// Rows of a block in the columns asked for.
fn shown(rows: &RecordBatch, ask: &Ask) -> Result<RecordBatch> {
    let columns = ask.schema.fields().iter().map(|field| column(rows, field)).collect::<Result<Vec<_>>>()?;
    // Without columns, as for count(*), the number of rows is all that there is.
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(ask.schema.clone(), columns, &options)?)
}

fn column(rows: &RecordBatch, field: &Field) -> Result<ArrayRef> {
    match field.name().as_str() {
        "active" => {
            let active = BetStatus::ALL.iter().map(|status| Some(*status == BetStatus::Accepted));
            named(rows, "status", &active.collect::<BooleanArray>())
        }
        "status" => named(rows, "status", &StringArray::from_iter_values(BetStatus::ALL.iter().map(|s| s.as_str()))),
        "result" => named(rows, "result", &StringArray::from_iter_values(BetStatus::ALL.iter().map(|s| s.as_str()))),
        "reject_reason" => {
            let reasons = RejectReason::ALL.iter().map(|reason| reason.as_str());
            named(rows, "reject_reason", &StringArray::from_iter_values(reasons))
        }
        "shard" => shards(rows),
        "position" => {
            let positions = rows.column_by_name("position").and_then(|c| c.as_fixed_size_binary_opt());
            let positions = positions.ok_or_else(|| render::lacks("position"))?;
            let text = |bytes: Option<&[u8]>| Some(LogPosition::from_bytes(bytes?.try_into().ok()?).to_string());
            Ok(Arc::new(positions.iter().map(text).collect::<StringArray>()))
        }
        _ => render::column(rows, field),
    }
}

/// What each row's code stands for; `values` are in the order of the codes, which count from 0.
fn named(rows: &RecordBatch, name: &str, values: &dyn Array) -> Result<ArrayRef> {
    let codes = rows.column_by_name(name).and_then(|c| c.as_primitive_opt::<UInt8Type>());
    let codes = codes.ok_or_else(|| render::lacks(name))?;
    Ok(take(values, codes, Some(TakeOptions { check_bounds: true }))?)
}

fn shards(rows: &RecordBatch) -> Result<ArrayRef> {
    let numbers = rows.column_by_name("shard").and_then(|c| c.as_primitive_opt::<UInt32Type>());
    let numbers = numbers.ok_or_else(|| render::lacks("shard"))?.values();
    // Neighbours mostly come from one shard, and share its name's text.
    let mut named = (u32::MAX, shard_name(u32::MAX));
    let mut names = arrow::array::StringBuilder::with_capacity(numbers.len(), numbers.len() * named.1.len());
    for number in numbers {
        if named.0 != *number {
            named = (*number, shard_name(*number));
        }
        names.append_value(&named.1);
    }
    Ok(Arc::new(names.finish()))
}
