//! Small rows on their way into the LSM trees: one stored value a commit, an index in memory.
//!
//! An LSM entry a row costs a skip list, a journal entry and an allocation for each of them,
//! several microseconds a bet. Here a commit's rows are one [`Run`]; an index in memory finds
//! their keys; once the runs of a generation reach the limit they are merged, sorted, and written
//! into each space's tree as finished tables, past its memtable.
//!
//! Life of a row: committed in a run (young) → its generation is sealed (old), on the disk, and merged
//! in the background → in its space's tree, the run removed. Every read looks in that order. A crash
//! between the last two steps merges the same rows again, to the same effect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use bytes::Bytes;
use fjall::{Keyspace, OwnedWriteBatch};
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::background;
use super::run::Run;
use super::store::{Layout, Store};
use crate::error::{Error, Result};
use crate::fault::{Bug, CrashPoint, Faults};

/// Runs of a generation, at most: bounds how many a scan must look through when commits are small.
const MAX_RUNS: usize = 1024;

/// What the buffer knows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// This is its value.
    Value(Bytes),
    /// It was removed.
    Removed,
    /// The tree knows.
    Nothing,
}

/// The buffered rows of a store.
pub struct Buffer {
    shared: Arc<Shared>,
    /// The thread that merges the old generation, while there is one.
    merging: Mutex<Option<JoinHandle<Result<()>>>>,
    limit_bytes: usize,
}

struct Shared {
    store: Store,
    runs: Keyspace,
    faults: Faults,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    spaces: HashMap<String, u16>,
    young: Generation,
    old: Option<Arc<Generation>>,
    /// The number that the next run gets.
    next: u64,
}

/// Runs that are merged together, and where their latest keys are.
#[derive(Default)]
struct Generation {
    runs: Vec<(u64, Arc<Run>)>,
    places: HashTable<Place>,
    bytes: usize,
}

/// A key's latest row.
#[derive(Clone, Copy)]
struct Place {
    run: u32,
    row: u32,
    section: u16,
    space: u16,
}

impl Buffer {
    /// Opens the buffer of a store and reads the runs that no tree has yet.
    pub fn open(store: &Store, faults: Faults) -> Result<Buffer> {
        let limit_bytes = store.options().buffer_bytes;
        let runs = store.space("runs")?;
        let mut state = State::default();
        for row in runs.iter() {
            let (key, value) = row.into_inner()?;
            let number = key.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| Error::corrupt("a run's key"))?;
            state.add(number, Arc::new(Run::parse(value.into())?));
        }
        let shared = Arc::new(Shared { store: store.clone(), runs, faults, state: RwLock::new(state) });
        Ok(Buffer { shared, merging: Mutex::default(), limit_bytes })
    }

    /// Adds a run to an atomic write; returns its number for [`Buffer::committed`].
    pub fn write(&self, batch: &mut OwnedWriteBatch, run: &Run) -> u64 {
        let number = self.shared.read().next;
        batch.insert(&self.shared.runs, number.to_be_bytes(), run.bytes().clone());
        number
    }

    /// Makes a run's rows readable once its write is committed.
    pub fn committed(&self, number: u64, run: Run) {
        self.shared.write().add(number, Arc::new(run));
    }

    /// When the generation is full, waits for the one before it to be merged, then starts merging
    /// this one.
    ///
    /// # Errors
    /// When an earlier generation could not be merged: its rows stay here, and nothing may take
    /// their place.
    pub fn merge_if_full(&self) -> Result<()> {
        let full = |state: &State| state.young.bytes >= self.limit_bytes || state.young.runs.len() >= MAX_RUNS;
        if !full(&self.shared.read()) {
            return Ok(());
        }
        let mut merging = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = merging.take() {
            join(thread)?;
        }
        let mut state = self.shared.write();
        if state.old.is_some() {
            return Err(Error::Fatal("buffered rows could not be merged before; restart to try again".into()));
        }
        if !full(&state) {
            return Ok(());
        }
        let next = Generation { places: HashTable::with_capacity(state.young.places.len()), ..Generation::default() };
        let sealed = Arc::new(std::mem::replace(&mut state.young, next));
        state.old = Some(sealed.clone());
        drop(state);
        let shared = self.shared.clone();
        let thread = background::spawn("buffer-merge", move || {
            shared.sync_first()?;
            shared.merge_into_trees(&sealed)?;
            shared.faults.reach(CrashPoint::AfterMerge)?;
            shared.forget(&sealed)
        })?;
        *merging = Some(thread);
        Ok(())
    }

    /// What is known of keys of a space, in the order asked for.
    pub fn get<'a>(&self, space: &str, keys: impl Iterator<Item = &'a [u8]>) -> Vec<Known> {
        let state = self.shared.read();
        let Some(&space) = state.spaces.get(space) else { return keys.map(|_| Known::Nothing).collect() };
        keys.map(|key| state.find(space, key)).collect()
    }

    /// The runs as they are now, oldest first.
    pub fn runs(&self) -> Arc<[Arc<Run>]> {
        let state = self.shared.read();
        let old = state.old.iter().flat_map(|generation| &generation.runs);
        old.chain(&state.young.runs).map(|(_, run)| run.clone()).collect()
    }
}

impl Drop for Buffer {
    /// The store's directory is free only once nothing writes to it.
    fn drop(&mut self) {
        let merging = self.merging.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = merging.take().map(join) {
            tracing::error!(%error, "merging buffered rows");
        }
    }
}

fn join(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| Err(Error::Fatal("merging buffered rows panicked".into())))
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finished tables are on the disk at once, past the journal. What they are made of must be there before them: else
    /// a power cut that takes the end of the journal leaves rows without the commits that they belong to.
    fn sync_first(&self) -> Result<()> {
        if self.faults.has(Bug::MergeUnsynced) {
            return Ok(());
        }
        self.store.sync_to_disk()?;
        self.faults.reach(CrashPoint::BeforeMerge)
    }

    /// Writes the latest row of every key into its space's tree.
    fn merge_into_trees(&self, sealed: &Generation) -> Result<()> {
        let mut spaces: Vec<&str> =
            sealed.runs.iter().flat_map(|(_, run)| run.spaces().map(|(name, _)| name)).collect();
        spaces.sort_unstable();
        spaces.dedup();
        for space in spaces {
            let sections: Vec<_> = sealed.runs.iter().filter_map(|(_, run)| Some((run, run.section(space)?))).collect();
            let mut rows: Vec<(&[u8], u32, u32)> = Vec::new();
            for (n, (run, section)) in (0u32..).zip(&sections) {
                rows.extend((0..run.len(*section)).map(|row| (run.key(*section, row), n, row as u32)));
            }
            // Stable, and quick on sorted parts: the rows of a key stay in the order of their runs.
            rows.sort_by_key(|(key, ..)| *key);
            let row = |&(_, n, row): &(&[u8], u32, u32)| {
                let (run, section) = sections[n as usize];
                run.row(section, row as usize)
            };
            let keyspace = self.store.space(space)?;
            let mut tree = keyspace.start_ingestion()?;
            if Layout::of(space) == Layout::Postings {
                for list in rows.chunk_by(|a, b| list_of(a.0) == list_of(b.0)) {
                    let parts: Vec<Bytes> = list.iter().filter_map(|part| row(part).1).collect();
                    tree.write(list[0].0, parts.concat())?;
                }
            } else {
                for same in rows.chunk_by(|a, b| a.0 == b.0) {
                    match same.last().map(row) {
                        Some((key, Some(value))) => tree.write(key, value)?,
                        Some((key, None)) => tree.write_tombstone(key)?,
                        None => {}
                    }
                }
            }
            tree.finish()?;
        }
        Ok(())
    }

    /// Removes runs that are merged.
    fn forget(&self, sealed: &Generation) -> Result<()> {
        let mut batch = self.store.batch(sealed.runs.len());
        for (number, _) in &sealed.runs {
            batch.remove(&self.runs, number.to_be_bytes());
        }
        batch.commit()?;
        self.write().old = None;
        Ok(())
    }
}

/// Which list a part's key belongs to.
fn list_of(key: &[u8]) -> &[u8] {
    &key[..key.len().saturating_sub(8)]
}

impl State {
    fn add(&mut self, number: u64, run: Arc<Run>) {
        let place = u32::try_from(self.young.runs.len()).unwrap_or(u32::MAX);
        self.young.bytes += run.bytes().len();
        self.young.runs.push((number, run.clone()));
        self.next = number + 1;
        for (section, (name, rows)) in (0u16..).zip(run.spaces()) {
            let count = self.spaces.len();
            let space = match self.spaces.get(name) {
                Some(space) => *space,
                None => *self.spaces.entry(name.to_owned()).or_insert(count as u16),
            };
            for row in 0..rows {
                let place = Place { run: place, row: row as u32, section, space };
                self.young.index(place, run.key(usize::from(section), row));
            }
        }
    }

    fn find(&self, space: u16, key: &[u8]) -> Known {
        let hash = xxh3_64_with_seed(key, u64::from(space));
        let found = self.young.find(space, key, hash);
        let found = found.or_else(|| self.old.as_ref()?.find(space, key, hash));
        match found {
            None => Known::Nothing,
            Some(None) => Known::Removed,
            Some(Some(value)) => Known::Value(value),
        }
    }
}

impl Generation {
    fn key(&self, place: &Place) -> &[u8] {
        self.runs[place.run as usize].1.key(usize::from(place.section), place.row as usize)
    }

    fn index(&mut self, place: Place, key: &[u8]) {
        let Generation { runs, places, .. } = self;
        let key_of = |at: &Place| runs[at.run as usize].1.key(usize::from(at.section), at.row as usize);
        let hash = |at: &Place| xxh3_64_with_seed(key_of(at), u64::from(at.space));
        let same = |at: &Place| at.space == place.space && key_of(at) == key;
        match places.entry(xxh3_64_with_seed(key, u64::from(place.space)), same, hash) {
            hashbrown::hash_table::Entry::Occupied(mut at) => *at.get_mut() = place,
            hashbrown::hash_table::Entry::Vacant(at) => {
                at.insert(place);
            }
        }
    }

    /// The latest row of a key: nothing where there is none, no value where it was removed.
    fn find(&self, space: u16, key: &[u8], hash: u64) -> Option<Option<Bytes>> {
        let place = self.places.find(hash, |at| at.space == space && self.key(at) == key)?;
        Some(self.runs[place.run as usize].1.value(usize::from(place.section), place.row as usize))
    }
}
