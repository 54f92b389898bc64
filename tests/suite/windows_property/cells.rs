//! Cells of windows' rows: computed from bets, and as tables and records show them.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use schemas::bet::Bet;
use schemas::ids::{Address, QuestionId};
use serde_json::Value;

/// A cell of a window's row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Count(u64),
    Text(String),
    Micros(i128),
}

impl Cell {
    pub fn text(&self) -> String {
        match self {
            Cell::Count(count) => count.to_string(),
            Cell::Text(text) => text.clone(),
            Cell::Micros(micros) => format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
        }
    }

    pub fn json(&self) -> Value {
        match self {
            Cell::Count(count) => Value::from(*count),
            other => Value::from(other.text()),
        }
    }
}

/// A key that a bet is grouped by.
pub fn key_of(bet: &Bet, column: &str) -> Cell {
    match column {
        "question_uuid" => Cell::Text(bet.question_uuid.to_string()),
        "outcome_index" => Cell::Count(bet.outcome_index.into()),
        "bettor" => Cell::Text(bet.bettor.to_string()),
        other => unreachable!("{other} is no key"),
    }
}

/// A column's value over bets in the order of (`placed_at`, `bet_uuid`).
pub fn value_of(column: &str, bets: &[Bet]) -> Cell {
    let odds: Vec<i128> = bets.iter().map(|bet| i128::from(bet.odds.micros())).collect();
    let stakes: Vec<i128> = bets.iter().map(|bet| i128::from(bet.buy_amount.micros())).collect();
    let (sum_odds, stake): (i128, i128) = (odds.iter().sum(), stakes.iter().sum());
    match column {
        "bets" => Cell::Count(bets.len() as u64),
        "bettors" => Cell::Count(bets.iter().map(|bet| bet.bettor).collect::<BTreeSet<Address>>().len() as u64),
        "questions" => {
            Cell::Count(bets.iter().map(|bet| bet.question_uuid).collect::<BTreeSet<QuestionId>>().len() as u64)
        }
        "stake" => Cell::Micros(stake),
        "sum_odds" => Cell::Micros(sum_odds),
        "avg_odds" => Cell::Micros(half_even(sum_odds, bets.len() as i128)),
        "weighted_odds" => {
            Cell::Micros(half_even(odds.iter().zip(&stakes).map(|(odds, stake)| odds * stake).sum(), stake))
        }
        "min_odds" => Cell::Micros(*odds.iter().min().unwrap()),
        "max_odds" => Cell::Micros(*odds.iter().max().unwrap()),
        "first_odds" => Cell::Micros(odds[0]),
        "last_odds" => Cell::Micros(odds[odds.len() - 1]),
        other => unreachable!("{other} is no column"),
    }
}

/// A quotient of numbers that are not negative, rounded half to even.
fn half_even(dividend: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    match (rest * 2).cmp(&divisor) {
        Ordering::Less => quotient,
        Ordering::Equal => quotient + quotient % 2,
        Ordering::Greater => quotient + 1,
    }
}
