//! How fast a replay's clock runs.

use std::str::FromStr;
use std::time::Duration;

use pipeline::Arrival;
use tokio::time::{Interval, interval};

/// How often a paced clock moves.
const TICK_MS: u64 = 50;

/// The speed of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// As fast as the log takes it.
    Max,
    /// So many times as fast as it happened.
    Times(u32),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        match text {
            "max" => Ok(Speed::Max),
            "realtime" => Ok(Speed::Times(1)),
            number => match number.trim_end_matches('x').parse() {
                Ok(times) if times > 0 => Ok(Speed::Times(times)),
                _ => Err("choose max, realtime, or a whole number such as 60 (a minute in a second)".into()),
            },
        }
    }
}

/// Says up to which source time records may be appended by now.
pub enum Pace {
    /// Up to any.
    Max,
    /// Up to a time that moves with every tick.
    Ticking {
        /// Ticks that were missed come at once, so that the clock does not fall behind.
        ticks: Interval,
        /// The source time reached.
        now: Arrival,
        /// Source milliseconds a tick.
        step_ms: i64,
    },
}

impl Pace {
    /// A pace that begins at a source time.
    pub fn new(speed: Speed, start: Arrival) -> Pace {
        match speed {
            Speed::Max => Pace::Max,
            Speed::Times(times) => Pace::Ticking {
                ticks: interval(Duration::from_millis(TICK_MS)),
                now: start,
                step_ms: i64::from(times).saturating_mul(TICK_MS as i64),
            },
        }
    }

    /// Waits for the next tick and returns the source time reached.
    pub async fn limit(&mut self) -> Arrival {
        match self {
            Pace::Max => Arrival::MAX,
            Pace::Ticking { ticks, now, step_ms } => {
                ticks.tick().await;
                *now = now.plus_ms(*step_ms);
                *now
            }
        }
    }
}
