//! Sources: what puts events into the streams without a producer of its own.
//!
//! - [`betfair`] turns a Betfair exchange stream file, and the ball-by-ball
//!   file that goes with it, into streams, questions, accounts, bets and game
//!   events at the file's own times.
//! - [`generate`] writes as many deterministic bets as a test or a benchmark
//!   asks for, the good and the bad.
//!
//! A source is an iterator. It reads no clock and draws no ambient randomness:
//! the same file or the same seed gives the same bytes. It holds one message
//! at a time, so a file may be larger than memory. Its items come in
//! non-decreasing `at`, so a replay can stamp them as arrival times as they
//! come.

pub mod betfair;
mod error;
pub mod generate;
mod input;
mod merge;
mod sourced;

pub use error::SourceError;
pub use input::{Input, MAX_LINE_BYTES};
pub use merge::{Merge, merge};
pub use sourced::{BETS, GAME_EVENTS, Sourced, SourcedEvent};
