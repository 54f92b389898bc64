//! A question's stakes and counts by outcome, as the accepted bets add up.
//!
//! A row of its own, because bets change it thousands of times a second and only settling
//! changes the question.

use minicbor::{Decode, Encode};
use schemas::money::Money;
use schemas::row::Row as Stored;

use crate::rows::Row;

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
    /// Adds an accepted bet on an outcome. Acceptance keeps the stakes within what money can hold.
    pub fn add(&mut self, outcome: usize, stake: Money) {
        if self.bets.len() <= outcome {
            self.stake.resize(outcome + 1, Money::ZERO);
            self.bets.resize(outcome + 1, 0);
        }
        self.stake[outcome] = self.stake[outcome].checked_add(stake).unwrap_or(Money::MAX);
        self.bets[outcome] += 1;
    }

    /// No bets yet on a question with this many outcomes.
    pub fn new(outcomes: usize) -> TotalsRow {
        TotalsRow { stake: vec![Money::ZERO; outcomes], bets: vec![0; outcomes] }
    }
}

impl Stored for TotalsRow {
    const TABLE: &'static str = "question_totals";
}

/// The totals of a question whose bets came in several shards.
pub fn of_shards(sums: Vec<Row>) -> Option<Row> {
    let totals = sums.into_iter().filter_map(|row| if let Row::Totals(totals) = row { Some(totals) } else { None });
    let sum = totals.reduce(|mut all, one| {
        for (outcome, (stake, bets)) in one.stake.into_iter().zip(one.bets).enumerate() {
            if all.bets.len() <= outcome {
                all.stake.resize(outcome + 1, Money::ZERO);
                all.bets.resize(outcome + 1, 0);
            }
            all.stake[outcome] = all.stake[outcome].checked_add(stake).unwrap_or(Money::MAX);
            all.bets[outcome] += bets;
        }
        all
    });
    sum.map(Row::Totals)
}
