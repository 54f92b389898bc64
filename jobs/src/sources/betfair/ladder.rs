//! The traded ladder of one market: how much was matched on a runner at a
//! price, ever. Bets are its increases.
//!
//! Four rules, each with a trap behind it:
//! - an increase over the last cumulative size is what was newly matched;
//! - an image replaces the ladder: its sizes are the new base and no bets,
//!   since they were matched before and may have been reported before;
//! - a decrease is a correction (a voided or reduced bet): there is no
//!   negative bet, so the lower size becomes the new base;
//! - prices are compared as numbers: `1.5` and `1.50` are one price.

use std::collections::BTreeMap;
use std::fmt;

use schemas::money::Money;
use serde_json::value::RawValue;

use crate::sources::error::FieldError;

/// A runner within a market: its id, and its handicap where one exists, since
/// Asian handicap markets have the same runner at several handicaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RunnerKey {
    id: u64,
    handicap: Money,
}

impl RunnerKey {
    pub fn new(id: u64, handicap: Option<&RawValue>) -> Result<Self, FieldError> {
        let handicap = match handicap {
            Some(text) => decimal("hc", text)?,
            None => Money::ZERO,
        };
        Ok(Self { id, handicap })
    }
}

/// The runner's id, as in `outcome_ids`: `228749`, or `228749@-1.5`.
impl fmt::Display for RunnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.handicap == Money::ZERO { write!(f, "{}", self.id) } else { write!(f, "{}@{}", self.id, self.handicap) }
    }
}

/// What a reported cumulative size says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// This much more was matched.
    Matched(Money),
    /// A correction downwards.
    Corrected,
    /// Nothing new, or the base from an image.
    Same,
}

/// Cumulative sizes by runner and price. Betfair's price scale has 350 steps,
/// so a market holds at most that many entries a runner.
#[derive(Debug, Default)]
pub(super) struct Ladder {
    sizes: BTreeMap<(RunnerKey, Money), Money>,
}

impl Ladder {
    /// Starts anew, as an image does: once a message, however often the
    /// message then names a runner.
    pub fn clear(&mut self) {
        self.sizes.clear();
    }

    /// Takes the cumulative size at a price.
    pub fn step(&mut self, runner: RunnerKey, price: Money, size: Money, image: bool) -> Result<Step, FieldError> {
        if size < Money::ZERO {
            return Err(FieldError::new("trd", format!("size {size} is negative; a traded volume cannot be")));
        }
        let last = self.sizes.insert((runner, price), size).unwrap_or(Money::ZERO);
        if image || size == last {
            return Ok(Step::Same);
        }
        if size < last {
            return Ok(Step::Corrected);
        }
        let overflow = || FieldError::new("trd", format!("size {size} is too large"));
        size.checked_sub(last).map(Step::Matched).ok_or_else(overflow)
    }
}

/// A JSON number or string as an exact decimal.
pub(super) fn decimal(field: &str, raw: &RawValue) -> Result<Money, FieldError> {
    let text = raw.get().trim_matches('"');
    Money::parse(text).map_err(|error| FieldError::new(field, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    #[test]
    fn steps() {
        // price, size, image → what it means.
        let cases = [
            ("1.5", "10", false, Step::Matched(money("10"))),
            ("1.50", "12.5", false, Step::Matched(money("2.5"))),
            ("1.5", "12.5", false, Step::Same),
            ("1.5", "4", false, Step::Corrected),
            ("1.5", "5", false, Step::Matched(money("1"))),
            ("1.6", "100", true, Step::Same),
            ("1.6", "101", false, Step::Matched(money("1"))),
        ];
        let mut ladder = Ladder::default();
        let runner = RunnerKey::new(1, None).unwrap();
        for (price, size, image, expected) in cases {
            assert_eq!(ladder.step(runner, money(price), money(size), image).unwrap(), expected, "{price} {size}");
        }
        ladder.clear();
        assert_eq!(
            ladder.step(runner, money("1.6"), money("1"), false).unwrap(),
            Step::Matched(money("1")),
            "a cleared ladder counts from zero"
        );
    }

    #[test]
    fn a_handicap_makes_another_runner() {
        let raw = RawValue::from_string("-1.5".to_owned()).unwrap();
        let zero = RawValue::from_string("0".to_owned()).unwrap();
        assert_eq!(RunnerKey::new(7, Some(&raw)).unwrap().to_string(), "7@-1.5");
        assert_eq!(RunnerKey::new(7, Some(&zero)).unwrap(), RunnerKey::new(7, None).unwrap());
    }
}
