//! The injected clock: wall time for a live pipeline, a hand-moved time for replay and tests.
//!
//! Arrival times are milliseconds since the Unix epoch. Event times (what a record says of
//! itself) are another type in another crate, so the two are never compared by accident.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A moment of arrival: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Arrival(pub i64);

impl Arrival {
    /// Before every record.
    pub const MIN: Arrival = Arrival(0);
    /// After every record.
    pub const MAX: Arrival = Arrival(i64::MAX);

    /// This moment plus a number of milliseconds, saturating at the ends.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Arrival {
        Arrival(self.0.saturating_add(ms))
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// Where "now" comes from. Cheap to clone; clones share the hand of a manual clock.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's wall clock.
    System,
    /// A clock that moves only when told to.
    Manual(Arc<AtomicI64>),
    /// A clock that runs faster than the machine's, or as fast; where a test pauses tokio's time, as that does.
    Scaled(Arc<Scale>),
}

/// From when, and how much faster, a scaled clock runs.
#[derive(Debug)]
pub struct Scale {
    origin: AtomicI64,
    since: Instant,
    speed: u32,
}

impl Clock {
    /// A manual clock that starts at `at`.
    pub fn manual(at: Arrival) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(at.0)))
    }

    /// A clock that shows `origin` now and runs `speed` times as fast as the machine's.
    pub fn scaled(origin: Arrival, speed: u32) -> Clock {
        Clock::Scaled(Arc::new(Scale { origin: AtomicI64::new(origin.0), since: Instant::now(), speed: speed.max(1) }))
    }

    /// The current time.
    pub fn now(&self) -> Arrival {
        match self {
            Clock::System => Arrival(system_millis()),
            Clock::Manual(hand) => Arrival(hand.load(Ordering::Acquire)),
            Clock::Scaled(scale) => {
                let micros = Instant::now().duration_since(scale.since).as_micros().saturating_mul(scale.speed.into());
                let origin = Arrival(scale.origin.load(Ordering::Acquire));
                origin.plus_ms(i64::try_from(micros / 1_000).unwrap_or(i64::MAX))
            }
        }
    }

    /// Moves a manual clock forward; earlier times and other clocks are left alone.
    pub fn advance_to(&self, at: Arrival) {
        if let Clock::Manual(hand) = self {
            hand.fetch_max(at.0, Ordering::AcqRel);
        }
    }

    /// Sets a scaled clock ahead or back, as a machine's is set; other clocks are left alone.
    pub fn jump(&self, by_ms: i64) {
        if let Clock::Scaled(scale) = self {
            scale.origin.fetch_add(by_ms, Ordering::AcqRel);
        }
    }

    /// How long to wait in real time until the clock shows `at`: none if it does already, and a
    /// bounded time for a manual clock, whose hand somebody else moves.
    pub fn until(&self, at: Arrival) -> Duration {
        let ahead = at.0.saturating_sub(self.now().0).max(0);
        match self {
            Clock::System => Duration::from_millis(u64::try_from(ahead).unwrap_or(0)),
            Clock::Scaled(scale) => {
                Duration::from_millis(u64::try_from(ahead).unwrap_or(0).div_ceil(u64::from(scale.speed)))
            }
            Clock::Manual(_) if ahead == 0 => Duration::ZERO,
            Clock::Manual(_) => Duration::from_millis(1),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the rim: the one place that reads the wall clock")]
fn system_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
