//! A shard's timers: rows under the hash key of what they are about, and the same in memory.
//!
//! ```text
//! loop name · 0 · number of the input · hash key (16 bytes) · due (8 bytes) · key
//! ```
//!
//! A shard owns a range of hash keys, so its timers are a range of rows: after a split each child reads
//! its own, with nothing to hand over. Shards of another input own the same hash keys, but other rows: a
//! timer that two workers delivered at once would be cancelled again and again.

use std::collections::BTreeSet;

use super::Fleet;
use crate::adapters::aws::group::{Expect, Group};
use crate::adapters::aws::tables::DynamoTables;
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::job::Job;
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
    /// Of the loop and the input.
    prefix: Vec<u8>,
    waiting: BTreeSet<Timer>,
}

impl Timers {
    /// Reads the timers of a fleet's input within a range of hash keys.
    pub async fn load<J: Job>(fleet: &Fleet<J>, range: HashRange) -> Result<Timers> {
        let prefix = prefix(fleet.options.name, fleet.input)?;
        let mut waiting = BTreeSet::new();
        let (mut from, to) = (row(&prefix, range.start, b""), row(&prefix, range.end, &[255; 64]));
        loop {
            let rows = fleet.tables.range(system::TIMERS, &from, &to, PAGE).await?;
            let more = rows.len() == PAGE;
            for (key, _) in rows {
                waiting.insert(read(&prefix, &key)?);
                // The key after it.
                from = [&key[..], &[0]].concat();
            }
            if !more {
                return Ok(Timers { prefix, waiting });
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

    /// Whether a timer waits.
    pub fn has(&self, timer: &Timer) -> bool {
        self.waiting.contains(timer)
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
        row(&self.prefix, timer.hash, &[&timer.due.0.to_be_bytes()[..], &timer.key].concat())
    }
}

/// The hash key under which a shard finds the timers about a partition key again, also where a producer
/// has put the record into this shard by an explicit hash key.
pub(super) fn hash_in(range: HashRange, partition_key: &[u8]) -> u128 {
    let hash = hash_key(partition_key, None);
    if range.owns(hash) { hash } else { range.start }
}

fn prefix(name: &str, input: usize) -> Result<Vec<u8>> {
    let input = u8::try_from(input).map_err(|cause| Error::fatal("the number of an input", cause))?;
    Ok([name.as_bytes(), &[0, input]].concat())
}

fn row(prefix: &[u8], hash: u128, rest: &[u8]) -> Vec<u8> {
    [prefix, &hash.to_be_bytes(), rest].concat()
}

fn read(prefix: &[u8], row: &[u8]) -> Result<Timer> {
    let bad = || Error::corrupt("a timer");
    let rest = row.strip_prefix(prefix).ok_or_else(bad)?;
    let (hash, rest) = rest.split_first_chunk::<16>().ok_or_else(bad)?;
    let (due, key) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
    let (hash, due) = (u128::from_be_bytes(*hash), Arrival(i64::from_be_bytes(*due)));
    Ok(Timer { due, key: key.to_vec(), hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_of_hash_keys_and_apart_by_input() {
        let rows = [(0, 0, 9), (0, 7, 1), (0, 7, 2), (0, u128::MAX, 0), (1, 0, 0), (1, 7, 1), (1, u128::MAX, 9)];
        let written = rows.map(|(input, hash, due)| {
            let prefix = prefix("betting", input).unwrap();
            let row = row(&prefix, hash, &[&i64::to_be_bytes(due)[..], b"key"].concat());
            assert_eq!(read(&prefix, &row).unwrap(), Timer { due: Arrival(due), key: b"key".to_vec(), hash });
            assert!(read(&[&prefix[..], b"x"].concat(), &row).is_err());
            row
        });
        assert!(written.is_sorted());
    }
}
