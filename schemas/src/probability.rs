//! Probabilities and confidences in exact millionths.

use crate::decimal::{Micros, amount_forms};

/// A share of certainty in millionths, 0 to 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Probability(u32);

impl Probability {
    /// Impossible.
    pub const ZERO: Probability = Probability(0);
    /// Certain.
    pub const ONE: Probability = Probability(1_000_000);

    /// From millionths; `None` above one million.
    pub const fn from_micros(micros: u32) -> Option<Probability> {
        if micros <= 1_000_000 { Some(Probability(micros)) } else { None }
    }

    /// Millionths.
    pub const fn micros(self) -> u32 {
        self.0
    }
}

impl Micros for Probability {
    const RANGE: &'static str = "between 0 and 1";

    fn from_wide(micros: i128) -> Option<Self> {
        u32::try_from(micros).ok().and_then(Probability::from_micros)
    }

    fn wide(self) -> i128 {
        i128::from(self.0)
    }
}

amount_forms!(
    Probability,
    "Probability",
    "Between 0 and 1 with at most 6 decimals. Written as decimal text; a number is read from its text.",
    r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
);
