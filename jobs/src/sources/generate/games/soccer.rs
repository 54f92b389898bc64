//! Soccer: two halves with added time, goals and cards.
//!
//! Goals are independent Poisson processes whose rates are the sides' expected
//! goals, scaled by the time left (Maher 1982). A red card multiplies the other
//! side's rate by 1.88 and leaves its own (Ridder, Cramer and Hopstaken 1994).
//! The chances are those of the score plus two Poisson numbers.

use serde_json::{Map, Value};

use super::super::chance::{ONE, POISSON_LEN, mul, per_mille, poisson};
use super::super::random::Random;
use super::{Edge, Kind, Moment, Side, happens, seconds};

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    pub goals: [u8; 2],
    pub reds: [u8; 2],
    pub phase: Phase,
    /// When the phase began.
    pub since: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    #[default]
    First,
    HalfTime,
    Second,
    Over,
}

const HALF_S: u32 = 45 * 60;
const BREAK_S: u32 = 15 * 60;

/// Minutes that a match is expected to last: two of added time in the first
/// half and four in the second. A rate is so many goals in this time.
const EXPECTED_S: u32 = 96 * 60;
/// In added time there is always a little left.
const LEAST_LEFT_S: u32 = 45;

const PENALTY_SHARE: u64 = per_mille(90);
/// Of a player on each side, by the minute: 3.6 yellow cards a match, and a red
/// one in five.
const YELLOW: u64 = per_mille(19);
const RED: u64 = per_mille(1);

/// Draws a match.
pub(super) fn play(edge: Edge, mut state: State, random: &mut Random) -> Vec<Moment> {
    let mut moments = Vec::with_capacity(16);
    let halves =
        [(Phase::First, Kind::Start, Kind::HalfTime, 1, 3), (Phase::Second, Kind::SecondHalf, Kind::FullTime, 2, 6)];
    let mut start = 0;
    for (phase, opens, closes, least, most) in halves {
        (state.phase, state.since) = (phase, start);
        moments.push(Moment { at: start, kind: opens, side: None, shirt: 0, state: super::State::Soccer(state) });
        let minutes = HALF_S / 60 + seconds(least, most, random);
        for minute in 0..minutes {
            for side in [Side::Home, Side::Away] {
                // Home in the first half of the minute, away in the second, so
                // that moments come in order.
                let at = start + minute * 60 + side as u32 * 30 + seconds(0, 29, random);
                if let Some((kind, shirt)) = happening(&mut state, side, edge, random) {
                    moments.push(Moment { at, kind, side: Some(side), shirt, state: super::State::Soccer(state) });
                }
            }
        }
        let at = start + minutes * 60;
        state.phase = if phase == Phase::First { Phase::HalfTime } else { Phase::Over };
        state.since = at;
        moments.push(Moment { at, kind: closes, side: None, shirt: 0, state: super::State::Soccer(state) });
        start = at + BREAK_S;
    }
    moments
}

/// What a side does in a minute, if anything.
fn happening(state: &mut State, side: Side, edge: Edge, random: &mut Random) -> Option<(Kind, u8)> {
    let rate = rates(edge, state.reds)[side as usize] * 60 / u64::from(EXPECTED_S);
    let level = random.below(ONE);
    // Below 11. Forwards (7 to 11) score four goals in five; anybody is booked.
    let (any, forward) = (1 + random.below(11) as u8, 7 + random.below(5) as u8);
    let own = side as usize;
    if level < rate {
        state.goals[own] += 1;
        let scorer = if random.below(5) == 0 { any.max(2) } else { forward };
        return Some((if happens(PENALTY_SHARE, random) { Kind::Penalty } else { Kind::Goal }, scorer));
    }
    match level - rate {
        0..RED if state.reds[own] < 2 => {
            state.reds[own] += 1;
            Some((Kind::RedCard, any))
        }
        level if level < RED + YELLOW => Some((Kind::YellowCard, any)),
        _ => None,
    }
}

/// Expected goals over a whole match, with the cards as they are: from 1.45 and
/// 1.15 (home advantage) by 0.011 and 0.0085 a point of strength.
fn rates(edge: Edge, reds: [u8; 2]) -> [u64; 2] {
    let edge = edge.clamp(-100, 100);
    // Thousandths of a goal: 350 to 2550, and 300 to 2000.
    let goals = [1_450 + 11 * edge, 1_150 - 17 * edge / 2];
    let rate = |own: usize| {
        let goals = per_mille(goals[own].unsigned_abs());
        // At most two reds: 2.55 · 1.88² = 9 goals, below 2^34.
        (0..reds[1 - own]).fold(goals, |rate, _| rate * 188 / 100)
    };
    [rate(0), rate(1)]
}

/// Home, draw, away.
pub(super) fn chances(state: &State, edge: Edge, at: u32) -> [u64; 3] {
    if state.phase == Phase::Over {
        return race([0, 0], state.goals);
    }
    let left = u64::from(left(state, at));
    race(rates(edge, state.reds).map(|rate| rate * left / u64::from(EXPECTED_S)), state.goals)
}

/// Seconds still to be played, as far as one can expect.
fn left(state: &State, at: u32) -> u32 {
    let passed = at.saturating_sub(state.since);
    let second = EXPECTED_S - HALF_S - 2 * 60;
    match state.phase {
        Phase::First => EXPECTED_S.saturating_sub(passed).max(second + LEAST_LEFT_S),
        Phase::HalfTime => second,
        Phase::Second => second.saturating_sub(passed).max(LEAST_LEFT_S),
        Phase::Over => 0,
    }
}

/// Home ahead, level, away ahead, after so many more goals on average.
fn race(means: [u64; 2], goals: [u8; 2]) -> [u64; 3] {
    let [home, away] = means.map(poisson);
    let mut chances = [0; 3];
    for (more, chance) in home.iter().enumerate() {
        // The away goals with which it is level.
        let level = usize::from(goals[0]) + more;
        let level = level.checked_sub(usize::from(goals[1]));
        let equal = level.and_then(|level| away.get(level)).copied().unwrap_or(0);
        let fewer: u64 = away[..level.unwrap_or(0).min(POISSON_LEN)].iter().sum();
        chances[0] += mul(*chance, fewer);
        chances[1] += mul(*chance, equal);
    }
    chances[2] = ONE.saturating_sub(chances[0] + chances[1]);
    chances
}

/// The minute as boards show it: 45+2 has `added` 2.
pub(super) fn tell(state: &State, at: u32, fields: &mut Map<String, Value>) {
    let minute = at.saturating_sub(state.since) / 60 + 1;
    let (minute, added) = match state.phase {
        Phase::First => (minute.min(45), minute.saturating_sub(45)),
        Phase::HalfTime => (45, 0),
        Phase::Second => (45 + minute.min(45), minute.saturating_sub(45)),
        Phase::Over => (90, 0),
    };
    fields.insert("minute".to_owned(), minute.into());
    if added > 0 {
        fields.insert("added".to_owned(), added.into());
    }
    if state.reds != [0, 0] {
        fields.insert("red_cards".to_owned(), super::pair(state.reds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the reference: expected goals 1.5 and 1.1.
    #[test]
    fn the_race_follows_the_reference() {
        let cases = [
            ([1_500_000, 1_100_000], [0, 0], [464_244_186, 257_667_215, 278_088_599]),
            ([750_000, 550_000], [1, 0], [760_171_941, 183_007_829, 56_820_229]),
            ([250_000, 183_333], [1, 1], [188_220_994, 678_402_356, 133_376_651]),
            ([1_000_000, 1_378_667], [0, 0], [272_471_835, 271_837_982, 455_690_183]),
        ];
        for (means, goals, expected) in cases {
            let chances = race(means.map(|micros: u64| ONE * micros / 1_000_000), goals);
            for (chance, expected) in chances.into_iter().zip(expected) {
                let billionths = chance * 1_000_000_000 / ONE;
                assert!(billionths.abs_diff(expected) < 1_500, "{goals:?}: {billionths} and not {expected}");
            }
        }
    }
}
