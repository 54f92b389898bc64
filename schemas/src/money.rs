//! Money: exact signed amounts in millionths of the collateral's unit, as USDC has them.
//!
//! [`Money`] is one person's or one bet's amount. [`Total`] is a sum over any number of
//! them, wide enough that adding 2^63 amounts cannot overflow.

pub use crate::decimal::AmountError;
use crate::decimal::{Micros, amount_forms};

/// A signed amount in micro-units, below one trillion (10^12) units in magnitude.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i64);

/// A sum of money or of odds, in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Total(i128);

/// Eighteen digits, so that an amount always fits a SQL `DECIMAL(18, 6)`.
const MAX_MONEY_MICROS: i64 = 999_999_999_999_999_999;

/// Thirty-eight digits, so that a sum always fits a SQL `DECIMAL(38, 6)`.
const MAX_TOTAL_MICROS: i128 = 10i128.pow(38) - 1;

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
    /// The largest amount, 999999999999.999999.
    pub const MAX: Money = Money(MAX_MONEY_MICROS);

    /// From millionths of a unit; `None` at a trillion units and beyond.
    pub const fn from_micros(micros: i64) -> Option<Money> {
        if micros >= -MAX_MONEY_MICROS && micros <= MAX_MONEY_MICROS { Some(Money(micros)) } else { None }
    }

    /// Millionths of a unit.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The sum, unless it leaves the range.
    pub const fn checked_add(self, other: Money) -> Option<Money> {
        // Two amounts below 10^18 add without overflow of 64 bits.
        Self::from_micros(self.0 + other.0)
    }

    /// The difference, unless it leaves the range.
    pub const fn checked_sub(self, other: Money) -> Option<Money> {
        Self::from_micros(self.0 - other.0)
    }

    /// True below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// True above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }
}

impl Total {
    /// Nothing.
    pub const ZERO: Total = Total(0);

    /// From millionths; `None` beyond 38 digits.
    pub const fn from_micros(micros: i128) -> Option<Total> {
        if micros >= -MAX_TOTAL_MICROS && micros <= MAX_TOTAL_MICROS { Some(Total(micros)) } else { None }
    }

    /// Millionths.
    pub const fn micros(self) -> i128 {
        self.0
    }

    /// The sum, unless it leaves the range.
    pub const fn checked_add(self, other: Total) -> Option<Total> {
        // Two totals below 10^38 can reach 2·10^38, above i128's 1.7·10^38.
        match self.0.checked_add(other.0) {
            Some(micros) => Self::from_micros(micros),
            None => None,
        }
    }

    /// The difference, unless it leaves the range.
    pub const fn checked_sub(self, other: Total) -> Option<Total> {
        match self.0.checked_sub(other.0) {
            Some(micros) => Self::from_micros(micros),
            None => None,
        }
    }
}

impl From<Money> for Total {
    fn from(money: Money) -> Total {
        Total(i128::from(money.0))
    }
}

impl Micros for Money {
    const RANGE: &'static str = "between -999999999999.999999 and 999999999999.999999";

    fn from_wide(micros: i128) -> Option<Self> {
        i64::try_from(micros).ok().and_then(Money::from_micros)
    }

    fn wide(self) -> i128 {
        i128::from(self.0)
    }
}

impl Micros for Total {
    const RANGE: &'static str = "less than 10^32 in magnitude";

    fn from_wide(micros: i128) -> Option<Self> {
        Total::from_micros(micros)
    }

    fn wide(self) -> i128 {
        self.0
    }
}

amount_forms!(
    Money,
    "Money",
    "An exact amount with at most 6 decimals, below 10^12. Written as decimal text; a number is read from its text.",
    r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
);

amount_forms!(
    Total,
    "Total",
    "An exact sum with at most 6 decimals, below 10^32. Written as decimal text.",
    r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
);
