//! How far the shards of a stream are, all of them together, as their leases tell.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clock::Arrival;
use crate::error::Result;
use crate::lease::table::LeaseTable;
use crate::lease::{Lease, LeaseKey, WorkerId};

/// How long what was read is believed.
const FRESH: Duration = Duration::from_millis(500);

/// Leases, and when they were read.
type Reading = (Instant, Arc<[Lease]>);

/// Reads leases for whoever asks how far shards are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Frontiers {
    table: LeaseTable,
    read: Arc<Mutex<Option<Reading>>>,
}

impl Frontiers {
    /// As this table tells.
    pub fn new(table: LeaseTable) -> Frontiers {
        Frontiers { table, read: Arc::default() }
    }

    /// Everything of a stream (by its name in the log) that arrived before this is applied.
    pub async fn of(&self, stream: &str) -> Result<Arrival> {
        let leases = self.leases().await?;
        let unfinished = unfinished(&leases, stream);
        Ok(unfinished.map(|lease| lease.progress.frontier).min().unwrap_or(Arrival::MIN))
    }

    /// Whether a worker is the one that does what only one should do for a stream: it has the first of
    /// the leases that are not finished.
    pub async fn leads(&self, stream: &str, worker: &WorkerId) -> Result<bool> {
        let leases = self.leases().await?;
        let first = unfinished(&leases, stream).min_by_key(|lease| lease.shard);
        Ok(first.is_some_and(|lease| lease.owner.as_ref() == Some(worker)))
    }

    /// A lease, as it is stored now.
    pub async fn lease(&self, key: &LeaseKey) -> Result<Option<Lease>> {
        self.table.get(key).await
    }

    async fn leases(&self) -> Result<Arc<[Lease]>> {
        let mut read = self.read.lock().await;
        if let Some((_, leases)) = read.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(leases.clone());
        }
        let leases: Arc<[Lease]> = self.table.scan().await?.into();
        *read = Some((Instant::now(), leases.clone()));
        Ok(leases)
    }
}

fn unfinished<'a>(leases: &'a [Lease], stream: &'a str) -> impl Iterator<Item = &'a Lease> {
    leases.iter().filter(move |lease| lease.stream.as_deref() == Some(stream) && !lease.is_finished())
}
