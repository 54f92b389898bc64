//! Replay: a source's events into the log at the source's own times, at any speed.
//!
//! Two facts carry it. The clock is manual, and when it shows `c` every record that arrived before
//! `c` is in the log: so the jobs decide as they would have decided live. And each chunk is
//! appended, to all its streams, in one atomic write with the number of records that the source
//! has given so far: so a replay continues after any kill where it stopped, and adds nothing when
//! it is run again.
//!
//! Life: surveyed (the whole source is read once, so that a bad line is found before anything is
//! appended) → refused, or started → appending → draining (the clock passes the last window's
//! lateness) → done. An interrupt drains what is appended and leaves the rest for the next time.

mod feed;
#[cfg(feature = "aws")]
pub mod onto;
mod pace;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pipeline::fault::CrashPoint;
use pipeline::metrics::Metric;
use pipeline::record::Append;
use pipeline::tables::{Commit, system};
use pipeline::{Arrival, Error};
use schemas::time::Timestamp;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::bets::event_time;
use crate::node::{Node, Running};
use crate::notify::MailOptions;
use crate::sources::{SourceError, Sourced};
pub use feed::Survey;
use feed::{Feed, to_append};
use pace::Pace;
pub use pace::Speed;

/// Records of a chunk; all records of one millisecond are in one chunk.
const CHUNK: usize = 2_000;
/// How long after the last window's finality the clock stops: at no moment that a timer is due.
const AFTERWARDS_MS: i64 = 60_007;
/// How often a waiting replay looks whether it is interrupted and says how far it is.
const LOOK: Duration = Duration::from_millis(100);

/// Why a replay did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The source is wrong somewhere; nothing was appended.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The directory's records do not go with the source's.
    #[error("{0}")]
    Refused(String),
    /// Reading the source for its fingerprint failed.
    #[error("{path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// Log, tables or jobs failed.
    #[error(transparent)]
    Pipeline(#[from] Error),
}

/// What identifies a source: a hash of its files' bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u128);

/// How often somebody asked to stop. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicU32>);

/// How far a replay is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Records that the source gives.
    pub total: u64,
    /// Records in the log.
    pub appended: u64,
    /// Records that the jobs have read in this process.
    pub applied: u64,
    /// What the clock shows.
    pub clock: Arrival,
}

/// What a replay came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the source holds.
    pub survey: Survey,
    /// Records appended by this process.
    pub new: u64,
    /// Records of the source that are in the log.
    pub appended: u64,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

impl Interrupt {
    /// Asks to stop; a second time, to stop without draining.
    pub fn raise(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// How often it was raised.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

/// Hashes the bytes of a source's files, in order.
pub fn fingerprint<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<Fingerprint, ReplayError> {
    let mut digests = Vec::new();
    for path in files {
        let unreadable = |cause| ReplayError::Unreadable { path: path.display().to_string(), cause };
        let mut file = std::fs::File::open(path).map_err(unreadable)?;
        let mut hasher = Hasher(Xxh3::new());
        std::io::copy(&mut file, &mut hasher).map_err(unreadable)?;
        digests.extend_from_slice(&hasher.0.digest128().to_be_bytes());
    }
    Ok(Fingerprint(xxh3_128(&digests)))
}

/// Replays a source, and sends its mails if told how. `open` gives its events from the start; it is called twice. The node's clock
/// must be a manual one that stands at or before the first event.
pub async fn replay<I>(
    node: &Node,
    mail: Option<&MailOptions>,
    open: impl Fn() -> Result<I, SourceError>,
    source: Fingerprint,
    speed: Speed,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(Progress),
) -> Result<Outcome, ReplayError>
where
    I: Iterator<Item = Result<Sourced, SourceError>>,
{
    let survey = Survey::of(open()?)?;
    let appended = load_progress(node, source)?.min(survey.records);
    let mut feed = Feed::new(open()?);
    feed.skip(appended)?;
    let high = node.high_water().await?;
    match feed.next_at() {
        Some(next) if Arrival(next.millis()) < high => return Err(refused(node, &survey, appended, next, high)),
        Some(next) => node.clock.advance_to(Arrival(next.millis())),
        // Everything is appended; whatever is not applied yet arrived before this.
        None => node.clock.advance_to(high.plus_ms(1)),
    }
    let running = match mail {
        Some(mail) => node.start_with_mail(false, mail)?,
        None => node.start(false),
    };
    let mut replay = Replay { node, source, interrupt, watch, total: survey.records, appended, running };
    let outcome = match replay.append_all(&mut feed, speed).await {
        Ok(()) => replay.finish(&survey).await,
        Err(error) => replay.abandon(error).await,
    };
    outcome.map(|interrupted| Outcome {
        new: replay.appended - appended,
        appended: replay.appended,
        survey,
        interrupted,
    })
}

struct Replay<'a> {
    node: &'a Node,
    source: Fingerprint,
    interrupt: &'a Interrupt,
    watch: &'a mut dyn FnMut(Progress),
    total: u64,
    appended: u64,
    running: Running,
}

impl Replay<'_> {
    /// Appends chunk by chunk and moves the clock behind them.
    async fn append_all<I>(&mut self, feed: &mut Feed<I>, speed: Speed) -> Result<(), ReplayError>
    where
        I: Iterator<Item = Result<Sourced, SourceError>>,
    {
        let mut pace = Pace::new(speed, self.node.clock.now());
        while !feed.is_done() && !self.must_stop() {
            let limit = pace.limit().await;
            while !self.must_stop() {
                let chunk = feed.take(limit, CHUNK)?;
                if chunk.is_empty() {
                    break;
                }
                self.append(chunk)?;
                if let Some(next) = feed.next_at() {
                    self.node.clock.advance_to(Arrival(next.millis()).min(limit));
                }
                self.tell();
                // The engine's threads are others; this only lets the process' own tasks run.
                tokio::task::yield_now().await;
            }
            if let Some(next) = feed.next_at() {
                self.node.clock.advance_to(Arrival(next.millis()).min(limit));
            }
        }
        Ok(())
    }

    /// Appends a chunk to its streams, with the source's progress, in one atomic write.
    fn append(&mut self, chunk: Vec<Sourced>) -> Result<(), ReplayError> {
        let appended = self.appended + chunk.len() as u64;
        let mut commit = Commit::default();
        commit.put(system::SOURCES, self.source.0.to_be_bytes().to_vec(), appended.to_be_bytes().to_vec());
        for sourced in chunk {
            let (stream, record): (&'static str, Append) = to_append(sourced);
            commit.emits.entry(stream).or_default().push(record);
        }
        self.node.tables.commit(commit)?;
        self.node.tables.sync()?;
        self.appended = appended;
        self.node.ports().faults.reach(CrashPoint::AfterSourceAppend)?;
        Ok(())
    }

    /// Lets the jobs apply what is appended and, where that is everything, lets time pass until
    /// every window is final. Says whether it was interrupted.
    async fn finish(&mut self, survey: &Survey) -> Result<bool, ReplayError> {
        let complete = self.appended >= self.total;
        if let (true, Some(last)) = (complete, survey.last) {
            self.node.clock.advance_to(all_final(self.node, last));
        }
        self.running.stop.when_drained();
        loop {
            tokio::select! {
                ended = &mut self.running.task => {
                    ended.map_err(|cause| Error::fatal("the jobs", cause))??;
                    break;
                }
                () = tokio::time::sleep(LOOK) => self.tell(),
            }
            if self.interrupt.count() > u32::from(!complete) {
                self.running.stop.now();
            }
        }
        self.tell();
        Ok(self.interrupt.count() > 0)
    }

    /// Stops the jobs after a failure; theirs, if they failed, is the one to tell.
    async fn abandon(&mut self, error: ReplayError) -> Result<bool, ReplayError> {
        self.running.stop.now();
        match (&mut self.running.task).await {
            Ok(Err(cause)) => Err(cause.into()),
            _ => Err(error),
        }
    }

    /// Whether somebody asked to stop, or the jobs have ended (then [`Replay::finish`] says why).
    fn must_stop(&self) -> bool {
        self.interrupt.count() > 0 || self.running.task.is_finished()
    }

    fn tell(&mut self) {
        let applied = self.node.metrics.get(Metric::LogReadRecords);
        (self.watch)(Progress { total: self.total, appended: self.appended, applied, clock: self.node.clock.now() });
    }
}

/// How many records of the source are in the log.
fn load_progress(node: &Node, source: Fingerprint) -> Result<u64, Error> {
    let Some(value) = node.tables.get(system::SOURCES, &source.0.to_be_bytes())? else { return Ok(0) };
    value.try_into().map(u64::from_be_bytes).map_err(|_| Error::corrupt("a source's progress"))
}

/// A moment after which no window that `last` can fall into changes any more, no answer can be
/// challenged, and the hour's digests are due.
fn all_final(node: &Node, last: Timestamp) -> Arrival {
    const HOUR_MS: i64 = 3_600_000;
    let challenged = last.millis().saturating_add(node.options().challenge_ms);
    let digests = challenged.saturating_sub(challenged.rem_euclid(HOUR_MS)).saturating_add(HOUR_MS);
    let finals = node.windows.iter().map(|window| {
        let length = window.spec.length_ms.max(1);
        let end = last.millis().saturating_sub(last.millis().rem_euclid(length)).saturating_add(length);
        end.saturating_add(window.lateness_ms.max(window.disorder_ms))
    });
    Arrival(finals.max().unwrap_or(digests).max(digests).saturating_add(AFTERWARDS_MS))
}

fn refused(node: &Node, survey: &Survey, appended: u64, next: Timestamp, high: Arrival) -> ReplayError {
    let high = event_time(high);
    let dir = node.dir().display();
    ReplayError::Refused(match appended {
        0 => format!(
            "data directory {dir} holds records up to {high}, later than the first of this source ({next}); \
             time does not go back in a log: choose an empty directory with --data-dir"
        ),
        _ => format!(
            "{appended} of {} records of this source are in data directory {dir}, which went on to {high} meanwhile, \
             later than the next of them ({next}); start again in an empty directory with --data-dir",
            survey.records
        ),
    })
}

struct Hasher(Xxh3);

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
