//! The embedded tables: rows, facts and emitted records in one atomic write.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use fjall::OwnedWriteBatch;

use super::buffer::{Buffer, Known};
use super::facts::Facts;
use super::log::EmbeddedLog;
use super::run::RunWriter;
use super::store::{Layout, Store};
use super::view::View;
use crate::error::{Error, Result};
use crate::fault::Faults;
use crate::tables::{Claim, Commit, FactTable, Page, RowRef, RowWrite};

/// Rows as they are read: keys and values.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// The tables of an embedded store. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedTables {
    // Before the store: what writes to it must stop before it closes.
    buffer: Arc<Buffer>,
    store: Store,
    log: EmbeddedLog,
    facts: Arc<Mutex<HashMap<String, Facts>>>,
    /// One commit at a time: a block's number is taken and used under this lock.
    committing: Arc<Mutex<HashMap<String, u64>>>,
    /// The moment whose rows are read; nothing for the present.
    as_of: Option<View>,
}

impl EmbeddedTables {
    /// Tables beside a log, in the same store, so that one write covers both.
    pub fn open(store: Store, log: EmbeddedLog, faults: Faults) -> Result<EmbeddedTables> {
        let buffer = Arc::new(Buffer::open(&store, faults)?);
        Ok(EmbeddedTables { buffer, store, log, facts: Arc::default(), committing: Arc::default(), as_of: None })
    }

    /// The store below.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The same tables, for reading only, as they are now: later commits do not show. Decisions
    /// are the exception; one made later names a block that is not there yet.
    #[must_use]
    pub fn frozen(&self) -> EmbeddedTables {
        EmbeddedTables { as_of: Some(self.view()), ..self.clone() }
    }

    /// Reads rows by key, in the order asked for.
    pub fn get_all(&self, table: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        let space = self.store.space(table)?;
        if let Some(view) = &self.as_of {
            return keys.iter().map(|key| Ok(view.get(&space, key)?.map(Vec::from))).collect();
        }
        let known = self.buffer.get(table, keys.iter().map(Vec::as_slice));
        keys.iter()
            .zip(known)
            .map(|(key, known)| match known {
                Known::Value(value) => Ok(Some(value.to_vec())),
                Known::Removed => Ok(None),
                Known::Nothing => Ok(space.get(key)?.map(|value| value.to_vec())),
            })
            .collect()
    }

    /// Reads a row.
    pub fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get_all(table, &[key.to_vec()])?.pop().flatten())
    }

    /// Reads every row whose key starts with `prefix`, in key order.
    pub fn scan(&self, table: &str, prefix: &[u8]) -> Result<Rows> {
        let space = self.store.space(table)?;
        self.view().prefix(&space, prefix).map(owned).collect()
    }

    /// Reads at most `limit` rows after a key, in key order: the way through a table of any size.
    pub fn page(&self, table: &str, after: Option<&[u8]>, limit: usize) -> Result<Rows> {
        let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_vec()));
        self.range(table, (from, Bound::Unbounded), limit)
    }

    /// Reads at most `limit` rows whose keys lie between bounds, in key order.
    pub fn range(&self, table: &str, (from, to): (Bound<Vec<u8>>, Bound<Vec<u8>>), limit: usize) -> Result<Rows> {
        let space = self.store.space(table)?;
        let bounds = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        self.view().range(&space, bounds).take(limit).map(owned).collect()
    }

    /// Reads decisions by key.
    pub fn claims(&self, table: &FactTable, keys: &[[u8; 16]]) -> Result<Vec<Option<Claim>>> {
        self.facts(table.name)?.claims(keys)
    }

    /// Reads one block of facts as of a moment.
    pub fn block(&self, view: &View, table: &FactTable, block: u64) -> Result<Option<RecordBatch>> {
        self.facts(table.name)?.block(view, table, block)
    }

    /// Reads one block of facts as it went in.
    pub fn written(&self, view: &View, table: &FactTable, block: u64) -> Result<Option<RecordBatch>> {
        self.facts(table.name)?.written(view, table, block)
    }

    /// The facts of a table.
    pub fn facts(&self, table: &str) -> Result<Facts> {
        let mut open = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = open.get(table) {
            return Ok(facts.clone());
        }
        let facts = Facts::open(&self.store, self.buffer.clone(), table)?;
        open.insert(table.to_owned(), facts.clone());
        Ok(facts)
    }

    /// Where the rows of a table with an index key stand, newest first, at most `limit`.
    pub fn find(&self, view: &View, table: &FactTable, index: &str, key: &[u8], limit: usize) -> Result<Vec<RowRef>> {
        let Some(number) = (0u8..).zip(table.indexes).find(|(_, name)| **name == index).map(|(n, _)| n) else {
            return Ok(Vec::new());
        };
        self.facts(table.name)?.find(view, number, key).take(limit).collect()
    }

    /// See [`crate::tables::Tables::page`].
    pub fn facts_page(
        &self,
        table: &FactTable,
        index: &str,
        key: &[u8],
        after: Option<RowRef>,
        limit: usize,
    ) -> Result<Page> {
        let number = (0u8..).zip(table.indexes).find(|(_, name)| **name == index).map(|(number, _)| number);
        let number = number.ok_or_else(|| Error::Fatal(format!("table {} has no index {index}", table.name)))?;
        self.facts(table.name)?.page(&self.view(), table, (number, key), after, limit)
    }

    /// A consistent view of everything: of now, or of when these tables were frozen.
    pub fn view(&self) -> View {
        if let Some(view) = &self.as_of {
            return view.clone();
        }
        // No commit in between; the runs first, since merging moves them into the trees.
        let _committing = self.committing();
        let runs = self.buffer.runs();
        View { trees: self.store.snapshot(), runs }
    }

    fn committing(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.committing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`crate::tables::Tables::commit`].
    pub fn commit(&self, commit: Commit) -> Result<()> {
        if self.as_of.is_some() {
            return Err(Error::Fatal("frozen tables cannot be written; commit to the present ones".into()));
        }
        let packed =
            commit.emits.iter().map(|(stream, records)| self.log.pack(stream, records)).collect::<Result<Vec<_>>>()?;
        let mut next = self.committing();
        let (mut batch, mut run) = (self.store.batch(16), RunWriter::with_capacity(run_bytes(&commit)));
        for write in &commit.facts {
            let facts = self.facts(write.table.name)?;
            let block = match next.get(write.table.name) {
                Some(block) => *block,
                None => facts.next_block()?,
            };
            facts.write(&mut batch, &mut run, block, write)?;
            next.insert(write.table.name.to_owned(), block + u64::from(write.rows.num_rows() > 0));
        }
        self.write_rows(&mut batch, &mut run, commit.rows)?;
        let run = run.finish()?;
        let number = run.as_ref().map(|run| self.buffer.write(&mut batch, run));
        if packed.is_empty() {
            batch.commit()?;
        } else {
            self.log.commit_with(batch, packed)?;
        }
        if let Some((number, run)) = number.zip(run) {
            self.buffer.committed(number, run);
        }
        // Outside the lock: who reads need not wait for a merge.
        drop(next);
        self.buffer.merge_if_full()
    }

    /// Adds rows: small ones to the run, by table and key, the last one of a key; others as they are.
    fn write_rows(&self, batch: &mut OwnedWriteBatch, run: &mut RunWriter, rows: Vec<RowWrite>) -> Result<()> {
        let mut tables: BTreeMap<&str, Vec<RowWrite>> = BTreeMap::new();
        for row in rows {
            tables.entry(row.table).or_default().push(row);
        }
        for (table, mut rows) in tables {
            if !Layout::of(table).is_buffered() {
                let space = self.store.space(table)?;
                for row in rows {
                    match row.value {
                        Some(value) => batch.insert(&space, row.key, value),
                        None => batch.remove(&space, row.key),
                    }
                }
                continue;
            }
            rows.sort_by(|a, b| a.key.cmp(&b.key));
            run.begin(table, rows.len());
            for same in rows.chunk_by(|a, b| a.key == b.key) {
                if let Some(row) = same.last() {
                    run.push(&row.key, row.value.as_deref());
                }
            }
        }
        Ok(())
    }

    /// See [`crate::tables::Tables::sync`].
    pub fn sync(&self) -> Result<()> {
        self.store.sync()
    }
}

/// About how long a commit's run is: a guess that is too low costs copies, one too high nothing.
fn run_bytes(commit: &Commit) -> usize {
    let rows = commit.rows.iter().map(|row| row.key.len() + row.value.as_ref().map_or(0, Vec::len) + 8);
    // A decision takes 32 bytes; two postings for each of every second row, 32 bytes each.
    let facts = commit.facts.iter().map(|write| write.claims.len() * 64);
    rows.sum::<usize>() + facts.sum::<usize>() + 256
}

fn owned(row: Result<(bytes::Bytes, bytes::Bytes)>) -> Result<(Vec<u8>, Vec<u8>)> {
    row.map(|(key, value)| (key.to_vec(), value.to_vec()))
}
