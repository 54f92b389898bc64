//! Where the bets of a backfill come from.

use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt};
use pipeline::{Arrival, Error, Result};

use crate::archive::Archive;
use crate::control::{Access, history};
use crate::history::{decided_at, stepped};

/// Bets in the order of their decisions.
pub type Bets = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// Where they come from.
pub enum Source<'a> {
    /// The table of a data directory, or of the pipeline that runs on it.
    Pipeline(&'a Access),
    /// What `oddsmill export bets` wrote.
    Archive(PathBuf),
}

impl Source<'_> {
    /// What tells it from others.
    pub fn identity(&self) -> PathBuf {
        let dir = match self {
            Source::Pipeline(access) => access.dir().to_owned(),
            Source::Archive(dir) => dir.clone(),
        };
        dir.canonicalize().unwrap_or(dir)
    }

    /// The bets decided in a range of times, and not before `from`; and the moment before which there
    /// are no others.
    pub async fn open(self, decided: Range<i64>, from: i64) -> Result<(Arrival, Bets)> {
        match self {
            Source::Pipeline(access) => {
                // Before the bets: what is decided meanwhile may come with them.
                let frontier = access.frontier().await?;
                // A bet that was decided again stands where it was decided first.
                let asked = history::Asked { since: decided.start, from: decided.start.max(from), to: decided.end };
                Ok((frontier, access.bets(asked).await?.batches))
            }
            Source::Archive(dir) => {
                let archive = Archive::open(&dir, &decided, from)?;
                let whole_until = archive.whole_until;
                // What was decided later may be there as well, and may not be all of it.
                let times = decided.start.max(from)..decided.end.min(whole_until.0);
                let within = move |batch: Result<RecordBatch>| within(batch?, &times);
                Ok((whole_until, stepped(archive.bets().map(within)).boxed()))
            }
        }
    }
}

/// The rows of a batch, sorted by their decision, that were decided in a range of times.
fn within(batch: RecordBatch, times: &Range<i64>) -> Result<RecordBatch> {
    let decided = decided_at(&batch)?.values();
    if !decided.is_sorted() {
        return Err(Error::Reject("the archive's rows are not in the order of decided_at; export it again".into()));
    }
    let from = decided.partition_point(|at| *at < times.start);
    let to = decided.partition_point(|at| *at < times.end);
    Ok(batch.slice(from, to.saturating_sub(from)))
}
