//! Rows in memory while records or a timer are worked on, each with the version that was read.

use std::collections::{BTreeMap, HashMap};

use super::Fleet;
use super::sums::total;
use crate::adapters::aws::group::{Expect, Group};
use crate::error::Result;
use crate::job::Job;
use crate::rows::Rows;

/// Rows in memory, and the version that each has in its table.
pub(super) struct Loaded<J: Job> {
    pub rows: Rows<J::Key, J::Row>,
    pub versions: HashMap<J::Key, u64>,
}

impl<J: Job> Default for Loaded<J> {
    fn default() -> Self {
        Loaded { rows: Rows::default(), versions: HashMap::new() }
    }
}

impl<J: Job> Loaded<J> {
    /// Reads rows. Sums are read as a whole where `totals` says so, and not at all otherwise.
    pub async fn load(&mut self, fleet: &Fleet<J>, keys: Vec<J::Key>, totals: bool) -> Result<()> {
        let mut by_table = BTreeMap::<&'static str, (Vec<J::Key>, Vec<Vec<u8>>)>::new();
        for key in keys {
            if self.rows.knows(&key) {
                continue;
            }
            // Known from here on, so that a key asked for twice is read once.
            self.rows.load(key.clone(), None);
            if fleet.job.is_sum(&key) {
                if totals {
                    self.rows.load(key.clone(), total(fleet, &key).await?);
                }
                continue;
            }
            let (table, place) = fleet.job.locate(&key);
            let (keys, places) = by_table.entry(table).or_default();
            keys.push(key);
            places.push(place);
        }
        for (table, (keys, places)) in by_table {
            for (key, stored) in keys.into_iter().zip(fleet.tables.get(table, &places).await?) {
                let Some(stored) = stored else { continue };
                self.versions.insert(key.clone(), stored.version);
                self.rows.load(key.clone(), Some(fleet.job.restore(&key, &stored.bytes)?));
            }
        }
        Ok(())
    }

    /// Adds a row to a group as it is now, over the version that was read.
    pub fn put(&self, fleet: &Fleet<J>, group: &mut Group, key: &J::Key) -> Result<()> {
        let (Some(row), false) = (self.rows.get(key), fleet.job.is_sum(key)) else { return Ok(()) };
        let (table, place) = fleet.job.locate(key);
        let expect = self.versions.get(key).map_or(Expect::Absent, |version| Expect::Version(*version));
        fleet.tables.put_row(group, table, &place, Some(fleet.job.encode(row)), expect)
    }
}
