//! What an interrupted backfill leaves beside its files, so that the same command goes on: the state
//! of the fold, and what it has come to so far.
//!
//! They are those of one computation: other times, another source or another use of the windows has
//! another folder, `OUT/_backfill/NAME/HASH`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use pipeline::record::Position;
use pipeline::window::backfill::Backfill;
use pipeline::window::snapshot::Snapshot;
use pipeline::window::snapshots::Snapshots;
use pipeline::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::source::Source;
use super::{Outcome, Sink, Wanted};

/// The folder, beside the files. Readers of partitioned files pass over it.
const FOLDER: &str = "_backfill";

/// A place for what one computation leaves.
pub struct Kept {
    snapshots: Snapshots,
    dir: PathBuf,
}

impl Kept {
    /// The place, where files are written.
    pub fn of(wanted: &Wanted, source: &Source<'_>, sink: &Sink<'_>) -> Result<Option<Kept>> {
        let Some(out) = &sink.out else { return Ok(None) };
        let settings = &wanted.settings;
        let times = (settings.disorder_ms, settings.lateness_ms, settings.late, settings.early_ms, wanted.max_skew_ms);
        let compared = sink.access.map(|access| access.dir().to_owned());
        let computation =
            format!("{:?}", (&settings.spec, times, &wanted.starts, source.identity(), compared, sink.fill));
        let folder = format!("{FOLDER}/{}/{:016x}", settings.spec.name, xxh3_64(computation.as_bytes()));
        fs::create_dir_all(out)?;
        let failed = |cause: object_store::Error| Error::fatal(&format!("snapshots in {}", out.display()), cause);
        let store = LocalFileSystem::new_with_prefix(out).map_err(failed)?;
        let dir = out.join(&folder);
        let snapshots = Snapshots::new(Arc::new(store), ObjectPath::from(folder), settings.plan.clone());
        Ok(Some(Kept { snapshots, dir }))
    }

    /// Where the newest usable snapshot left off.
    pub async fn latest(&self, wanted: &Wanted) -> Result<Option<(Backfill, Outcome)>> {
        let Some((position, snapshot)) = self.snapshots.latest(Position::MAX).await? else { return Ok(None) };
        let Ok(counts) = fs::read(self.counts(position)) else { return Ok(None) };
        let mut outcome: Outcome =
            serde_json::from_slice(&counts).map_err(|cause| Error::fatal("an interrupted backfill's counts", cause))?;
        outcome.resumed = Some(snapshot.frontier);
        Ok(Some((Backfill::restore(wanted.settings.clone(), wanted.starts.clone(), snapshot), outcome)))
    }

    /// Keeps the state before a moment, and what it has come to.
    pub async fn write(&self, at_ms: i64, snapshot: &Snapshot, outcome: &Outcome) -> Result<()> {
        let position = Position::new(at_ms.unsigned_abs().into());
        let counts = serde_json::to_vec(outcome).map_err(|cause| Error::fatal("a backfill's counts", cause))?;
        fs::create_dir_all(&self.dir)?;
        // First, so that a snapshot that is there has its counts.
        whole(&self.counts(position), &counts)?;
        self.snapshots.write(position, snapshot).await?;
        Ok(())
    }

    /// Removes all of it.
    pub fn clear(self) -> Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(cause.into()),
            _ => {
                // The folders above go with the last computation in them.
                let above = self.dir.ancestors().skip(1).take(2);
                above.for_each(|folder| drop(fs::remove_dir(folder)));
                Ok(())
            }
        }
    }

    fn counts(&self, position: Position) -> PathBuf {
        self.dir.join(format!("{position}.json"))
    }
}

/// Writes a file whole or not at all.
fn whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, bytes)?;
    Ok(fs::rename(temporary, path)?)
}
