//! The tables port: keyed rows, insert-only facts, and one atomic commit of a batch's effects.
//!
//! Guarantee: a commit is seen whole or not at all, also after a crash; what it wrote is read
//! by the next read of the same process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

#[cfg(feature = "aws")]
use crate::adapters::aws::Aws;
#[cfg(feature = "aws")]
use crate::adapters::aws::tables::DynamoTables;
use crate::adapters::embedded::EmbeddedTables;
#[cfg(feature = "aws")]
use crate::error::Error;
use crate::error::Result;
use crate::record::Append;

/// Names of the engine's own tables.
pub mod system {
    /// (loop, stream, shard) → position and effective arrival; (loop) → frontier.
    pub const CHECKPOINTS: &str = "sys.checkpoints";
    /// (loop, due, key) → nothing: the timers that wait.
    pub const TIMERS: &str = "sys.timers";
    /// (window, start) → phase, and (window, start, number) → a partial.
    pub const WINDOWS: &str = "sys.windows";
    /// (window, start) → the latest result of every group, in columns.
    pub const RESULTS: &str = "sys.results";
    /// (stream, shard, position) → what could not be applied, and why.
    pub const DEAD_LETTERS: &str = "sys.dead_letters";
    /// source fingerprint → how many of its records are in the log.
    pub const SOURCES: &str = "sys.sources";
}

/// An insert-only table: rows go in once, in columnar blocks, and are found by key or by index.
#[derive(Debug)]
pub struct FactTable {
    /// Its name.
    pub name: &'static str,
    /// The columns of its blocks.
    pub schema: SchemaRef,
    /// Columns of fixed-size bytes to find rows by.
    pub indexes: &'static [&'static str],
    /// The columns that a later change may touch; the others stay as they went in.
    pub changing: &'static [&'static str],
}

/// Where a fact stands: its block, numbered in the order of commits, and the row there; or, in tables
/// without blocks, the two halves of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowRef {
    /// The block's number, or the first half of the key.
    pub block: u64,
    /// The row in the block, or the second half of the key.
    pub row: u64,
}

/// A stored decision: which body was decided under a key, and where its fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Hash of the body that was decided: tells a repeat from a conflict.
    pub fingerprint: u64,
    /// Whether the same body may be decided again (its first decision was provisional).
    pub open: bool,
    /// The fact it led to, if any.
    pub fact: Option<RowRef>,
}

/// A fact's place, as a claim to be written names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactPlace {
    /// The decision leaves no fact.
    None,
    /// This row of the block in the same write.
    New(u32),
    /// A fact that stands already.
    Stored(RowRef),
}

/// A decision to write.
#[derive(Debug, Clone, Copy)]
pub struct ClaimWrite {
    /// The decision's key: the event's id.
    pub key: [u8; 16],
    /// See [`Claim::fingerprint`].
    pub fingerprint: u64,
    /// See [`Claim::open`].
    pub open: bool,
    /// Where the fact is.
    pub fact: FactPlace,
}

/// New facts of one table with their decisions.
#[derive(Debug)]
pub struct FactsWrite {
    /// The table.
    pub table: Arc<FactTable>,
    /// The new rows, in the order decided; may be empty.
    pub rows: RecordBatch,
    /// Decisions, of new facts and of events that leave none; by ascending key, each once.
    pub claims: Vec<ClaimWrite>,
    /// Stored facts that changed: where each stands.
    pub amended: Vec<RowRef>,
    /// What they are now, in the same order; only the changing columns are kept.
    pub changed: RecordBatch,
}

/// Some of a table's facts that share an index key, oldest first, as they are now.
#[derive(Debug)]
pub struct Page {
    /// Where each stands.
    pub at: Vec<RowRef>,
    /// The facts, in the same order.
    pub rows: RecordBatch,
}

/// A row to write; no value removes it.
#[derive(Debug)]
pub struct RowWrite {
    /// The table.
    pub table: &'static str,
    /// The row's key; its bytes' order is the order of scans.
    pub key: Vec<u8>,
    /// The row, or nothing to remove it.
    pub value: Option<Vec<u8>>,
    /// How far its writer knows the row to be, where others may write it as well: see [`Commit::put_over`].
    pub rank: Option<u64>,
}

/// Every effect of a batch, committed at once.
#[derive(Debug, Default)]
pub struct Commit {
    /// Keyed rows: changed rows, checkpoints, timers, partials, dead letters.
    pub rows: Vec<RowWrite>,
    /// New facts and decisions.
    pub facts: Vec<FactsWrite>,
    /// Records to append, by stream.
    pub emits: BTreeMap<&'static str, Vec<Append>>,
}

impl Commit {
    /// Writes a row.
    pub fn put(&mut self, table: &'static str, key: Vec<u8>, value: Vec<u8>) {
        self.rows.push(RowWrite { table, key, value: Some(value), rank: None });
    }

    /// Writes a row, unless it has a higher rank. Where a request may be done long after whoever sent it has given it
    /// up, this keeps it from undoing what others did since; one process' own commits come in their order.
    pub fn put_over(&mut self, table: &'static str, key: Vec<u8>, value: Vec<u8>, rank: u64) {
        self.rows.push(RowWrite { table, key, value: Some(value), rank: Some(rank) });
    }

    /// Removes a row.
    pub fn remove(&mut self, table: &'static str, key: Vec<u8>) {
        self.rows.push(RowWrite { table, key, value: None, rank: None });
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.facts.is_empty() && self.emits.is_empty()
    }
}

/// The tables chosen at start-up.
#[derive(Clone)]
pub enum Tables {
    /// In this process' data directory.
    Embedded(EmbeddedTables),
    /// In DynamoDB: rows alone, for who reads and writes them beside the jobs. Its commits are not
    /// atomic: rows are written before others are removed.
    #[cfg(feature = "aws")]
    Dynamo(DynamoTables),
}

/// The error of what rows in DynamoDB cannot do.
#[cfg(feature = "aws")]
fn rows_alone() -> Error {
    Error::Fatal("facts and events in DynamoDB are the fleet's, which commits in groups".into())
}

impl Tables {
    /// Reads rows by key, in the order asked for.
    pub async fn get(&self, table: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        match self {
            Tables::Embedded(tables) => tables.get_all(table, keys),
            #[cfg(feature = "aws")]
            Tables::Dynamo(tables) => {
                let rows = tables.get(table, keys).await?;
                Ok(rows.into_iter().map(|row| row.map(|row| row.bytes)).collect())
            }
        }
    }

    /// Reads decisions by key, in the order asked for.
    pub async fn claims(&self, table: &FactTable, keys: &[[u8; 16]]) -> Result<Vec<Option<Claim>>> {
        match self {
            Tables::Embedded(tables) => tables.claims(table, keys),
            #[cfg(feature = "aws")]
            Tables::Dynamo(_) => Err(rows_alone()),
        }
    }

    /// Reads at most `limit` facts with an index key that stand after a place, oldest first.
    pub async fn page(
        &self,
        table: &FactTable,
        index: &str,
        key: &[u8],
        after: Option<RowRef>,
        limit: usize,
    ) -> Result<Page> {
        match self {
            Tables::Embedded(tables) => tables.facts_page(table, index, key, after, limit),
            #[cfg(feature = "aws")]
            Tables::Dynamo(_) => Err(rows_alone()),
        }
    }

    /// Reads every row whose key starts with `prefix`, in key order.
    pub async fn scan(&self, table: &str, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        match self {
            Tables::Embedded(tables) => tables.scan(table, prefix),
            #[cfg(feature = "aws")]
            Tables::Dynamo(_) => {
                let rows = self.range(table, (Bound::Included(prefix.to_vec()), Bound::Unbounded), usize::MAX).await?;
                Ok(rows.into_iter().filter(|(key, _)| key.starts_with(prefix)).collect())
            }
        }
    }

    /// Reads at most `limit` rows whose keys lie between bounds, in key order.
    pub async fn range(
        &self,
        table: &str,
        bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        match self {
            Tables::Embedded(tables) => tables.range(table, bounds, limit),
            #[cfg(feature = "aws")]
            Tables::Dynamo(tables) => tables.range_within(table, bounds, limit).await,
        }
    }

    /// Commits every effect of a batch in one atomic write. Returns once it is visible;
    /// [`Tables::sync`] waits for the disk.
    pub async fn commit(&self, commit: Commit) -> Result<()> {
        match self {
            Tables::Embedded(tables) => tables.commit(commit),
            #[cfg(feature = "aws")]
            Tables::Dynamo(_) if !commit.facts.is_empty() || !commit.emits.is_empty() => Err(rows_alone()),
            #[cfg(feature = "aws")]
            Tables::Dynamo(tables) => tables.write_rows(commit.rows).await,
        }
    }

    /// The account that they are in, if in any.
    #[cfg(feature = "aws")]
    pub fn account(&self) -> Option<&Aws> {
        match self {
            Tables::Embedded(_) => None,
            Tables::Dynamo(tables) => Some(tables.aws()),
        }
    }

    /// Waits until everything committed so far is durable.
    pub async fn sync(&self) -> Result<()> {
        match self {
            Tables::Embedded(tables) => tables.sync(),
            #[cfg(feature = "aws")]
            Tables::Dynamo(_) => Ok(()),
        }
    }
}
