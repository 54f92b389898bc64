//! Round-based esports: best of three maps, a map to 13 rounds; at 12-12 one
//! round decides.
//!
//! Rounds are independent with one probability. A map's chance follows by
//! recurrence over its rounds, a match's over its maps.

use serde_json::{Map, Value};

use super::super::chance::{ONE, either, mul, per_mille};
use super::super::random::Random;
use super::{Edge, Kind, Moment, Side, happens, pair, seconds};

/// How things stand; `rounds` are those of the running map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    pub maps: [u8; 2],
    pub rounds: [u8; 2],
}

const MAP: u8 = 13;

/// A round takes so many seconds, a break so many: 75 rounds and two breaks,
/// the most there are, end after 123 minutes.
const ROUND_S: (u32, u32) = (50, 92);
const BREAK_S: u32 = 240;

/// Draws a match.
pub(super) fn play(edge: Edge, mut state: State, random: &mut Random) -> Vec<Moment> {
    let mut at = 0;
    let mut moments = Vec::with_capacity(64);
    let mut push = |at, kind, side, shirt, state| {
        moments.push(Moment { at, kind, side, shirt, state: super::State::Rounds(state) });
    };
    push(at, Kind::Start, None, 0, state);
    loop {
        at += seconds(ROUND_S.0, ROUND_S.1, random);
        let side = if happens(round_chance(edge), random) { Side::Home } else { Side::Away };
        // Who was best in the round: below six.
        let shirt = 1 + random.below(5) as u8;
        state.rounds[side as usize] += 1;
        if state.rounds[side as usize] < MAP {
            push(at, Kind::Round, Some(side), shirt, state);
            continue;
        }
        state.maps[side as usize] += 1;
        if state.maps[side as usize] == 2 {
            push(at, Kind::MatchWon, Some(side), shirt, state);
            return moments;
        }
        push(at, Kind::MapWon, Some(side), shirt, state);
        state.rounds = [0, 0];
        at += BREAK_S;
    }
}

/// The chance that home wins a round: even, and 0.9 thousandths by point of
/// strength.
fn round_chance(edge: Edge) -> u64 {
    // 410 to 590.
    per_mille((500 + 9 * edge.clamp(-100, 100) / 10).unsigned_abs())
}

/// The chance that home wins the match.
pub(super) fn home_wins(state: &State, edge: Edge) -> u64 {
    if state.maps[0] == 2 || state.maps[1] == 2 {
        return if state.maps[0] == 2 { ONE } else { 0 };
    }
    let table = map_table(round_chance(edge));
    let fresh = table[0][0];
    // Between maps the last map's rounds still stand.
    let rounds = if state.rounds.contains(&MAP) { [0, 0] } else { state.rounds };
    let map = table[usize::from(rounds[0])][usize::from(rounds[1])];
    match state.maps {
        [0, 0] => either(map, either(fresh, ONE, fresh), mul(fresh, fresh)),
        [1, 0] => either(map, ONE, fresh),
        [0, 1] => mul(map, fresh),
        _ => map,
    }
}

/// The chance that home wins the map, by rounds won.
fn map_table(round: u64) -> [[u64; MAP as usize + 1]; MAP as usize + 1] {
    const END: usize = MAP as usize;
    let mut table = [[0; END + 1]; END + 1];
    table[END] = [ONE; END + 1];
    for home in (0..END).rev() {
        for away in (0..END).rev() {
            table[home][away] = either(round, table[home + 1][away], table[home][away + 1]);
        }
    }
    table
}

/// The map and its rounds.
pub(super) fn tell(state: &State, fields: &mut Map<String, Value>) {
    let played = state.maps[0] + state.maps[1];
    let over = state.rounds.contains(&MAP);
    fields.insert("map".to_owned(), (if over { played } else { played + 1 }).into());
    fields.insert("rounds".to_owned(), pair(state.rounds));
}
