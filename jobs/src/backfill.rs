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

mod kept;
pub mod source;

use std::ops::Range;
use std::path::PathBuf;

use futures::StreamExt;
use pipeline::window::backfill::Backfill;
use pipeline::window::times::WindowSettings;
use pipeline::window::windows::WindowRows;
use pipeline::window::{export, state};
use pipeline::{Arrival, Result};
use serde::{Deserialize, Serialize};

use crate::control::Access;
use crate::history;
use crate::replay::Interrupt;
use kept::Kept;
use source::Source;

/// Bets between two snapshots: about a second of work.
const SNAPSHOT_BETS: u64 = 1 << 20;

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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    #[serde(skip)]
    pub frontier: Arrival,
    /// Where it went on, if an earlier one was interrupted; the counts are those of both.
    #[serde(skip)]
    pub resumed: Option<Arrival>,
    /// Whether it was interrupted itself.
    #[serde(skip)]
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
    let kept = Kept::of(wanted, &source, sink)?;
    let (mut fold, mut outcome) = begin(wanted, kept.as_ref()).await?;
    let from = fold.frontier().0;
    let (frontier, mut batches) = source.open(wanted.decided(), from).await?;
    let (mut last, mut bets) = (i64::MIN, outcome.bets);
    while let Some(batch) = batches.next().await {
        let (rows, decided) = history::accepted(&batch?)?;
        let Some((first, end)) = decided.values().first().copied().zip(decided.values().last().copied()) else {
            continue;
        };
        take(wanted, sink, fold.pass_to(Arrival(first))?, &mut outcome).await?;
        // Between two moments nothing is half counted.
        let due = outcome.bets - bets >= SNAPSHOT_BETS || interrupt.count() > 0;
        if let Some(kept) = kept.as_ref().filter(|_| due && first > last) {
            kept.write(first, &fold.snapshot()?, &outcome).await?;
            bets = outcome.bets;
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
    match kept {
        Some(kept) => kept.clear().map(|()| outcome),
        None => Ok(outcome),
    }
}

/// A fresh fold, or the one that an interrupted backfill left.
async fn begin(wanted: &Wanted, kept: Option<&Kept>) -> Result<(Backfill, Outcome)> {
    let left = match kept {
        Some(kept) => kept.latest(wanted).await?,
        None => None,
    };
    let fresh = || (Backfill::new(wanted.settings.clone(), wanted.starts.clone()), Outcome::default());
    Ok(left.unwrap_or_else(fresh))
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
