//! Where leases are kept: a table with conditional writes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Change, Lease, LeaseKey};
#[cfg(feature = "aws")]
use crate::adapters::aws::leases::DynamoLeases;
use crate::error::{Error, Result};

/// The lease table chosen at start-up. Cheap to clone.
#[derive(Debug, Clone)]
pub enum LeaseTable {
    /// In this process, for tests and simulations.
    Memory(MemoryLeases),
    /// In DynamoDB.
    #[cfg(feature = "aws")]
    Dynamo(DynamoLeases),
}

impl LeaseTable {
    /// Reads every lease.
    pub async fn scan(&self) -> Result<Vec<Lease>> {
        match self {
            LeaseTable::Memory(table) => Ok(table.scan()),
            #[cfg(feature = "aws")]
            LeaseTable::Dynamo(table) => table.scan().await,
        }
    }

    /// Reads one lease.
    pub async fn get(&self, key: &LeaseKey) -> Result<Option<Lease>> {
        match self {
            LeaseTable::Memory(table) => Ok(table.rows().get(key).cloned()),
            #[cfg(feature = "aws")]
            LeaseTable::Dynamo(table) => table.get(key).await,
        }
    }

    /// Writes a lease unless there is one under its key; whether it was written.
    pub async fn create(&self, lease: &Lease) -> Result<bool> {
        match self {
            LeaseTable::Memory(table) => Ok(table.create(lease)),
            #[cfg(feature = "aws")]
            LeaseTable::Dynamo(table) => table.create(lease).await,
        }
    }

    /// Changes a lease of which the caller knows a copy, and returns what it is then.
    ///
    /// # Errors
    /// `Fenced` when the stored row is no longer what the change asks for.
    pub async fn change(&self, seen: &Lease, change: &Change) -> Result<Lease> {
        match self {
            LeaseTable::Memory(table) => table.change(seen, change),
            #[cfg(feature = "aws")]
            LeaseTable::Dynamo(table) => table.change(seen, change).await,
        }
    }

    /// Removes a lease, unless somebody has written to it meanwhile; whether it was removed.
    pub async fn remove(&self, seen: &Lease) -> Result<bool> {
        match self {
            LeaseTable::Memory(table) => Ok(table.remove(seen)),
            #[cfg(feature = "aws")]
            LeaseTable::Dynamo(table) => table.remove(seen).await,
        }
    }
}

/// The error of a write whose condition does not hold.
pub fn fenced(key: &LeaseKey) -> Error {
    Error::Fenced(format!("lease {key} was changed by another worker"))
}

/// Leases in memory. Cheap to clone; clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryLeases {
    rows: Arc<Mutex<BTreeMap<LeaseKey, Lease>>>,
    failing: Arc<AtomicU32>,
}

impl MemoryLeases {
    /// Has so many of the next changes fail, as where a table is out of reach.
    pub fn fail(&self, changes: u32) {
        self.failing.store(changes, Ordering::Relaxed);
    }

    fn rows(&self) -> std::sync::MutexGuard<'_, BTreeMap<LeaseKey, Lease>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scan(&self) -> Vec<Lease> {
        self.rows().values().cloned().collect()
    }

    fn create(&self, lease: &Lease) -> bool {
        let mut rows = self.rows();
        let absent = !rows.contains_key(&lease.key);
        if absent {
            rows.insert(lease.key.clone(), lease.clone());
        }
        absent
    }

    fn change(&self, seen: &Lease, change: &Change) -> Result<Lease> {
        let fails = self.failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(Error::Retry("the leases are out of reach".into()));
        }
        let mut rows = self.rows();
        let stored = rows.get_mut(&seen.key).filter(|stored| change.holds(seen, stored));
        let stored = stored.ok_or_else(|| fenced(&seen.key))?;
        change.make(stored);
        Ok(stored.clone())
    }

    fn remove(&self, seen: &Lease) -> bool {
        let mut rows = self.rows();
        let same = rows.get(&seen.key).is_some_and(|stored| stored.counter == seen.counter);
        same && rows.remove(&seen.key).is_some()
    }
}
