//! What a generator is asked for, and what it refuses.

use schemas::time::Timestamp;
use thiserror::Error;

use super::defects::Defects;

/// The most bettors: an address text and two table columns for each, about 60
/// bytes, so 600 MB at the bound.
pub const MAX_BETTORS: u32 = 10_000_000;
/// The most questions: about 100 bytes each, and on a match day 2 KB while its
/// match is on.
pub const MAX_QUESTIONS: u32 = 1_000_000;

const MILLION: u32 = 1_000_000;

/// A generator's parameters; `Default` is what the command line shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// Lines in the `bets` stream, the bad ones included.
    pub count: u64,
    /// Other seeds give other ids, other bettors and another history.
    pub seed: u64,
    /// Questions that bets are spread over.
    pub questions: u32,
    /// People who bet.
    pub bettors: u32,
    /// When the first line arrives. A match day begins at its midnight (UTC).
    pub start: Timestamp,
    /// Over how long the bets arrive; a match day is 24 hours whatever is here.
    pub duration_ms: u64,
    /// Shares of lines that are not as they should be.
    pub defects: Defects,
}

/// Why parameters are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParamsError {
    #[error("{name} is {value}; choose 1 to {most}")]
    /// A count is out of range.
    Count {
        /// Which.
        name: &'static str,
        /// What was asked for.
        value: u32,
        /// The most there may be.
        most: u32,
    },
    #[error("the shares of bad lines add up to {sum} in a million; they cannot be more than all lines")]
    /// The shares add up to more than everything.
    Shares {
        /// In a million.
        sum: u64,
    },
    #[error("the span ends after the year 9999; choose an earlier start or a shorter duration")]
    /// The span leaves the range of times.
    Span,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            count: 100_000,
            seed: 1,
            questions: 100,
            bettors: 1_000,
            start: DEFAULT_START,
            duration_ms: 3_600_000,
            defects: Defects::default(),
        }
    }
}

/// 2022-07-11T00:00:00Z, the day of the example market: a fixed day, so that
/// the default output never changes.
const DEFAULT_START: Timestamp = match Timestamp::from_millis(1_657_497_600_000) {
    Some(start) => start,
    None => Timestamp::EPOCH,
};

impl Params {
    pub(super) fn check(&self) -> Result<(), ParamsError> {
        for (name, value, most) in
            [("questions", self.questions, MAX_QUESTIONS), ("bettors", self.bettors, MAX_BETTORS)]
        {
            if value == 0 || value > most {
                return Err(ParamsError::Count { name, value, most });
            }
        }
        let defects = &self.defects;
        let shares = [defects.out_of_order, defects.duplicate, defects.conflict, defects.late, defects.bad];
        let sum = shares.iter().map(|share| u64::from(*share)).sum();
        if sum > u64::from(MILLION) {
            return Err(ParamsError::Shares { sum });
        }
        // Questions stay open for a day after the span.
        let end = i64::try_from(self.duration_ms).ok().and_then(|span| self.start.millis().checked_add(span));
        let end = end.and_then(|end| end.checked_add(2 * 86_400_000));
        if end.and_then(Timestamp::from_millis).is_none() {
            return Err(ParamsError::Span);
        }
        Ok(())
    }
}
