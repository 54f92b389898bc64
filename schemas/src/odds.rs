//! Decimal odds in exact fixed point: what one unit of stake pays back, stake included.

use crate::decimal::{Micros, amount_forms};
use crate::money::Money;

/// Decimal odds in millionths: above 1, at most 1,000,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Odds(u64);

const MIN_ODDS_MICROS: u64 = 1_000_001;
const MAX_ODDS_MICROS: u64 = 1_000_000_000_000;

impl Odds {
    /// From millionths; `None` at 1 and below, and above 1,000,000.
    pub const fn from_micros(micros: u64) -> Option<Odds> {
        if micros >= MIN_ODDS_MICROS && micros <= MAX_ODDS_MICROS { Some(Odds(micros)) } else { None }
    }

    /// Millionths.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// What a winning `stake` pays, stake included, rounded down to the millionth so that
    /// no payout exceeds what was promised. `None` when it leaves the range of money.
    pub fn payout(self, stake: Money) -> Option<Money> {
        let micros = stake.wide().checked_mul(i128::from(self.0))?;
        Money::from_wide(micros.div_euclid(crate::decimal::ONE))
    }
}

impl Micros for Odds {
    const RANGE: &'static str = "decimal odds above 1 and at most 1000000";

    fn from_wide(micros: i128) -> Option<Self> {
        u64::try_from(micros).ok().and_then(Odds::from_micros)
    }

    fn wide(self) -> i128 {
        i128::from(self.0)
    }
}

amount_forms!(
    Odds,
    "Odds",
    "Decimal odds, above 1 and at most 1000000, with at most 6 decimals. Written as decimal text; a number is read from its text.",
    r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
);
