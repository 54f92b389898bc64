//! A window job computed again from what was decided, beside the pipeline that computed it first.
//!
//! The way of a backfill: bets in the order of their decisions, from the table or an archive
//! ([`source`]) → folded ([`pipeline::window::backfill`]) → each final window compared with what the
//! pipeline has of it, stored where it has none, written as Parquet, as asked for ([`Sink`]).
//!
//! Bets are read from the table and not from the log: all that counts stands there, with when it
//! was decided, and it outlives the log's retention.
//!
//! Files that are written make a long backfill one that can be interrupted: every few moments what
//! is open is kept in a snapshot beside them, and the same command goes on from there.

pub mod source;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use pipeline::record::Position;
use pipeline::window::backfill::Backfill;
use pipeline::window::snapshots::Snapshots;
use pipeline::window::times::WindowSettings;
use pipeline::window::windows::WindowRows;
use pipeline::window::{export, state};
use pipeline::{Arrival, Error, Result};

use crate::control::Access;
use crate::history;
use crate::replay::Interrupt;
use source::Source;

/// Bets between two snapshots: about a second of work.
const SNAPSHOT_BETS: u64 = 1 << 20;
/// The folder of snapshots, beside the files. Readers of partitioned files pass over it.
const SNAPSHOTS: &str = "_backfill";

/// Which windows.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The window job.
    pub settings: WindowSettings,
    /// Those that start in this range, in milliseconds since the epoch.
    pub starts: Range<i64>,
    /// How far a bet's own time may be from its arrival, in milliseconds.
    pub max_skew_ms: i64,
}

impl Wanted {
    /// Bets that can be in these windows were decided in this range of times: not before they arrived,
    /// which is at most the skew before the first window, and before the last one was final.
    pub fn decided(&self) -> Range<i64> {
        let from = self.starts.start.saturating_sub(self.max_skew_ms);
        from..self.settings.final_at(self.starts.end).0
    }
}

/// What becomes of final windows.
pub struct Sink<'a> {
    /// What the pipeline has is compared with them.
    pub access: Option<&'a Access>,
    /// What it lacks is stored.
    pub fill: bool,
    /// Where they are written as Parquet, if anywhere.
    pub out: Option<PathBuf>,
}

/// What a backfill came to, or has come to so far.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Bets read, accepted ones.
    pub bets: u64,
    /// Final windows.
    pub windows: u64,
    /// Their rows.
    pub rows: u64,
    /// Windows of which the pipeline has the same bytes.
    pub alike: u64,
    /// Windows of which it has other rows, by their start.
    pub different: Vec<i64>,
    /// Windows of which it has none, and got none.
    pub missing: u64,
    /// Windows that were stored.
    pub filled: u64,
    /// Windows that are open still, or not final.
    pub open: u64,
    /// How far in time it has come.
    pub frontier: Arrival,
    /// Where it went on, if an earlier one was interrupted.
    pub resumed: Option<Arrival>,
    /// Whether it was interrupted itself.
    pub interrupted: bool,
}

/// Computes windows again.
pub async fn run(
    wanted: &Wanted,
    source: Source<'_>,
    sink: &Sink<'_>,
    interrupt: &Interrupt,
    watch: &mut (dyn FnMut(&Outcome) + Send),
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let snapshots = snapshots(wanted, sink)?;
    let mut fold = begin(wanted, snapshots.as_ref(), &mut outcome).await?;
    let from = fold.frontier().0;
    let (frontier, mut batches) = source.open(wanted.decided(), from).await?;
    let (mut last, mut kept) = (i64::MIN, 0);
    while let Some(batch) = batches.next().await {
        let (rows, decided) = history::accepted(&batch?)?;
        let Some((first, end)) = decided.values().first().copied().zip(decided.values().last().copied()) else {
            continue;
        };
        take(wanted, sink, fold.pass_to(Arrival(first))?, &mut outcome).await?;
        // Between two moments nothing is half counted.
        let due = outcome.bets - kept >= SNAPSHOT_BETS || interrupt.count() > 0;
        if let Some(snapshots) = snapshots.as_ref().filter(|_| due && first > last) {
            snapshots.write(position(first), &fold.snapshot()?).await?;
            kept = outcome.bets;
        }
        if interrupt.count() > 0 {
            outcome.interrupted = true;
            return Ok(outcome);
        }
        take(wanted, sink, fold.take(&rows, &decided)?, &mut outcome).await?;
        outcome.bets += rows.num_rows() as u64;
        (last, outcome.frontier) = (end, fold.frontier());
        watch(&outcome);
    }
    take(wanted, sink, fold.pass_to(frontier)?, &mut outcome).await?;
    (outcome.frontier, outcome.open) = (fold.frontier(), fold.open_windows());
    if let Some(snapshots) = snapshots {
        snapshots.clear().await?;
    }
    Ok(outcome)
}

/// A fresh fold, or the one that an interrupted backfill left.
async fn begin(wanted: &Wanted, snapshots: Option<&Snapshots>, outcome: &mut Outcome) -> Result<Backfill> {
    let (settings, starts) = (wanted.settings.clone(), wanted.starts.clone());
    let found = match snapshots {
        Some(snapshots) => snapshots.latest(Position::MAX).await?,
        None => None,
    };
    Ok(match found {
        Some((_, snapshot)) => {
            outcome.resumed = Some(snapshot.frontier);
            Backfill::restore(settings, starts, snapshot)
        }
        None => Backfill::new(settings, starts),
    })
}

/// Snapshots of just these windows, where files are written.
fn snapshots(wanted: &Wanted, sink: &Sink<'_>) -> Result<Option<Snapshots>> {
    let Some(out) = &sink.out else { return Ok(None) };
    std::fs::create_dir_all(out)?;
    let failed = |cause: object_store::Error| Error::fatal(&format!("snapshots in {}", out.display()), cause);
    let store = LocalFileSystem::new_with_prefix(out).map_err(failed)?.with_automatic_cleanup(true);
    let (name, Range { start, end }) = (&wanted.settings.spec.name, &wanted.starts);
    let prefix = ObjectPath::from(format!("{SNAPSHOTS}/{name}/{start}-{end}"));
    Ok(Some(Snapshots::new(Arc::new(store), prefix, wanted.settings.plan.clone())))
}

fn position(at_ms: i64) -> Position {
    Position::new(at_ms.unsigned_abs().into())
}

/// Compares, stores and writes windows that became final.
async fn take(wanted: &Wanted, sink: &Sink<'_>, windows: Vec<WindowRows>, outcome: &mut Outcome) -> Result<()> {
    for window in windows {
        outcome.windows += 1;
        outcome.rows += window.rows.num_rows() as u64;
        if let Some(out) = &sink.out {
            export::write(out, &wanted.settings, &window)?;
        }
        let Some(access) = sink.access else { continue };
        let bytes = state::encode(&window.rows)?;
        match access.window(&window.window, window.start_ms).await? {
            Some(stored) if stored == bytes => outcome.alike += 1,
            Some(_) => outcome.different.push(window.start_ms),
            None if sink.fill && access.fill(&window.window, window.start_ms, &bytes).await? => outcome.filled += 1,
            None => outcome.missing += 1,
        }
    }
    Ok(())
}
