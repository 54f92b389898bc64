//! A book: decimal odds for all outcomes, with the bookmaker's share in them.
//!
//! The implied probability of an outcome is a flat part, the same for all, and
//! the rest by its probability: `flat + (1 + margin - n · flat) · p`. The flat
//! part is so large that a certain outcome is at 1.02, the least there is. Thus
//! the implied probabilities always sum to 1.04 to 1.06, odds shorten whenever
//! an outcome becomes likelier, and longshots carry more of the margin, as in
//! real books (the favourite-longshot bias). Real markets would be suspended
//! where this one still offers 1.02 and 30.
//!
//! Odds are in hundredths, exact micro-odds: 2.35 is 2,350,000.

use super::chance::ONE;
use super::games::Chances;
use super::random::Random;

/// The least and the most, in hundredths.
const LEAST: u32 = 102;
const MOST: u32 = 50_100;

/// The implied probability of the least odds.
const HIGHEST_SHARE: u64 = ONE * 100 / LEAST as u64;

/// Of so many bettors one takes the favourite without looking at the odds.
const FAVOURITE_IN: u64 = 5;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Book {
    /// Hundredths by outcome.
    cents: [u32; 3],
    outcomes: usize,
}

impl Book {
    /// The book of probabilities, with a margin in thousandths.
    pub fn of(chances: Chances, margin: u64) -> Self {
        let (chances, outcomes) = match chances {
            Chances::Two([home, away]) => ([home, away, 0], 2u8),
            Chances::Three(chances) => (chances, 3),
        };
        let (n, whole) = (u64::from(outcomes), ONE * (1_000 + margin) / 1_000);
        // A certain outcome's share is then the highest.
        let flat = (whole - HIGHEST_SHARE) / (n - 1);
        let mut cents = [0; 3];
        for (cents, chance) in cents.iter_mut().zip(chances).take(outcomes.into()) {
            // Below 2^61.
            let share = flat + (whole - n * flat) * chance / ONE;
            // Rounded.
            let odds = (100 * ONE + share / 2) / share;
            *cents = u32::try_from(odds).unwrap_or(MOST).clamp(LEAST, MOST);
        }
        let outcomes = outcomes.into();
        Self { cents, outcomes }
    }

    /// Odds in hundredths, by outcome.
    #[cfg(test)]
    pub fn cents(&self) -> &[u32] {
        &self.cents[..self.outcomes]
    }

    /// An outcome's implied probability, the margin in it.
    pub fn share(&self, outcome: usize) -> u64 {
        100 * ONE / u64::from(self.cents[outcome].max(LEAST))
    }

    #[cfg(test)]
    pub fn shares(&self) -> Vec<u64> {
        (0..self.outcomes).map(|outcome| self.share(outcome)).collect()
    }

    /// Draws what somebody bets on, and the odds that they get: a percent
    /// around the book's. Outcomes are bet on as they are likely, and the
    /// favourite a little more.
    pub fn bet(&self, random: &mut Random) -> (u8, u64) {
        let shares = [0, 1, 2].map(|outcome| if outcome < self.outcomes { self.share(outcome) } else { 0 });
        let mut outcome = (0..self.outcomes).max_by_key(|outcome| shares[*outcome]).unwrap_or(0);
        let bits = random.next();
        if (bits & 0xFFFF) * FAVOURITE_IN >= 1 << 16 {
            let mut level = random.below(shares.iter().sum());
            outcome = 0;
            while level >= shares[outcome] {
                level -= shares[outcome];
                outcome += 1;
            }
        }
        // 990 to 1010 thousandths.
        let jitter = 990 + ((((bits >> 16) & 0xFFFF) * 21) >> 16);
        let cents = (u64::from(self.cents[outcome]) * jitter + 500) / 1_000;
        // Below three.
        (outcome as u8, cents.clamp(LEAST.into(), MOST.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_probabilities_make_a_book() {
        let mut random = Random::new(3);
        for round in 0..200_000u64 {
            let (home, margin) = (random.below(ONE + 1) >> (round % 31), 46 + random.below(9));
            let draw = random.below(ONE - home + 1) >> (round / 31 % 31);
            for chances in [Chances::Two([home, ONE - home]), Chances::Three([home, draw, ONE - home - draw])] {
                let book = Book::of(chances, margin);
                let sum: f64 = book.cents().iter().map(|cents| 100.0 / f64::from(*cents)).sum();
                assert!((1.04..=1.06).contains(&sum), "{chances:?}: {book:?} sums to {sum}");
                assert!(book.cents().iter().all(|cents| (LEAST..=MOST).contains(cents)));
            }
        }
    }

    #[test]
    fn favourites_are_liked_a_little_more() {
        let book = Book::of(Chances::Two([ONE * 3 / 4, ONE / 4]), 50);
        let mut random = Random::new(5);
        let home = (0..100_000).filter(|_| book.bet(&mut random).0 == 0).count();
        // Of an implied share of 0.717 four fifths, and the fifth that only looks
        // for the favourite.
        assert!(home.abs_diff(77_300) < 1_000, "{home}");
    }
}
