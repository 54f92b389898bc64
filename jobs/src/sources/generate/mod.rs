//! Generated bets: as many as asked for, the same bytes for the same
//! parameters on any machine and with any version of any library.
//!
//! [`Bets`] spreads bets evenly over a span, all questions open from the
//! start, at odds that follow nothing: for benchmarks and for bad-input tests.
//! [`MatchDay`] is a day of matches with quiet nights and a peak at 20:00: each
//! match takes its course, odds follow it, and the final score decides. It is
//! for demos and for scaling, and [`Days`] goes on from day to day.
//!
//! Both yield lines that are ready for a log. Who bets on what follows Zipf's
//! law with exponent 1, in questions and in bettors. All numbers come from
//! [`random`], none from a library whose stream may change; probabilities are
//! integers ([`chance`]), since a float's last bit may differ by machine.

mod params;
mod steady;

mod live;
mod match_day;
mod schedule;

mod book;
mod course;
mod fixture;
mod games;
mod names;

mod habits;
mod people;

mod bet_line;
mod defects;
mod events;
mod maker;

mod chance;
mod random;
mod zipf;

#[cfg(test)]
mod tests;

pub use defects::{Defect, Defects};
pub use match_day::{Days, MatchDay};
pub use params::{MAX_BETTORS, MAX_QUESTIONS, Params, ParamsError};
pub use steady::Bets;

use schemas::time::Timestamp;

/// One line for a log: an event, good or bad, as the bytes a producer sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `bets` or `game-events`.
    pub stream: &'static str,
    /// Arrival time; never decreases from one line to the next.
    pub at: Timestamp,
    /// Keeps what concerns one question, or one account, in one order.
    pub partition_key: String,
    /// JSON without a newline, or what a [`Defect`] makes of it.
    pub bytes: Vec<u8>,
}
