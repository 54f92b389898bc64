//! The embedded tables: rows, facts and emitted records in one atomic write.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use fjall::{Readable, Snapshot};

use super::facts::Facts;
use super::log::EmbeddedLog;
use super::store::{Layout, Store};
use crate::error::{Error, Result};
use crate::tables::{Claim, Commit, FactTable, RowRef};

/// The tables of an embedded store. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedTables {
    store: Store,
    log: EmbeddedLog,
    facts: Arc<Mutex<HashMap<String, Facts>>>,
    /// One commit at a time: a block's number is taken and used under this lock.
    committing: Arc<Mutex<HashMap<String, u64>>>,
    /// The moment whose rows are read; nothing for the present.
    as_of: Option<Snapshot>,
}

impl EmbeddedTables {
    /// Tables beside a log, in the same store, so that one write covers both.
    pub fn new(store: Store, log: EmbeddedLog) -> EmbeddedTables {
        EmbeddedTables { store, log, facts: Arc::default(), committing: Arc::default(), as_of: None }
    }

    /// The store below.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The same tables, for reading only, as they are now: later commits do not show. Decisions
    /// are the exception; one made later names a block that is not there yet.
    #[must_use]
    pub fn frozen(&self) -> EmbeddedTables {
        EmbeddedTables { as_of: Some(self.snapshot()), ..self.clone() }
    }

    /// Reads a row.
    pub fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let space = self.store.space(table, layout(table))?;
        let value = match &self.as_of {
            Some(snapshot) => snapshot.get(&space, key)?,
            None => space.get(key)?,
        };
        Ok(value.map(|value| value.to_vec()))
    }

    /// Reads every row whose key starts with `prefix`, in key order.
    pub fn scan(&self, table: &str, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.scan_at(&self.snapshot(), table, prefix)
    }

    /// The same, as of a snapshot.
    pub fn scan_at(&self, snapshot: &Snapshot, table: &str, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let space = self.store.space(table, layout(table))?;
        snapshot
            .prefix(&space, prefix)
            .map(|row| {
                let (key, value) = row.into_inner()?;
                Ok((key.to_vec(), value.to_vec()))
            })
            .collect()
    }

    /// Reads at most `limit` rows after a key, in key order: the way through a table of any size.
    pub fn page(&self, table: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let space = self.store.space(table, layout(table))?;
        let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_vec()));
        let rows = space.range::<Vec<u8>, _>((from, Bound::Unbounded)).take(limit);
        rows.map(|row| Ok(row.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec()))?)).collect()
    }

    /// Reads at most `limit` rows whose keys lie between bounds, in key order.
    pub fn range(
        &self,
        table: &str,
        bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let space = self.store.space(table, layout(table))?;
        let rows = self.snapshot().range::<Vec<u8>, _>(&space, bounds).take(limit);
        rows.map(|row| Ok(row.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec()))?)).collect()
    }

    /// Reads decisions by key.
    pub fn claims(&self, table: &FactTable, keys: &[[u8; 16]]) -> Result<Vec<Option<Claim>>> {
        let facts = self.facts(table.name)?;
        keys.iter().map(|key| facts.claim(key)).collect()
    }

    /// Reads one block of facts as of a snapshot.
    pub fn block(&self, snapshot: &Snapshot, table: &FactTable, block: u64) -> Result<Option<RecordBatch>> {
        self.facts(table.name)?.block(snapshot, table, block)
    }

    /// The facts of a table.
    pub fn facts(&self, table: &str) -> Result<Facts> {
        let mut open = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = open.get(table) {
            return Ok(facts.clone());
        }
        let facts = Facts::open(&self.store, table)?;
        open.insert(table.to_owned(), facts.clone());
        Ok(facts)
    }

    /// Where the rows of a table with an index key stand, newest first, at most `limit`.
    pub fn find(
        &self,
        snapshot: &Snapshot,
        table: &FactTable,
        index: &str,
        key: &[u8],
        limit: usize,
    ) -> Result<Vec<RowRef>> {
        let Some(number) = (0u8..).zip(table.indexes).find(|(_, name)| **name == index).map(|(n, _)| n) else {
            return Ok(Vec::new());
        };
        self.facts(table.name)?.find(snapshot, number, key).take(limit).collect()
    }

    /// A consistent view of everything: of now, or of when these tables were frozen.
    pub fn snapshot(&self) -> Snapshot {
        self.as_of.clone().unwrap_or_else(|| self.store.snapshot())
    }

    /// See [`crate::tables::Tables::commit`].
    pub fn commit(&self, commit: Commit) -> Result<()> {
        if self.as_of.is_some() {
            return Err(Error::Fatal("frozen tables cannot be written; commit to the present ones".into()));
        }
        let packed =
            commit.emits.iter().map(|(stream, records)| self.log.pack(stream, records)).collect::<Result<Vec<_>>>()?;
        let mut next = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch =
            self.store.batch(commit.rows.len() + commit.facts.iter().map(|f| f.claims.len() * 3).sum::<usize>());
        for write in &commit.facts {
            let facts = self.facts(write.table.name)?;
            let block = match next.get(write.table.name) {
                Some(block) => *block,
                None => facts.next_block()?,
            };
            facts.write(&mut batch, block, write)?;
            next.insert(write.table.name.to_owned(), block + u64::from(write.rows.num_rows() > 0));
        }
        for row in commit.rows {
            let space = self.store.space(row.table, layout(row.table))?;
            match row.value {
                Some(value) => batch.insert(&space, row.key, value),
                None => batch.remove(&space, row.key),
            }
        }
        if packed.is_empty() {
            batch.commit()?;
        } else {
            self.log.commit_with(batch, packed)?;
        }
        Ok(())
    }

    /// See [`crate::tables::Tables::sync`].
    pub fn sync(&self) -> Result<()> {
        self.store.sync()
    }
}

/// Columnar and raw values are large and compressed already; the rest are small rows.
fn layout(table: &str) -> Layout {
    use crate::tables::system;
    match table {
        system::WINDOWS | system::RESULTS | system::DEAD_LETTERS => Layout::Blobs,
        _ => Layout::Rows,
    }
}
