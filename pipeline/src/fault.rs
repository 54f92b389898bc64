//! Crash points and seeded bugs: how tests break the engine on purpose.
//!
//! A [`Faults`] is a constructor argument that only tests make; the product passes
//! [`Faults::none`]. A crash point returns [`Error::Crashed`], after which the caller drops
//! everything and opens the directory again, as a killed process would.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};

/// A place between two effects of the run loop, in the order of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CrashPoint {
    /// A batch was read and decoded; nothing else happened.
    AfterRead,
    /// Rows are loaded and the batch is applied in memory.
    AfterApply,
    /// Window partials are computed; nothing is written.
    AfterPartials,
    /// The commit is assembled, not yet written.
    BeforeCommit,
    /// The commit is written, perhaps not yet synced to the disk.
    AfterCommit,
    /// Buffered rows are to go into their trees; all commits that they come from are on the disk.
    BeforeMerge,
    /// Buffered rows are in their trees, the runs they came in are not removed.
    AfterMerge,
    /// A window's Parquet file is in place, its closing commit is not.
    AfterExport,
    /// A timer's effects are applied in memory, not yet committed.
    AfterTick,
    /// Mails are with the mailer; that they are is not recorded yet.
    AfterSend,
    /// A source's records are appended with their progress.
    AfterSourceAppend,
}

impl CrashPoint {
    /// Every point, in the order of the loop.
    pub const ALL: [CrashPoint; 11] = [
        CrashPoint::AfterSourceAppend,
        CrashPoint::AfterRead,
        CrashPoint::AfterApply,
        CrashPoint::AfterPartials,
        CrashPoint::BeforeCommit,
        CrashPoint::AfterCommit,
        CrashPoint::BeforeMerge,
        CrashPoint::AfterMerge,
        CrashPoint::AfterExport,
        CrashPoint::AfterTick,
        CrashPoint::AfterSend,
    ];
}

/// A bug seeded behind a switch, to prove that the tests can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// The checkpoint is committed before the batch's other effects.
    CheckpointBeforeCommit,
    /// Stored decisions are ignored, so a repeated record counts again.
    ClaimIgnored,
    /// Windows close one millisecond early.
    WindowClosedEarly,
    /// A late record adds to its window without a new revision.
    LateWithoutRevision,
    /// Game events lose their precedence over bets that arrived in the same millisecond.
    TiesReversed,
    /// What could not be applied is not kept.
    DeadLettersDropped,
    /// Of several records that a run emits, the last is lost.
    EmitDropped,
    /// Timers are set in memory alone.
    TimersUnwritten,
    /// What a timer changes in rows is not written.
    TickRowsDropped,
    /// What a timer changes in stored facts is not written.
    AmendmentsDropped,
    /// A checkpoint says one record more than was applied.
    CheckpointAhead,
    /// Decisions that leave no facts are not stored, and others stay open.
    ClaimsUnwritten,
    /// What a run adds to the windows is added twice.
    PartialsDoubled,
    /// Of a cluster's worker alone: timers that a run had stored before it was tried again are not kept in memory.
    TimersForgotten,
    /// Of a cluster's worker alone: while it waits for another stream it does not hear that it is to stop.
    StopUnheard,
    /// Rows go into their trees, which are on the disk, before the commits are that they come from.
    MergeUnsynced,
}

impl Bug {
    /// Every one of a node.
    pub const ALL: [Bug; 14] = [
        Bug::CheckpointBeforeCommit,
        Bug::ClaimIgnored,
        Bug::WindowClosedEarly,
        Bug::LateWithoutRevision,
        Bug::TiesReversed,
        Bug::DeadLettersDropped,
        Bug::EmitDropped,
        Bug::TimersUnwritten,
        Bug::TickRowsDropped,
        Bug::AmendmentsDropped,
        Bug::CheckpointAhead,
        Bug::ClaimsUnwritten,
        Bug::PartialsDoubled,
        Bug::MergeUnsynced,
    ];
}

#[derive(Debug)]
struct Crash {
    point: CrashPoint,
    /// How many passes are still let through.
    passes: AtomicU32,
}

/// The faults a test asked for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    crash: Option<Arc<Crash>>,
    bug: Option<Bug>,
    watch: Option<Watch>,
}

/// Somebody who is told of each crash point that is reached.
#[derive(Clone)]
struct Watch(Arc<dyn Fn(CrashPoint) + Send + Sync>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

impl Faults {
    /// No faults: what the product runs with.
    pub fn none() -> Faults {
        Faults::default()
    }

    /// Crash when `point` is reached for the `nth` time, counting from 0.
    pub fn crash_at(point: CrashPoint, nth: u32) -> Faults {
        Faults { crash: Some(Arc::new(Crash { point, passes: AtomicU32::new(nth) })), ..Faults::none() }
    }

    /// Run with a seeded bug.
    pub fn with_bug(bug: Bug) -> Faults {
        Faults { bug: Some(bug), ..Faults::none() }
    }

    /// The same faults and a seeded bug.
    #[must_use]
    pub fn and_bug(mut self, bug: Bug) -> Faults {
        self.bug = Some(bug);
        self
    }

    /// The same faults, and somebody who is told of each crash point that is reached.
    #[must_use]
    pub fn and_watch(mut self, watch: impl Fn(CrashPoint) + Send + Sync + 'static) -> Faults {
        self.watch = Some(Watch(Arc::new(watch)));
        self
    }

    /// Called at each crash point.
    pub fn reach(&self, point: CrashPoint) -> Result<()> {
        if let Some(Watch(watch)) = &self.watch {
            watch(point);
        }
        let Some(crash) = self.crash.as_deref().filter(|c| c.point == point) else {
            return Ok(());
        };
        let left = crash.passes.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        if left.is_ok() { Ok(()) } else { Err(Error::Crashed(point)) }
    }

    /// Whether a seeded bug is switched on.
    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }
}
