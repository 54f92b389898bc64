//! Snapshots of window states in object storage: what a worker goes on from instead of the log.
//!
//! Life: written under the name of its position → found by whoever takes over → superseded by
//! later ones and removed. Whoever restores one reads on after its position; where it is torn,
//! missing or of another plan, the one before it serves, and without any the log is read from the
//! start.
//!
//! Names are `PREFIX/NUMBER-SUB.snapshot`, a position's number with 58 digits and its place in an
//! aggregate with 10, so that they sort as positions do. Since
//! states of any split of the rows merge, a shard's snapshot is good for whichever worker has the
//! shard, and children of a split start with none.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use super::WindowPlan;
use super::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::record::Position;

/// Digits of the largest number, 2^192 − 1.
const NUMBER_DIGITS: usize = 58;
/// Digits of the largest place in an aggregate.
const SUB_DIGITS: usize = 10;
const SUFFIX: &str = ".snapshot";
/// Snapshots kept: the newest, and the one before it for when that is torn.
const KEEP: usize = 2;

/// Writes a snapshot under a name of its own.
pub async fn put(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    plan: &WindowPlan,
    position: Position,
    snapshot: &Snapshot,
) -> Result<()> {
    let bytes = snapshot.encode(plan, position)?;
    store.put(path, PutPayload::from(bytes)).await.map_err(|cause| unavailable("written", path, cause))?;
    Ok(())
}

/// Reads a snapshot by its name.
///
/// # Errors
/// `Fatal` for one that is damaged or of another plan; `Retry` where storage is out of reach.
pub async fn get(store: &Arc<dyn ObjectStore>, path: &Path, plan: &WindowPlan, position: Position) -> Result<Snapshot> {
    let object = store.get(path).await.map_err(|cause| unavailable("read", path, cause))?;
    let bytes = object.bytes().await.map_err(|cause| unavailable("read", path, cause))?;
    Snapshot::decode(plan, position, &bytes).map_err(|why| Error::Fatal(format!("{path}: {why}")))
}

/// A place in object storage with the snapshots of one shard, or of one backfill.
#[derive(Debug, Clone)]
pub struct Snapshots {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    plan: Arc<WindowPlan>,
}

impl Snapshots {
    /// The snapshots under a prefix, of this plan.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path, plan: Arc<WindowPlan>) -> Snapshots {
        Snapshots { store, prefix, plan }
    }

    /// Writes the snapshot of a position, removes those that are no longer needed, and returns its name. The same
    /// snapshot written again is the same object.
    pub async fn write(&self, position: Position, snapshot: &Snapshot) -> Result<String> {
        let name = name_of(position);
        put(&self.store, &self.prefix.clone().join(name.as_str()), &self.plan, position, snapshot).await?;
        self.collect(&name).await?;
        Ok(name)
    }

    /// Writes the snapshot of a position unless there is one of it or of a later one already; whether this one is
    /// the newest now. Of several writers that go on from the same snapshot one succeeds, also where the first to
    /// do so has been removed since.
    pub async fn create(&self, position: Position, snapshot: &Snapshot) -> Result<bool> {
        let name = name_of(position);
        let path = self.prefix.clone().join(name.as_str());
        let bytes = PutPayload::from(snapshot.encode(&self.plan, position)?);
        match self.store.put_opts(&path, bytes, PutMode::Create.into()).await {
            Ok(_) => {}
            Err(object_store::Error::AlreadyExists { .. }) => return Ok(false),
            Err(cause) => return Err(unavailable("written", &path, cause)),
        }
        if self.newest().await?.is_some_and(|newest| newest > position) {
            return Ok(false);
        }
        self.collect(&name).await?;
        Ok(true)
    }

    /// The newest position of which there is a snapshot, of whatever kind.
    pub async fn newest(&self) -> Result<Option<Position>> {
        Ok(self.names().await?.last().map(|(position, _)| *position))
    }

    /// The newest snapshot that can be used, of a position that is not after `until`.
    pub async fn latest(&self, until: Position) -> Result<Option<(Position, Snapshot)>> {
        let names = self.names().await?;
        for (position, path) in names.into_iter().rev().filter(|(position, _)| *position <= until) {
            let bytes = match self.store.get(&path).await {
                Ok(object) => object.bytes().await.map_err(|cause| unavailable("read", &path, cause))?,
                // Removed since it was listed.
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(cause) => return Err(unavailable("read", &path, cause)),
            };
            match Snapshot::decode(&self.plan, position, &bytes) {
                Ok(snapshot) => return Ok(Some((position, snapshot))),
                Err(why) => tracing::warn!(%path, %why, "a snapshot cannot be used; the one before it serves"),
            }
        }
        Ok(None)
    }

    /// Removes all of them.
    pub async fn clear(&self) -> Result<()> {
        for (_, path) in self.names().await? {
            self.remove(&path).await?;
        }
        Ok(())
    }

    /// Removes what is older than the newest two up to `name`. Later ones stay: they are a successor's.
    async fn collect(&self, name: &str) -> Result<()> {
        let names = self.names().await?;
        let upto = names.iter().filter(|(_, path)| path.filename().is_some_and(|found| found <= name)).count();
        for (_, path) in &names[..upto.saturating_sub(KEEP)] {
            self.remove(path).await?;
        }
        Ok(())
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(unavailable("removed", path, cause)),
        }
    }

    /// Every snapshot, by position. Other objects under the prefix are left alone.
    async fn names(&self) -> Result<Vec<(Position, Path)>> {
        let listed: Vec<_> = self
            .store
            .list(Some(&self.prefix))
            .try_collect()
            .await
            .map_err(|cause| unavailable("listed", &self.prefix, cause))?;
        let named = |path: Path| {
            let (number, sub) = path.filename()?.strip_suffix(SUFFIX)?.split_once('-')?;
            let position = number.parse::<Position>().ok()?.with_sub(sub.parse().ok()?);
            (path.filename()? == name_of(position)).then_some((position, path))
        };
        let mut names: Vec<(Position, Path)> = listed.into_iter().filter_map(|object| named(object.location)).collect();
        names.sort();
        Ok(names)
    }
}

fn name_of(position: Position) -> String {
    let (number, sub) = (position.with_sub(0).to_string(), position.sub());
    format!("{number:0>NUMBER_DIGITS$}-{sub:0>SUB_DIGITS$}{SUFFIX}")
}

fn unavailable(what: &str, path: &Path, cause: object_store::Error) -> Error {
    Error::Retry(format!("snapshot {path} cannot be {what}: {cause}"))
}
