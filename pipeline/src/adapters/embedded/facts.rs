//! The insert-only table kind: a batch's rows as one columnar block.
//!
//! A row an LSM entry and two index entries a row would cost several microseconds a row. Here a
//! batch of rows is one value; what stays per row is its decision (16-byte key → block, row), and
//! per distinct index key of a block one posting. Four keyspaces a table, the last three of small
//! rows that go through the [`Buffer`]: `facts.T` block → columns; `claims.T` key → decision;
//! `index.T` (index, key, first block) → rows; `overlay.T` (block, row) → the changing columns as they
//! are now.

use std::ops::Bound;
use std::sync::Arc;

use arrow::array::{Array, AsArray, FixedSizeBinaryArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use bytes::Bytes;
use fjall::{Keyspace, OwnedWriteBatch, Readable};

use super::block::{put_varint, varint};
use super::buffer::{Buffer, Known};
use super::changing::Changing;
use super::run::RunWriter;
use super::store::Store;
use super::view::View;
use crate::error::{Error, Result};
use crate::tables::{Claim, ClaimWrite, FactPlace, FactTable, FactsWrite, Page, RowRef};
use crate::window::state;

const OPEN: u8 = 1;

/// One insert-only table's keyspaces.
#[derive(Clone)]
pub struct Facts {
    buffer: Arc<Buffer>,
    blocks: Keyspace,
    claims: Keyspace,
    index: Keyspace,
    overlay: Keyspace,
}

impl Facts {
    /// Opens a table's keyspaces, creating them on first use.
    pub fn open(store: &Store, buffer: Arc<Buffer>, table: &str) -> Result<Facts> {
        Ok(Facts {
            buffer,
            blocks: store.space(&format!("facts.{table}"))?,
            claims: store.space(&format!("claims.{table}"))?,
            index: store.space(&format!("index.{table}"))?,
            overlay: store.space(&format!("overlay.{table}"))?,
        })
    }

    /// The number that the next block gets.
    pub fn next_block(&self) -> Result<u64> {
        match self.blocks.last_key_value() {
            None => Ok(0),
            Some(last) => Ok(block_number(&last.key()?)? + 1),
        }
    }

    /// Reads decisions, in the order asked for.
    pub fn claims(&self, keys: &[[u8; 16]]) -> Result<Vec<Option<Claim>>> {
        let known = self.buffer.get(self.claims.name(), keys.iter().map(|key| &key[..]));
        keys.iter()
            .zip(known)
            .map(|(key, known)| match known {
                Known::Value(value) => decode_claim(&value).map(Some),
                Known::Removed => Ok(None),
                Known::Nothing => self.claims.get(key)?.map(|value| decode_claim(&value)).transpose(),
            })
            .collect()
    }

    /// Adds a block to an atomic write, and its decisions, postings and changed rows to the run
    /// that goes with it.
    pub fn write(
        &self,
        batch: &mut OwnedWriteBatch,
        run: &mut RunWriter,
        block: u64,
        write: &FactsWrite,
    ) -> Result<()> {
        if !write.claims.is_empty() {
            run.begin(self.claims.name(), write.claims.len());
            let mut value = Vec::with_capacity(24);
            for claim in &write.claims {
                value.clear();
                encode_claim(claim, block, &mut value);
                run.push(&claim.key, Some(&value));
            }
        }
        if write.rows.num_rows() > 0 {
            batch.insert(&self.blocks, block.to_be_bytes(), state::encode(&write.rows)?);
            run.begin(self.index.name(), write.rows.num_rows());
            for (number, column) in (0u8..).zip(write.table.indexes) {
                write_postings(run, number, index_column(&write.rows, column)?, block);
            }
        }
        if !write.amended.is_empty() {
            let rows = Changing::of(&write.table)?.encode(&write.changed)?;
            let mut amended: Vec<(RowRef, usize)> = write.amended.iter().copied().zip(0..).collect();
            // Of a fact that changed twice the last change counts.
            amended.sort_unstable();
            run.begin(self.overlay.name(), amended.len());
            for same in amended.chunk_by(|a, b| a.0 == b.0) {
                let Some((at, row)) = same.last() else { continue };
                run.push(&overlay_key(*at), Some(rows.row(*row).data()));
            }
        }
        Ok(())
    }

    /// Reads a block as it went in.
    pub fn written(&self, view: &View, table: &FactTable, block: u64) -> Result<Option<RecordBatch>> {
        let Some(value) = view.trees.get(&self.blocks, block.to_be_bytes())? else { return Ok(None) };
        Ok(Some(state::decode(&table.schema, &value)?))
    }

    /// Reads a block as it is now: later changes applied.
    pub fn block(&self, view: &View, table: &FactTable, block: u64) -> Result<Option<RecordBatch>> {
        let Some(written) = self.written(view, table, block)? else { return Ok(None) };
        self.with_overlay(view, table, block, written).map(Some)
    }

    /// Reads every block in order, each as it is now.
    pub fn blocks<'a>(
        &'a self,
        view: &'a View,
        table: &'a FactTable,
    ) -> impl Iterator<Item = Result<(u64, RecordBatch)>> + 'a {
        view.trees.iter(&self.blocks).map(move |row| {
            let (key, value) = row.into_inner()?;
            let block = block_number(&key)?;
            Ok((block, self.with_overlay(view, table, block, state::decode(&table.schema, &value)?)?))
        })
    }

    fn with_overlay(&self, view: &View, table: &FactTable, block: u64, rows: RecordBatch) -> Result<RecordBatch> {
        let (mut places, mut values) = (Vec::new(), Vec::new());
        for row in view.prefix(&self.overlay, &block.to_be_bytes()) {
            let (key, value) = row?;
            places.push(overlay_row(&key)?);
            values.push(value);
        }
        if places.is_empty() { Ok(rows) } else { Changing::of(table)?.apply(rows, &places, &values) }
    }

    /// At most `limit` facts with an index key that stand after a place, oldest first.
    pub fn page(
        &self,
        view: &View,
        table: &FactTable,
        (number, key): (u8, &[u8]),
        after: Option<RowRef>,
        limit: usize,
    ) -> Result<Page> {
        let mut at: Vec<RowRef> = Vec::new();
        for posting in self.postings_from(view, number, key, after.map_or(0, |after| after.block)) {
            let places = posting_rows(&posting?)?;
            at.extend(places.into_iter().filter(|place| after.is_none_or(|after| *place > after)));
            if at.len() >= limit {
                break;
            }
        }
        at.truncate(limit);
        let mut parts = Vec::new();
        for same in at.chunk_by(|a, b| a.block == b.block) {
            let block = self.block(view, table, same[0].block)?.ok_or_else(|| Error::corrupt("a posting"))?;
            let rows: UInt64Array = same.iter().map(|place| place.row).collect();
            parts.push(take_record_batch(&block, &rows)?);
        }
        let rows = concat_batches(&table.schema, &parts)?;
        Ok(Page { at, rows })
    }

    /// The postings of a key that may name blocks from `block` on, oldest first: one may join several
    /// blocks and is kept under its first.
    fn postings_from<'a>(
        &'a self,
        view: &'a View,
        number: u8,
        key: &[u8],
        block: u64,
    ) -> impl Iterator<Item = Result<Bytes>> + 'a {
        let mut prefix = vec![number];
        prefix.extend_from_slice(key);
        let mut upto = Vec::new();
        posting_key(&mut upto, number, key, block);
        let before = view.range_rev(&self.index, (Bound::Included(&prefix[..]), Bound::Included(&upto[..]))).next();
        let rest = view.prefix_after(&self.index, &prefix, &upto);
        before.into_iter().chain(rest).map(|row| row.map(|(_, value)| value))
    }

    /// Where the rows with an index key stand, newest first.
    pub fn find<'a>(&'a self, view: &'a View, number: u8, key: &'a [u8]) -> impl Iterator<Item = Result<RowRef>> + 'a {
        let mut prefix = vec![number];
        prefix.extend_from_slice(key);
        view.prefix_rev(&self.index, &prefix).flat_map(|posting| {
            match posting.and_then(|(_, rows)| posting_rows(&rows)) {
                Ok(rows) => rows.into_iter().rev().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            }
        })
    }
}

/// Adds one posting for each distinct key of a block, by ascending key.
fn write_postings(run: &mut RunWriter, number: u8, keys: &FixedSizeBinaryArray, block: u64) {
    let key = |row: &u32| keys.value(*row as usize);
    let mut order: Vec<(u64, u32)> = (0..keys.len() as u32).map(|row| (leading(key(&row)), row)).collect();
    // Most keys differ in their first bytes, which compare at once.
    order.sort_unstable_by(|(a, x), (b, y)| a.cmp(b).then_with(|| key(x).cmp(key(y))).then(x.cmp(y)));
    let (mut at, mut rows) = (Vec::new(), Vec::new());
    for same in order.chunk_by(|(a, x), (b, y)| a == b && key(x) == key(y)) {
        at.clear();
        posting_key(&mut at, number, key(&same[0].1), block);
        rows.clear();
        put_varint(&mut rows, block);
        put_varint(&mut rows, same.len() as u64);
        let mut before = 0;
        for (_, row) in same {
            put_varint(&mut rows, u64::from(row - before));
            before = *row;
        }
        run.push(&at, Some(&rows));
    }
}

/// The first eight bytes of a key as a number that orders as they do.
fn leading(key: &[u8]) -> u64 {
    key.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

fn index_column<'a>(rows: &'a RecordBatch, column: &str) -> Result<&'a FixedSizeBinaryArray> {
    rows.column_by_name(column)
        .and_then(|c| c.as_fixed_size_binary_opt())
        .filter(|c| c.null_count() == 0)
        .ok_or_else(|| Error::Fatal(format!("index column {column} is not one of fixed-size bytes without nulls")))
}

fn posting_key(out: &mut Vec<u8>, number: u8, key: &[u8], block: u64) {
    out.push(number);
    out.extend_from_slice(key);
    out.extend_from_slice(&block.to_be_bytes());
}

/// Reads postings, one or several joined, each `block, rows, first row, differences`.
fn posting_rows(mut postings: &[u8]) -> Result<Vec<RowRef>> {
    let mut out = Vec::new();
    while !postings.is_empty() {
        let block = varint(&mut postings)?;
        let mut row = 0u64;
        for _ in 0..varint(&mut postings)? {
            row += varint(&mut postings)?;
            out.push(RowRef { block, row });
        }
    }
    Ok(out)
}

fn block_number(key: &[u8]) -> Result<u64> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| Error::corrupt("a block's key"))
}

fn overlay_key(at: RowRef) -> Vec<u8> {
    // A block has fewer rows than that.
    [&at.block.to_be_bytes()[..], &(at.row as u32).to_be_bytes()[..]].concat()
}

fn overlay_row(key: &[u8]) -> Result<u32> {
    key.get(8..)
        .and_then(|row| row.try_into().ok())
        .map(u32::from_be_bytes)
        .ok_or_else(|| Error::corrupt("an overlay's key"))
}

fn encode_claim(claim: &ClaimWrite, block: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&claim.fingerprint.to_le_bytes());
    out.push(if claim.open { OPEN } else { 0 });
    let at = match claim.fact {
        FactPlace::None => return,
        FactPlace::New(row) => RowRef { block, row: row.into() },
        FactPlace::Stored(at) => at,
    };
    put_varint(out, at.block);
    put_varint(out, at.row);
}

fn decode_claim(value: &[u8]) -> Result<Claim> {
    let bad = || Error::corrupt("a decision");
    let (fingerprint, rest) = value.split_at_checked(8).ok_or_else(bad)?;
    let (flags, mut rest) = rest.split_first().ok_or_else(bad)?;
    let fact = match rest {
        [] => None,
        _ => Some(RowRef { block: varint(&mut rest)?, row: varint(&mut rest)? }),
    };
    let fingerprint = u64::from_le_bytes(fingerprint.try_into().map_err(|_| bad())?);
    Ok(Claim { fingerprint, open: flags & OPEN != 0, fact })
}
