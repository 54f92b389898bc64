//! The insert-only table kind: a batch's rows as one columnar block.
//!
//! A row an LSM entry and two index entries a row would cost several microseconds a row. Here a
//! batch of rows is one value; what stays per row is its decision (16-byte key → block, row), and
//! per distinct index key of a block one posting. Four keyspaces a table:
//! `facts.T` block → columns; `claims.T` key → decision; `index.T` (index, key, block) → rows;
//! `overlay.T` (block, row) → the row as it is now, for the few that change later.

use arrow::array::{Array, AsArray, RecordBatch};
use fjall::{Keyspace, OwnedWriteBatch, Readable, Snapshot};

use super::block::{put_varint, varint};
use super::store::{Layout, Store};
use crate::error::{Error, Result};
use crate::tables::{Claim, ClaimWrite, FactPlace, FactTable, FactsWrite, RowRef};
use crate::window::state;

const OPEN: u8 = 1;

/// One insert-only table's keyspaces.
#[derive(Clone)]
pub struct Facts {
    blocks: Keyspace,
    claims: Keyspace,
    index: Keyspace,
    overlay: Keyspace,
}

impl Facts {
    /// Opens a table's keyspaces, creating them on first use.
    pub fn open(store: &Store, table: &str) -> Result<Facts> {
        Ok(Facts {
            blocks: store.space(&format!("facts.{table}"), Layout::Blobs)?,
            claims: store.space(&format!("claims.{table}"), Layout::Rows)?,
            index: store.space(&format!("index.{table}"), Layout::Rows)?,
            overlay: store.space(&format!("overlay.{table}"), Layout::Rows)?,
        })
    }

    /// The number that the next block gets.
    pub fn next_block(&self) -> Result<u64> {
        match self.blocks.last_key_value() {
            None => Ok(0),
            Some(last) => Ok(block_number(&last.key()?)? + 1),
        }
    }

    /// Reads a decision.
    pub fn claim(&self, key: &[u8; 16]) -> Result<Option<Claim>> {
        self.claims.get(key)?.map(|value| decode_claim(&value)).transpose()
    }

    /// Adds a block, its decisions, postings and changed rows to an atomic write.
    pub fn write(&self, batch: &mut OwnedWriteBatch, block: u64, write: &FactsWrite) -> Result<()> {
        if write.rows.num_rows() > 0 {
            batch.insert(&self.blocks, block.to_be_bytes(), state::encode(&write.rows)?);
            for (number, column) in (0u8..).zip(write.table.indexes) {
                self.write_postings(batch, number, column, block, &write.rows)?;
            }
        }
        for claim in &write.claims {
            batch.insert(&self.claims, claim.key, encode_claim(claim, block));
        }
        for (at, row) in &write.amended {
            batch.insert(&self.overlay, overlay_key(*at), state::encode(row)?);
        }
        Ok(())
    }

    fn write_postings(
        &self,
        batch: &mut OwnedWriteBatch,
        number: u8,
        column: &str,
        block: u64,
        rows: &RecordBatch,
    ) -> Result<()> {
        let keys = index_column(rows, column)?;
        let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
        order.sort_unstable_by(|a, b| keys.value(*a as usize).cmp(keys.value(*b as usize)).then(a.cmp(b)));
        for same in order.chunk_by(|a, b| keys.value(*a as usize) == keys.value(*b as usize)) {
            let key = posting_key(number, keys.value(same[0] as usize), block);
            let mut rows = Vec::with_capacity(same.len() * 2);
            let mut before = 0;
            for row in same {
                put_varint(&mut rows, u64::from(row - before));
                before = *row;
            }
            batch.insert(&self.index, key, rows);
        }
        Ok(())
    }

    /// Reads a block as it is now: later changes applied.
    pub fn block(&self, snapshot: &Snapshot, table: &FactTable, block: u64) -> Result<Option<RecordBatch>> {
        let Some(value) = snapshot.get(&self.blocks, block.to_be_bytes())? else { return Ok(None) };
        self.with_overlay(snapshot, table, block, state::decode(&table.schema, &value)?).map(Some)
    }

    /// Reads every block in order, each as it is now.
    pub fn blocks<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        table: &'a FactTable,
    ) -> impl Iterator<Item = Result<(u64, RecordBatch)>> + 'a {
        snapshot.iter(&self.blocks).map(move |row| {
            let (key, value) = row.into_inner()?;
            let block = block_number(&key)?;
            Ok((block, self.with_overlay(snapshot, table, block, state::decode(&table.schema, &value)?)?))
        })
    }

    fn with_overlay(
        &self,
        snapshot: &Snapshot,
        table: &FactTable,
        block: u64,
        rows: RecordBatch,
    ) -> Result<RecordBatch> {
        let mut changed = Vec::new();
        for row in snapshot.prefix(&self.overlay, block.to_be_bytes()) {
            let (key, value) = row.into_inner()?;
            changed.push((overlay_row(&key)?, state::decode(&table.schema, &value)?));
        }
        if changed.is_empty() {
            return Ok(rows);
        }
        // Source 0 is the block; source n is the nth changed row.
        let mut picks: Vec<(usize, usize)> = (0..rows.num_rows()).map(|row| (0, row)).collect();
        for (source, (row, _)) in (1..).zip(&changed) {
            let pick =
                picks.get_mut(*row as usize).ok_or_else(|| Error::corrupt(format!("overlay of block {block}")))?;
            *pick = (source, 0);
        }
        let sources: Vec<&RecordBatch> = std::iter::once(&rows).chain(changed.iter().map(|(_, row)| row)).collect();
        Ok(arrow::compute::interleave_record_batch(&sources, &picks)?)
    }

    /// Where the rows with an index key stand, newest first.
    pub fn find<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        number: u8,
        key: &'a [u8],
    ) -> impl Iterator<Item = Result<RowRef>> + 'a {
        let mut prefix = vec![number];
        prefix.extend_from_slice(key);
        snapshot.prefix(&self.index, prefix).rev().flat_map(|posting| {
            let rows = posting.into_inner().map_err(Error::from).and_then(|(key, rows)| posting_rows(&key, &rows));
            match rows {
                Ok(rows) => rows.into_iter().rev().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            }
        })
    }
}

fn index_column<'a>(rows: &'a RecordBatch, column: &str) -> Result<&'a arrow::array::FixedSizeBinaryArray> {
    rows.column_by_name(column)
        .and_then(|c| c.as_fixed_size_binary_opt())
        .filter(|c| c.null_count() == 0)
        .ok_or_else(|| Error::Fatal(format!("index column {column} is not one of fixed-size bytes without nulls")))
}

fn posting_key(number: u8, key: &[u8], block: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 9);
    out.push(number);
    out.extend_from_slice(key);
    out.extend_from_slice(&block.to_be_bytes());
    out
}

fn posting_rows(key: &[u8], mut rows: &[u8]) -> Result<Vec<RowRef>> {
    let block = block_number(key.get(key.len().saturating_sub(8)..).unwrap_or_default())?;
    let (mut out, mut row) = (Vec::new(), 0u64);
    while !rows.is_empty() {
        row += varint(&mut rows)?;
        out.push(RowRef { block, row: u32::try_from(row).map_err(|_| Error::corrupt("a posting"))? });
    }
    Ok(out)
}

fn block_number(key: &[u8]) -> Result<u64> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| Error::corrupt("a block's key"))
}

fn overlay_key(at: RowRef) -> Vec<u8> {
    [&at.block.to_be_bytes()[..], &at.row.to_be_bytes()[..]].concat()
}

fn overlay_row(key: &[u8]) -> Result<u32> {
    key.get(8..)
        .and_then(|row| row.try_into().ok())
        .map(u32::from_be_bytes)
        .ok_or_else(|| Error::corrupt("an overlay's key"))
}

fn encode_claim(claim: &ClaimWrite, block: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(18);
    out.extend_from_slice(&claim.fingerprint.to_le_bytes());
    out.push(if claim.open { OPEN } else { 0 });
    let at = match claim.fact {
        FactPlace::None => return out,
        FactPlace::New(row) => RowRef { block, row },
        FactPlace::Stored(at) => at,
    };
    put_varint(&mut out, at.block);
    put_varint(&mut out, u64::from(at.row));
    out
}

fn decode_claim(value: &[u8]) -> Result<Claim> {
    let bad = || Error::corrupt("a decision");
    let (fingerprint, rest) = value.split_at_checked(8).ok_or_else(bad)?;
    let (flags, mut rest) = rest.split_first().ok_or_else(bad)?;
    let fact = match rest {
        [] => None,
        _ => Some(RowRef { block: varint(&mut rest)?, row: u32::try_from(varint(&mut rest)?).map_err(|_| bad())? }),
    };
    let fingerprint = u64::from_le_bytes(fingerprint.try_into().map_err(|_| bad())?);
    Ok(Claim { fingerprint, open: flags & OPEN != 0, fact })
}
