//! Tennis: best of three sets, a tie-break at 6-6.
//!
//! The server wins a game with a probability that depends on who serves; games
//! are independent. A set's chance follows by recurrence over its games, a
//! match's over its sets (as in Newton and Keller 2005, with games for points).

use serde_json::{Map, Value};

use super::super::chance::{ONE, either, mul, not, per_mille};
use super::super::random::Random;
use super::{Edge, Kind, Moment, Side, happens, pair, seconds};

/// How things stand; `games` are those of the running set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub sets: [u8; 2],
    pub games: [u8; 2],
    /// Who serves next.
    pub server: Side,
}

/// A game takes so many seconds: 39 games, the most there are, end after 124
/// minutes.
const GAME_S: (u32, u32) = (140, 190);

impl State {
    pub(super) fn new(server: Side) -> Self {
        Self { sets: [0, 0], games: [0, 0], server }
    }

    fn set_is_won(&self) -> bool {
        let [high, low] = [self.games[0].max(self.games[1]), self.games[0].min(self.games[1])];
        high == 7 || (high == 6 && low <= 4)
    }
}

/// Draws a match.
pub(super) fn play(edge: Edge, mut state: State, random: &mut Random) -> Vec<Moment> {
    let mut at = 0;
    let mut moments = Vec::with_capacity(32);
    let mut push = |at, kind, side, state| {
        moments.push(Moment { at, kind, side, shirt: 0, state: super::State::Tennis(state) });
    };
    push(at, Kind::Start, None, state);
    loop {
        at += seconds(GAME_S.0, GAME_S.1, random);
        let tie_break = state.games == [6, 6];
        let chance = if tie_break { tie_break_chance(edge) } else { game_chance(edge, state.server) };
        let side = if happens(chance, random) { Side::Home } else { Side::Away };
        let broken = side != state.server;
        state.games[side as usize] += 1;
        state.server = state.server.other();
        if !state.set_is_won() {
            push(at, if broken { Kind::Break } else { Kind::GameWon }, Some(side), state);
            continue;
        }
        state.sets[side as usize] += 1;
        if state.sets[side as usize] == 2 {
            push(at, Kind::MatchWon, Some(side), state);
            return moments;
        }
        push(at, if tie_break { Kind::TieBreak } else { Kind::SetWon }, Some(side), state);
        state.games = [0, 0];
    }
}

/// The chance that home wins the game that `server` serves: 0.76 for either to
/// hold, a thousandth more or less by point of strength.
fn game_chance(edge: Edge, server: Side) -> u64 {
    // 660 to 860.
    let hold = |edge: Edge| per_mille((760 + edge.clamp(-100, 100)).unsigned_abs());
    match server {
        Side::Home => hold(edge),
        Side::Away => not(hold(-edge)),
    }
}

/// The chance that home wins a tie-break.
fn tie_break_chance(edge: Edge) -> u64 {
    // 300 to 700.
    per_mille((500 + 2 * edge.clamp(-100, 100)).unsigned_abs())
}

/// The chance that home wins the match.
pub(super) fn home_wins(state: &State, edge: Edge) -> u64 {
    if state.sets[0] == 2 || state.sets[1] == 2 {
        return if state.sets[0] == 2 { ONE } else { 0 };
    }
    let serves = [game_chance(edge, Side::Home), game_chance(edge, Side::Away)];
    let table = set_table(serves, tie_break_chance(edge));
    // Who serves first in a later set is open: the mean of both.
    let fresh = (table[0][0][0] + table[0][0][1]) / 2;
    // Between sets the last set's games still stand.
    let games = if state.set_is_won() { [0, 0] } else { state.games };
    let set = table[usize::from(games[0])][usize::from(games[1])][state.server as usize];
    match state.sets {
        [0, 0] => either(set, either(fresh, ONE, fresh), mul(fresh, fresh)),
        [1, 0] => either(set, ONE, fresh),
        [0, 1] => mul(set, fresh),
        _ => set,
    }
}

/// The chance that home wins the set, by games won and who serves.
fn set_table(serves: [u64; 2], tie_break: u64) -> [[[u64; 2]; 7]; 7] {
    let mut table = [[[0; 2]; 7]; 7];
    table[6][6] = [tie_break; 2];
    for home in (0..7usize).rev() {
        for away in (0..7usize).rev().filter(|away| (home, *away) != (6, 6)) {
            for server in 0..2 {
                // Six wins unless the other has five; then it takes seven.
                let with = if home == 6 || (home == 5 && away < 5) { ONE } else { table[home + 1][away][1 - server] };
                let without = if away == 6 || (away == 5 && home < 5) { 0 } else { table[home][away + 1][1 - server] };
                table[home][away][server] = either(serves[server], with, without);
            }
        }
    }
    table
}

/// Games of the set and who serves next.
pub(super) fn tell(state: &State, fields: &mut Map<String, Value>) {
    fields.insert("games".to_owned(), pair(state.games));
    let server = if state.server == Side::Home { "home" } else { "away" };
    fields.insert("server".to_owned(), server.into());
}
