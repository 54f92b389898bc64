//! Sums that one shard keeps: a row for each key, with the position of the last fact in it.
//!
//! Only the shard's own records change its sums, in the order of their positions. So a sum that was
//! written with position P has every fact up to P, and a fact read again is known by its position alone.

use std::collections::HashMap;

use futures::{StreamExt, stream};

use super::Fleet;
use super::attempt::Facts;
use crate::adapters::aws::sums::{StoredSum, sum_id};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::record::Position;
use crate::rows::Rows;

/// Sums in memory, at most; those that are written are forgotten beyond it. Of 200 bytes each.
const MAX_KEPT: usize = 50_000;
/// Writes at once.
const AT_ONCE: usize = 32;

struct Sum<R> {
    row: Option<R>,
    upto: Position,
    version: u64,
    dirty: bool,
}

/// The sums of one shard.
pub(super) struct Sums<J: Job> {
    /// The shard's name in the table.
    shard: String,
    kept: HashMap<J::Key, Sum<J::Row>>,
}

impl<J: Job> Sums<J> {
    pub fn new(shard: String) -> Self {
        Sums { shard, kept: HashMap::new() }
    }

    /// Adds facts, in the order of their positions.
    pub async fn add(&mut self, fleet: &Fleet<J>, facts: &Facts<J::Fact>) -> Result<()> {
        let keys = facts.facts.iter().filter_map(|fact| fleet.job.sum_of(fact)).collect();
        self.load(fleet, keys).await?;
        let mut rows = Rows::default();
        for (position, fact) in facts.positions.iter().zip(&facts.facts) {
            let Some(key) = fleet.job.sum_of(fact) else { continue };
            let Some(sum) = self.kept.get_mut(&key).filter(|sum| sum.upto < *position) else { continue };
            rows.load(key.clone(), sum.row.take());
            fleet.job.add(fact, &mut rows);
            rows.take_changed_keys();
            (sum.row, sum.upto, sum.dirty) = (rows.take(&key), *position, true);
        }
        Ok(())
    }

    async fn load(&mut self, fleet: &Fleet<J>, keys: Vec<J::Key>) -> Result<()> {
        let mut missing = HashMap::new();
        for key in keys.into_iter().filter(|key| !self.kept.contains_key(key)) {
            let (table, bytes) = fleet.job.locate(&key);
            missing.insert(sum_id(table, &bytes), key);
        }
        let mut ids: Vec<String> = missing.keys().cloned().collect();
        ids.sort();
        let stored = fleet.tables.shard_sums(&self.shard, &ids).await?;
        for key in missing.values() {
            let none = Sum { row: None, upto: Position::START, version: 0, dirty: false };
            self.kept.insert(key.clone(), none);
        }
        for StoredSum { id, row, upto, version } in stored {
            let key = missing.get(&id).ok_or_else(|| Error::corrupt("a sum's name"))?;
            let row = Some(fleet.job.restore(key, &row)?);
            self.kept.insert(key.clone(), Sum { row, upto, version, dirty: false });
        }
        Ok(())
    }

    /// Writes what has changed.
    ///
    /// # Errors
    /// `Fenced` when somebody else is further than this worker, `Retry` when not all of it is known to be written.
    pub async fn flush(&mut self, fleet: &Fleet<J>) -> Result<()> {
        let mut writes = Vec::new();
        for (key, sum) in self.kept.iter().filter(|(_, sum)| sum.dirty) {
            let Some(row) = &sum.row else { continue };
            let (table, bytes) = fleet.job.locate(key);
            let (row, upto, version) = (fleet.job.encode(row), sum.upto, sum.version + 1);
            writes.push((key.clone(), StoredSum { id: sum_id(table, &bytes), row, upto, version }));
        }
        writes.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
        let shard = &self.shard;
        let write = |(key, sum): (J::Key, StoredSum)| async move {
            let written = fleet.tables.put_sum(shard, &sum).await;
            (key, sum, written)
        };
        let written = stream::iter(writes).map(write).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        let mut outcome = Ok(());
        for (key, written, done) in written {
            match done {
                Ok(true) => {
                    let sum = self.kept.get_mut(&key).ok_or_else(|| Error::corrupt("a sum's name"))?;
                    (sum.version, sum.dirty) = (written.version, false);
                }
                Ok(false) => outcome = outcome.and(self.meet(fleet, &key, written.id).await),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        if outcome.is_ok() && self.kept.len() > MAX_KEPT {
            self.kept.clear();
        }
        outcome
    }

    /// Finds another version of a sum than was known: an earlier write of this worker's, whose answer was lost, or
    /// a predecessor's. Either has every fact up to its position; what has more of them stands.
    async fn meet(&mut self, fleet: &Fleet<J>, key: &J::Key, id: String) -> Result<()> {
        let stored = fleet.tables.shard_sums(&self.shard, std::slice::from_ref(&id)).await?.pop();
        let sum = self.kept.get_mut(key).ok_or_else(|| Error::corrupt("a sum's name"))?;
        match stored {
            Some(stored) if stored.upto <= sum.upto => {
                sum.version = stored.version;
                Err(Error::Retry(format!("sum {id} of {} stands in another version", self.shard)))
            }
            _ => Err(Error::Fenced(format!("sum {id} of {} was changed by another worker", self.shard))),
        }
    }
}

/// The sum over all shards, as it is written now.
pub(super) async fn total<J: Job>(fleet: &Fleet<J>, key: &J::Key) -> Result<Option<J::Row>> {
    let (table, bytes) = fleet.job.locate(key);
    let parts = fleet.tables.sums(&sum_id(table, &bytes)).await?;
    let rows = parts.iter().map(|part| fleet.job.restore(key, &part.row)).collect::<Result<Vec<_>>>()?;
    Ok(fleet.job.total(rows))
}
