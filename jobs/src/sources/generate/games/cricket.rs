//! Cricket, ten overs a side; level scores go to a super over.
//!
//! Balls are independent given who bats and how many are out: a tail bats
//! worse. The chance of winning is that of a normal variable: the runs that
//! both sides are expected to end with, and the variance of the balls left.

use serde_json::{Map, Value};

use super::super::chance::{ONE, normal};
use super::super::random::Random;
use super::{Edge, Kind, Moment, Side, pair, seconds};

/// How things stand; pairs are by side, not by who bats first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub runs: [u16; 2],
    pub wickets: [u8; 2],
    /// Balls of the running innings.
    pub balls: u8,
    pub batting: Side,
    pub second_innings: bool,
    pub over: bool,
    pub super_over: [u8; 2],
}

const BALLS: u8 = 60;
const WICKETS: u8 = 10;
/// 120 balls, the break and the super over end after 110 minutes at most.
const BALL_S: (u32, u32) = (32, 44);
const BREAK_S: u32 = 10 * 60;
const SUPER_OVER_S: u32 = 10 * 60;

/// Hundredths of the scoring rate that are left with so many wickets down.
const TAIL: [u64; 11] = [100, 100, 98, 96, 92, 87, 80, 70, 58, 45, 0];
/// Expected runs a ball of even sides, in thousandths: see [`ball`].
const RUNS_A_BALL: u64 = 1_550;
/// The variance of a ball's runs, in thousandths.
const VARIANCE_A_BALL: u64 = 3_400;

impl State {
    pub(super) fn new(batting: Side) -> Self {
        let (runs, wickets, super_over) = ([0, 0], [0, 0], [0, 0]);
        Self { runs, wickets, balls: 0, batting, second_innings: false, over: false, super_over }
    }

    fn innings_is_over(&self) -> bool {
        let (own, other) = (self.batting as usize, self.batting.other() as usize);
        let chased = self.second_innings && self.runs[own] > self.runs[other];
        self.balls == BALLS || self.wickets[own] == WICKETS || chased
    }
}

/// Draws a match.
pub(super) fn play(edge: Edge, mut state: State, random: &mut Random) -> Vec<Moment> {
    let mut at = 0;
    let mut moments = Vec::with_capacity(64);
    let mut push = |at, kind, side, shirt, state| {
        moments.push(Moment { at, kind, side, shirt, state: super::State::Cricket(state) });
    };
    push(at, Kind::Start, Some(state.batting), 0, state);
    loop {
        at += seconds(BALL_S.0, BALL_S.1, random);
        let side = state.batting;
        // Openers first, then down the order: 1 to 11.
        let shirt = (state.wickets[side as usize] + 1 + random.below(2) as u8).min(11);
        let kind = ball(&mut state, edge, random);
        if !state.innings_is_over() {
            match kind {
                Some(kind) => push(at, kind, Some(side), shirt, state),
                None if state.balls.is_multiple_of(6) => push(at, Kind::Over, Some(side), 0, state),
                None => {}
            }
            continue;
        }
        if state.second_innings {
            break;
        }
        push(at, Kind::InningsBreak, Some(side), 0, state);
        (state.batting, state.balls, state.second_innings) = (side.other(), 0, true);
        at += BREAK_S;
        push(at, Kind::Start, Some(state.batting), 0, state);
    }
    if state.runs[0] == state.runs[1] {
        push(at, Kind::SuperOver, None, 0, state);
        at += SUPER_OVER_S;
        // Both sides draw until they differ.
        while state.super_over[0] == state.super_over[1] {
            // Below 24.
            state.super_over = [4 + random.below(16) as u8, 4 + random.below(16) as u8];
        }
    }
    state.over = true;
    let home = super::State::Cricket(state).winner() == 0;
    push(at, Kind::MatchWon, Some(if home { Side::Home } else { Side::Away }), 0, state);
    moments
}

/// Bowls a ball: what is worth a moment, if anything.
fn ball(state: &mut State, edge: Edge, random: &mut Random) -> Option<Kind> {
    let own = state.batting as usize;
    state.balls += 1;
    let level = random.below(1_000);
    let (runs, kind) = match level {
        0..62 => {
            state.wickets[own] += 1;
            return Some(Kind::Wicket);
        }
        62..142 => (6, Some(Kind::Six)),
        142..287 => (4, Some(Kind::Four)),
        287..357 => (2, None),
        357..707 => (1, None),
        _ => (0, None),
    };
    // A weaker side, or a tail, scores off fewer of its balls; a stronger one
    // off every ball and, now and then, once more.
    let rate = rate(edge, state);
    let luck = random.below(1_000);
    match rate.checked_sub(1_000) {
        None if luck >= rate => None,
        None => score(state, runs, kind),
        Some(more) if luck < more * RUNS_A_BALL / 1_000 => score(state, runs + 1, kind),
        Some(_) => score(state, runs, kind),
    }
}

fn score(state: &mut State, runs: u16, kind: Option<Kind>) -> Option<Kind> {
    state.runs[state.batting as usize] += runs;
    kind
}

/// How fast the batting side scores, in thousandths of even sides' rate: a
/// point of strength is 0.8 of them.
fn rate(edge: Edge, state: &State) -> u64 {
    strength(edge, state.batting) * TAIL[usize::from(state.wickets[state.batting as usize].min(WICKETS))] / 100
}

fn strength(edge: Edge, side: Side) -> u64 {
    let edge = if side == Side::Home { edge } else { -edge };
    // 920 to 1080.
    (1_000 + 4 * edge.clamp(-100, 100) / 5).unsigned_abs()
}

/// The chance that home wins.
pub(super) fn home_wins(state: &State, edge: Edge) -> u64 {
    if state.over {
        return if super::State::Cricket(*state).winner() == 0 { ONE } else { 0 };
    }
    let (own, other) = (state.batting, state.batting.other());
    let done = state.innings_is_over();
    let left = if done { 0 } else { u64::from(BALLS - state.balls) };
    let (mut ahead, mut variance) = (expected(state, edge, left), left * VARIANCE_A_BALL);
    if state.second_innings {
        // One more than the target's runs wins.
        ahead -= i64::from(state.runs[other as usize]) * 1_000 + 500;
    } else {
        // A whole innings loses about 7 % to its tail.
        let chase = u64::from(BALLS) * RUNS_A_BALL * strength(edge, other) / 1_000 * 93 / 100;
        ahead -= i64::try_from(chase).unwrap_or(i64::MAX);
        variance += u64::from(BALLS) * VARIANCE_A_BALL;
    }
    // Thousandths of a run over thousandths of a standard deviation; a super
    // over, and the last ball, leave everything open.
    let deviation = (variance * 1_000).isqrt().max(500);
    let z = ahead * 1_000 / i64::try_from(deviation).unwrap_or(i64::MAX);
    let chance = normal(z);
    if own == Side::Home { chance } else { ONE - chance }
}

/// Thousandths of runs that the batting side is expected to end its innings
/// with: the tail's weakness is felt by half before it bats.
fn expected(state: &State, edge: Edge, left: u64) -> i64 {
    let own = state.batting as usize;
    let later = (state.wickets[own] + (left * 62 / 2_000) as u8).min(WICKETS);
    let tail = TAIL[usize::from(later)];
    let more = left * RUNS_A_BALL * strength(edge, state.batting) / 1_000 * tail / 100;
    i64::from(state.runs[own]) * 1_000 + i64::try_from(more).unwrap_or(i64::MAX)
}

/// Runs for wickets, overs and the target.
pub(super) fn tell(state: &State, fields: &mut Map<String, Value>) {
    let own = state.batting as usize;
    let innings = format!("{}/{}", state.runs[own], state.wickets[own]);
    fields.insert("innings".to_owned(), (1 + u8::from(state.second_innings)).into());
    fields.insert("total".to_owned(), innings.into());
    fields.insert("overs".to_owned(), format!("{}.{}", state.balls / 6, state.balls % 6).into());
    if state.second_innings {
        let target = state.runs[state.batting.other() as usize] + 1;
        fields.insert("target".to_owned(), target.into());
    }
    if state.super_over != [0, 0] {
        fields.insert("super_over".to_owned(), pair(state.super_over));
    }
}
