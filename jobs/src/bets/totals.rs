//! A question's stakes and counts by outcome, as the accepted bets add up.
//!
//! A row of its own, because bets change it thousands of times a second and only settling
//! changes the question.

use minicbor::{Decode, Encode};
use schemas::money::Money;
use schemas::row::Row;

/// A row of `question_totals`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct TotalsRow {
    /// Accepted stakes by outcome.
    #[n(0)]
    pub stake: Vec<Money>,
    /// Accepted bets by outcome.
    #[n(1)]
    pub bets: Vec<u64>,
}

impl TotalsRow {
    /// No bets yet on a question with this many outcomes.
    pub fn new(outcomes: usize) -> TotalsRow {
        TotalsRow { stake: vec![Money::ZERO; outcomes], bets: vec![0; outcomes] }
    }
}

impl Row for TotalsRow {
    const TABLE: &'static str = "question_totals";
}
