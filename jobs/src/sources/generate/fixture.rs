//! A fixture: what a question is about, who plays, how strong they are, and
//! what will be unusual about it.
//!
//! Everything follows from a key (the seed's and the day's) and the question's
//! number. A team's strength follows from the team alone: who is strong today
//! is strong tomorrow.

use super::games::{Edge, Game, Side};
use super::names;
use super::random::{Random, hash, scale};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fixture {
    pub game: Game,
    /// The numbers of the sides' names.
    sides: [u64; 2],
    pub edge: Edge,
    /// The book's overround, in thousandths.
    pub margin: u64,
    pub fate: Fate,
    /// Whether play stops for a while.
    pub paused: bool,
    /// What the course draws from.
    pub chance: Random,
}

/// How the answer is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Feed and streamer agree.
    Agreed,
    /// The streamer says something else than the feed: an operator must look.
    Disputed,
    /// The match is not finished, and its question void.
    Abandoned,
}

/// One question in so many.
const ABANDONED_IN: u64 = 60;
const DISPUTED_IN: u64 = 40;
const PAUSED_IN: u64 = 30;

/// Rounding odds to hundredths moves an overround by half a hundredth at most,
/// so these margins end between 4 and 6 %.
const MARGINS: (u64, u64) = (46, 54);

/// Ratings are the same for every seed.
const RATINGS: u64 = 0x7EA3_5A1E_0F0D_D5B1;

impl Fixture {
    pub fn of(key: u64, question: u32, game: Game) -> Self {
        let mut random = Random::new(hash(key, question.into()));
        let home = random.below(game.sides());
        // Anybody else.
        let away = (home + 1 + random.below(game.sides() - 1)) % game.sides();
        let unusual = random.below(ABANDONED_IN * DISPUTED_IN);
        let fate = match unusual {
            0..DISPUTED_IN => Fate::Abandoned,
            _ if unusual < DISPUTED_IN + ABANDONED_IN => Fate::Disputed,
            _ => Fate::Agreed,
        };
        Self {
            game,
            sides: [home, away],
            edge: rating(game, home) - rating(game, away),
            margin: MARGINS.0 + random.below(MARGINS.1 - MARGINS.0 + 1),
            fate,
            paused: random.below(PAUSED_IN) == 0,
            chance: random,
        }
    }

    pub fn side(&self, side: Side) -> String {
        self.game.side_name(self.sides[side as usize])
    }

    /// "Harbour City v Northgate United".
    pub fn title(&self) -> String {
        format!("{} v {}", self.side(Side::Home), self.side(Side::Away))
    }

    /// The outcomes' names, in their order.
    pub fn outcomes(&self) -> Vec<String> {
        let mut outcomes = vec![self.side(Side::Home), self.side(Side::Away)];
        if self.game.outcomes() == 3 {
            outcomes.insert(1, "Draw".to_owned());
        }
        outcomes
    }

    /// Who wears a shirt, from 1.
    pub fn player(&self, side: Side, shirt: u8) -> String {
        let team = hash(RATINGS, self.sides[side as usize] * 8 + self.game as u64);
        names::player(scale(hash(team, shirt.into()), names::PLAYER_COUNT))
    }
}

/// 0 to 100; the mean of two draws, so that most teams are near the middle.
fn rating(game: Game, number: u64) -> Edge {
    let bits = hash(RATINGS, number * 8 + game as u64);
    // Each at most 50.
    (scale(bits, 51) + scale(bits.rotate_left(32), 51)) as Edge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusual_matches_are_as_rare_as_promised() {
        let all: Vec<_> = (0..24_000).map(|question| Fixture::of(7, question, Game::Soccer)).collect();
        let count = |unusual: fn(&Fixture) -> bool| all.iter().filter(|fixture| unusual(fixture)).count();
        // Within five standard deviations.
        for (found, expected) in [
            (count(|fixture| fixture.fate == Fate::Abandoned), 400),
            (count(|fixture| fixture.fate == Fate::Disputed), 600),
            (count(|fixture| fixture.paused), 800usize),
        ] {
            assert!(found.abs_diff(expected) < 5 * expected.isqrt(), "{found} and not {expected}");
        }
        assert!(all.iter().all(|fixture| fixture.side(Side::Home) != fixture.side(Side::Away)));
    }
}
