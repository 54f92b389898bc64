//! Replay of a Betfair exchange stream file.
//!
//! A market is a question, its runners are the outcomes, and volume newly
//! matched on a runner at a price is a bet on that outcome at those odds:
//!
//! ```text
//! first definition ──► streamer_upserted, stream_started, question_opened
//! trd increase     ──► account_upserted (a bettor's first), bet
//! runner REMOVED   ──► outcome_voided
//! market CLOSED    ──► betting_closed, outcome_observed for each WINNER,
//!                      or question_voided where nobody won
//! ```
//!
//! What a reader of the format would ask:
//! - **Suspensions make no pause.** Volume reported while a market is
//!   SUSPENDED was matched before; it is the late report of bets that count.
//!   A `question_paused` would have the pipeline reject them.
//! - **Betting ends at the first CLOSED**, whatever `marketTime` (the start)
//!   and `suspendTime` say. The question's `betting_end_time` is therefore only
//!   a backstop, 30 days after the start. Volume in the closing message counts;
//!   what comes later is ignored and counted.
//! - **The winner is who the definition names**, never who the prices favour.
//! - **There are no bettors in the data**: see [`identity`].
//! - In LINE and RANGE markets a price is a line and no odds: their volume
//!   is counted as `unpriced` and makes no bets.
//! - A runner that is REMOVED and comes back stays void; `reinstated` counts it.
//! - A runner that joins after the first definition is no outcome: a question's
//!   outcomes are fixed. `unknown_runner` counts its volume.
//! - PLACED (each-way markets) counts as not having won.

mod bets;
pub mod identity;
pub mod incidents;
mod ladder;
mod market;
mod message;
mod opening;
mod settling;
mod stats;
mod time;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use self::market::{Cast, Market};
use self::message::Message;
pub use self::stats::Stats;
pub use self::time::MAX_DISORDER_MS;
use self::time::{Moment, RunningTime};
use super::error::FieldError;
use super::{Input, SourceError, Sourced};

/// Opens a market file: plain, `.gz` or `.bz2` by its first bytes.
pub fn open(path: &Path) -> Result<Input, SourceError> {
    Input::open(path)
}

/// The events of a market file, in the file's order. Ends at the first error.
///
/// Memory: one message, and for each market its traded ladder while it is open
/// (350 prices a runner at most) and its runners' last status afterwards.
pub struct Replay {
    input: Input,
    converter: Converter,
    queue: VecDeque<Sourced>,
    ended: bool,
}

impl Replay {
    /// The events of an opened market file.
    pub fn new(input: Input) -> Self {
        Self { input, converter: Converter::default(), queue: VecDeque::new(), ended: false }
    }

    /// What was read so far.
    pub fn stats(&self) -> &Stats {
        &self.converter.cast.stats
    }

    fn read(&mut self) -> Result<bool, SourceError> {
        let Some(document) = self.input.next_json::<Message>()? else { return Ok(false) };
        self.converter.message(&document.value, &mut self.queue).map_err(|error| document.locate(error))?;
        Ok(true)
    }
}

impl Iterator for Replay {
    type Item = Result<Sourced, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(sourced) = self.queue.pop_front() {
                return Some(Ok(sourced));
            }
            if self.ended {
                return None;
            }
            match self.read() {
                Ok(more) => self.ended = !more,
                Err(error) => {
                    // Half a message is no message.
                    self.queue.clear();
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Messages in, events out; knows all markets of the file.
#[derive(Default)]
struct Converter {
    time: RunningTime,
    markets: HashMap<String, Market>,
    cast: Cast,
}

impl Converter {
    fn message(&mut self, message: &Message, out: &mut VecDeque<Sourced>) -> Result<(), FieldError> {
        self.cast.stats.messages += 1;
        if message.op != "mcm" {
            return Ok(());
        }
        let Some(pt) = message.pt else {
            return Err(FieldError::new("pt", "missing; every market change message has its publish time"));
        };
        let moment: Moment = self.time.advance(pt)?;
        self.cast.stats.disordered += u64::from(moment.disordered());
        for change in message.mc.iter().flatten() {
            if !self.markets.contains_key(&*change.id) {
                self.markets.insert(change.id.to_string(), Market::new(&change.id));
            }
            if let Some(market) = self.markets.get_mut(&*change.id) {
                market.apply(change, moment, &mut self.cast, out)?;
            }
        }
        Ok(())
    }
}
