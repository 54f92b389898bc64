//! A shard's timers: rows under the hash key of what they are about, and the same in memory.
//!
//! ```text
//! loop name · 0 · hash key (16 bytes) · due (8 bytes) · key
//! ```
//!
//! A shard owns a range of hash keys, so its timers are a range of rows: after a split each child reads
//! its own, with nothing to hand over.

use std::collections::BTreeSet;

use crate::adapters::aws::group::{Expect, Group};
use crate::adapters::aws::tables::DynamoTables;
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::shard::{HashRange, hash_key};
use crate::tables::system;

/// Timers that are read at once.
const PAGE: usize = 10_000;

/// A timer that waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub due: Arrival,
    pub key: Vec<u8>,
    pub hash: u128,
}

/// The timers of one shard.
#[derive(Debug)]
pub(super) struct Timers {
    name: &'static str,
    waiting: BTreeSet<Timer>,
}

impl Timers {
    /// Reads the timers of a range of hash keys.
    pub async fn load(tables: &DynamoTables, name: &'static str, range: HashRange) -> Result<Timers> {
        let mut waiting = BTreeSet::new();
        let (mut from, to) = (row(name, range.start, b""), row(name, range.end, &[255; 64]));
        loop {
            let rows = tables.range(system::TIMERS, &from, &to, PAGE).await?;
            let more = rows.len() == PAGE;
            for (key, _) in rows {
                waiting.insert(read(name, &key)?);
                // The key after it.
                from = [&key[..], &[0]].concat();
            }
            if !more {
                return Ok(Timers { name, waiting });
            }
        }
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Arrival {
        self.waiting.first().map_or(Arrival::MAX, |timer| timer.due)
    }

    /// The next one that is due by `frontier`.
    pub fn due(&self, frontier: Arrival) -> Option<Timer> {
        self.waiting.first().filter(|timer| timer.due <= frontier).cloned()
    }

    /// Keeps a timer whose row is written.
    pub fn keep(&mut self, timer: Timer) {
        self.waiting.insert(timer);
    }

    /// Forgets a timer whose row is gone.
    pub fn forget(&mut self, timer: &Timer) {
        self.waiting.remove(timer);
    }

    /// Adds a timer's row to a group.
    pub fn set(&self, tables: &DynamoTables, group: &mut Group, timer: &Timer) -> Result<()> {
        let row = self.row(timer);
        tables.put_row(group, system::TIMERS, &row, Some(Vec::new()), Expect::Anything)
    }

    /// Adds the removal of a timer's row to a group.
    pub fn remove(&self, tables: &DynamoTables, group: &mut Group, timer: &Timer) -> Result<()> {
        tables.put_row(group, system::TIMERS, &self.row(timer), None, Expect::Anything)
    }

    fn row(&self, timer: &Timer) -> Vec<u8> {
        row(self.name, timer.hash, &[&timer.due.0.to_be_bytes()[..], &timer.key].concat())
    }
}

/// The hash key under which a shard finds the timers about a partition key again, also where a producer
/// has put the record into this shard by an explicit hash key.
pub(super) fn hash_in(range: HashRange, partition_key: &[u8]) -> u128 {
    let hash = hash_key(partition_key, None);
    if range.owns(hash) { hash } else { range.start }
}

fn row(name: &str, hash: u128, rest: &[u8]) -> Vec<u8> {
    [name.as_bytes(), &[0], &hash.to_be_bytes(), rest].concat()
}

fn read(name: &str, row: &[u8]) -> Result<Timer> {
    let bad = || Error::corrupt("a timer");
    let rest = row.get(name.len() + 1..).ok_or_else(bad)?;
    let (hash, rest) = rest.split_first_chunk::<16>().ok_or_else(bad)?;
    let (due, key) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
    let (hash, due) = (u128::from_be_bytes(*hash), Arrival(i64::from_be_bytes(*due)));
    Ok(Timer { due, key: key.to_vec(), hash })
}
