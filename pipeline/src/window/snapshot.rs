//! Snapshots of window states in object storage: what a worker goes on from instead of the log.
//!
//! Life: written under the name of its position → found by whoever takes over → superseded by
//! later ones and removed. Whoever restores one reads on after its position; where it is torn,
//! missing or of another plan, the one before it serves, and without any the log is read from the
//! start. A snapshot of other SQL, of another state format or version of DataFusion has another
//! fingerprint and is passed over: states of it would not merge.
//!
//! ```text
//! PREFIX/POSITION.snapshot        POSITION: 58 digits, so that names sort as positions do
//! format u8 · fingerprint u64 · position 24 bytes · frontier i64 · counts 3 × u32
//! · panes, published rows (start i64 · length u32 · Arrow IPC) · timers (due i64 · length u32 · key)
//! · xxh3 of all before u64
//! ```
//!
//! Numbers of the frame are little-endian, the position is big-endian; Arrow IPC is as in
//! [`super::state`]. Since states of any split of the rows merge, a shard's snapshot is good for
//! whichever worker has the shard, and children of a split start with none.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use xxhash_rust::xxh3::xxh3_64;

use super::schedule::Due;
use super::{WindowPlan, results, state};
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::record::Position;

const FORMAT: u8 = 1;
const SUFFIX: &str = ".snapshot";
/// Digits of the largest position, 2^192 − 1.
const POSITION_DIGITS: usize = 58;
/// Snapshots kept: the newest, and the one before it for when that is torn.
const KEEP: usize = 2;

/// The states of one window job, as of a position.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Everything that was decided before this is in it.
    pub frontier: Arrival,
    /// The state of each open pane, by its start.
    pub panes: BTreeMap<i64, RecordBatch>,
    /// The rows of windows that were published and are not final, by their start.
    pub published: BTreeMap<i64, RecordBatch>,
    /// What is due when.
    pub timers: Vec<Due>,
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
        let name = format!("{position:0>POSITION_DIGITS$}{SUFFIX}", position = position.to_string());
        let bytes = encode(&self.plan, position, snapshot)?;
        let path = self.prefix.clone().join(name.as_str());
        self.store.put(&path, PutPayload::from(bytes)).await.map_err(|cause| unavailable("written", &path, cause))?;
        self.collect(&name).await?;
        Ok(name)
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
            match decode(&self.plan, position, &bytes) {
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
            let digits = path.filename()?.strip_suffix(SUFFIX)?;
            let position = digits.trim_start_matches('0');
            let position = if position.is_empty() { "0" } else { position }.parse().ok()?;
            (digits.len() == POSITION_DIGITS).then_some((position, path))
        };
        let mut names: Vec<(Position, Path)> = listed.into_iter().filter_map(|object| named(object.location)).collect();
        names.sort();
        Ok(names)
    }
}

fn unavailable(what: &str, path: &Path, cause: object_store::Error) -> Error {
    Error::Retry(format!("snapshot {path} cannot be {what}: {cause}"))
}

fn encode(plan: &WindowPlan, position: Position, snapshot: &Snapshot) -> Result<Vec<u8>> {
    let Snapshot { frontier, panes, published, timers } = snapshot;
    let mut out = vec![FORMAT];
    out.extend_from_slice(&plan.fingerprint().to_le_bytes());
    out.extend_from_slice(&position.to_be_bytes());
    out.extend_from_slice(&frontier.0.to_le_bytes());
    for count in [panes.len(), published.len(), timers.len()] {
        out.extend_from_slice(&short(count)?);
    }
    for (start, batch) in panes.iter().chain(published) {
        put(&mut out, *start, &state::encode(batch)?)?;
    }
    for (due, key) in timers {
        put(&mut out, due.0, key)?;
    }
    let hash = xxh3_64(&out);
    out.extend_from_slice(&hash.to_le_bytes());
    Ok(out)
}

fn put(out: &mut Vec<u8>, number: i64, bytes: &[u8]) -> Result<()> {
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&short(bytes.len())?);
    out.extend_from_slice(bytes);
    Ok(())
}

fn short(length: usize) -> Result<[u8; 4]> {
    let length = u32::try_from(length).map_err(|_| Error::Fatal("a snapshot of over 4 GiB in one part".into()))?;
    Ok(length.to_le_bytes())
}

/// Why bytes are no snapshot of this plan and position.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it is torn or damaged")]
    Torn,
    #[error("it has format {0}, this program writes {FORMAT}")]
    Format(u8),
    #[error("it is of other SQL or of another version")]
    OtherPlan,
    #[error(transparent)]
    State(#[from] super::WindowError),
}

fn decode(plan: &WindowPlan, position: Position, bytes: &[u8]) -> std::result::Result<Snapshot, Unusable> {
    let (all, hash) = bytes.split_last_chunk::<8>().ok_or(Unusable::Torn)?;
    if xxh3_64(all) != u64::from_le_bytes(*hash) {
        return Err(Unusable::Torn);
    }
    let mut rest = Rest(all);
    let [format] = rest.take()?;
    if format != FORMAT {
        return Err(Unusable::Format(format));
    }
    if u64::from_le_bytes(rest.take()?) != plan.fingerprint() {
        return Err(Unusable::OtherPlan);
    }
    if Position::from_be_bytes(rest.take()?) != position {
        return Err(Unusable::Torn);
    }
    let frontier = Arrival(i64::from_le_bytes(rest.take()?));
    let [panes, published, timers] = [rest.count()?, rest.count()?, rest.count()?];
    Ok(Snapshot {
        frontier,
        panes: rest.batches(panes, &plan.state_schema())?,
        published: rest.batches(published, &results::schema(plan))?,
        timers: rest.timers(timers)?,
    })
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> std::result::Result<[u8; N], Unusable> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Unusable::Torn)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn count(&mut self) -> std::result::Result<u32, Unusable> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn part(&mut self) -> std::result::Result<(i64, &'a [u8]), Unusable> {
        let number = i64::from_le_bytes(self.take()?);
        let length = self.count()? as usize;
        let (part, rest) = self.0.split_at_checked(length).ok_or(Unusable::Torn)?;
        self.0 = rest;
        Ok((number, part))
    }

    fn timers(&mut self, count: u32) -> std::result::Result<Vec<Due>, Unusable> {
        (0..count).map(|_| self.part().map(|(due, key)| (Arrival(due), key.to_vec()))).collect()
    }

    fn batches(&mut self, count: u32, schema: &SchemaRef) -> std::result::Result<BTreeMap<i64, RecordBatch>, Unusable> {
        let mut batches = BTreeMap::new();
        for _ in 0..count {
            let (start, bytes) = self.part()?;
            batches.insert(start, state::decode(schema, bytes)?);
        }
        Ok(batches)
    }
}
