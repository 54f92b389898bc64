//! The stored partials of an open window.
//!
//! A batch adds one partial. Once [`FANOUT`] of one level stand together they are merged into one
//! of the next level, so that a window of n batches has a few partials for each power of
//! [`FANOUT`] below n, and a partial is merged again only that often. Merging is done on another
//! thread and its result is stored with a later batch: no batch waits for it. Since partials merge
//! in any order, it does not matter when; what a crash cuts off is merged again later.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use tokio::task::JoinHandle;

use super::state;
use super::times::WindowSettings;
use crate::adapters::embedded::block::{put_varint, varint};
use crate::error::{Error, Result};
use crate::tables::{Commit, Tables, system};

/// Partials of one level that are merged into one.
const FANOUT: usize = 4;
/// Partials of a window, at most; beyond, a batch waits for the merge that runs.
const MAX_PARTIALS: usize = 64;

/// What is stored of an open window.
#[derive(Debug, Default)]
pub struct Partials {
    /// The number that the next partial gets.
    next: u64,
    /// Level of each by number.
    stored: BTreeMap<u64, u64>,
    merging: Option<Merging>,
}

/// A merge that runs.
#[derive(Debug)]
struct Merging {
    numbers: Vec<u64>,
    level: u64,
    /// The encoded result.
    task: JoinHandle<Result<Vec<u8>>>,
}

impl Partials {
    /// Reads the window's partials.
    pub async fn load(&self, tables: &Tables, settings: &WindowSettings, start: i64) -> Result<Vec<RecordBatch>> {
        let schema = settings.plan.state_schema();
        let values = read(tables, settings, start, self.stored.keys()).await?;
        values.iter().map(|value| Ok(state::decode(&schema, value)?)).collect()
    }

    /// Adds a batch's partial to a commit, and what was merged meanwhile.
    pub async fn add(
        &mut self,
        settings: &WindowSettings,
        start: i64,
        partial: &RecordBatch,
        commit: &mut Commit,
    ) -> Result<()> {
        let name = &settings.spec.name;
        let full = self.stored.len() >= MAX_PARTIALS;
        if let Some(Merging { numbers, level, task }) = self.merging.take_if(|m| full || m.task.is_finished()) {
            let merged = task.await.map_err(|error| Error::fatal("merging partials", error))??;
            for number in numbers {
                self.stored.remove(&number);
                commit.remove(system::WINDOWS, partial_key(name, start, number));
            }
            self.put(name, start, level, merged, commit);
        }
        self.put(name, start, 0, state::encode(partial)?, commit);
        commit.put(system::WINDOWS, window_key(name, start), self.encode(settings));
        Ok(())
    }

    fn put(&mut self, name: &str, start: i64, level: u64, partial: Vec<u8>, commit: &mut Commit) {
        commit.put(system::WINDOWS, partial_key(name, start, self.next), partial);
        self.stored.insert(self.next, level);
        self.next += 1;
    }

    /// Starts to merge the partials of a crowded level, of those that are committed; unless a
    /// merge runs already.
    pub async fn merge(&mut self, tables: &Tables, settings: &WindowSettings, start: i64) -> Result<()> {
        let Some(level) = self.crowded().filter(|_| self.merging.is_none()) else { return Ok(()) };
        let numbers: Vec<u64> = self.stored.iter().filter(|(_, of)| **of == level).map(|(number, _)| *number).collect();
        let values = read(tables, settings, start, numbers.iter()).await?;
        let plan = settings.plan.clone();
        let task = tokio::task::spawn_blocking(move || {
            let schema = plan.state_schema();
            let partials = values.iter().map(|value| Ok(state::decode(&schema, value)?)).collect::<Result<Vec<_>>>()?;
            Ok(state::encode(&plan.merge(&partials)?)?)
        });
        self.merging = Some(Merging { numbers, level: level + 1, task });
        Ok(())
    }

    /// The lowest level with enough partials to merge.
    fn crowded(&self) -> Option<u64> {
        let mut counts = BTreeMap::<u64, usize>::new();
        for level in self.stored.values() {
            *counts.entry(*level).or_default() += 1;
        }
        counts.into_iter().find(|(_, count)| *count >= FANOUT).map(|(level, _)| level)
    }

    /// Removes the window.
    pub fn remove(&self, settings: &WindowSettings, start: i64, commit: &mut Commit) {
        for number in self.stored.keys() {
            commit.remove(system::WINDOWS, partial_key(&settings.spec.name, start, *number));
        }
        commit.remove(system::WINDOWS, window_key(&settings.spec.name, start));
    }

    fn encode(&self, settings: &WindowSettings) -> Vec<u8> {
        let mut row = Vec::with_capacity(16 + 4 * self.stored.len());
        put_varint(&mut row, settings.plan.fingerprint());
        put_varint(&mut row, self.next);
        for (number, level) in &self.stored {
            put_varint(&mut row, *number);
            put_varint(&mut row, *level);
        }
        row
    }
}

/// Reads which windows of a job are open.
pub async fn load_open(tables: &Tables, settings: &WindowSettings) -> Result<BTreeMap<i64, Partials>> {
    let mut open = BTreeMap::new();
    let prefix = job_prefix(&settings.spec.name);
    for (key, value) in tables.scan(system::WINDOWS, &prefix).await? {
        let Some(start) = key.get(prefix.len()..).and_then(|rest| rest.try_into().ok()) else { continue };
        let mut rest = &value[..];
        if varint(&mut rest)? != settings.plan.fingerprint() {
            return Err(Error::Reject(format!(
                "window {} has open windows that another SQL or program version began; let them become final with the old one first, or use a fresh --data-dir",
                settings.spec.name
            )));
        }
        let mut partials = Partials { next: varint(&mut rest)?, ..Partials::default() };
        while !rest.is_empty() {
            partials.stored.insert(varint(&mut rest)?, varint(&mut rest)?);
        }
        open.insert(i64::from_be_bytes(start), partials);
    }
    Ok(open)
}

/// Reads the encoded partials with these numbers.
async fn read(
    tables: &Tables,
    settings: &WindowSettings,
    start: i64,
    numbers: impl Iterator<Item = &u64>,
) -> Result<Vec<Vec<u8>>> {
    let keys: Vec<_> = numbers.map(|number| partial_key(&settings.spec.name, start, *number)).collect();
    let values = tables.get(system::WINDOWS, &keys).await?;
    let missing = || Error::corrupt(format!("window {} lacks a partial", settings.spec.name));
    values.into_iter().map(|value| value.ok_or_else(missing)).collect()
}

fn job_prefix(name: &str) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.push(0);
    key
}

/// The key of a window, in [`system::WINDOWS`] and [`system::RESULTS`].
pub(super) fn window_key(name: &str, start: i64) -> Vec<u8> {
    let mut key = job_prefix(name);
    key.extend_from_slice(&start.to_be_bytes());
    key
}

fn partial_key(name: &str, start: i64, number: u64) -> Vec<u8> {
    let mut key = window_key(name, start);
    key.extend_from_slice(&number.to_be_bytes());
    key
}
