//! A world: questions, windows, and everything that arrives, drawn from a seed.
//!
//! What comes out of a world is defined: ids differ within a millisecond, a repeat and a conflict
//! come in a later one, and a redrive follows a record of the same moment, away from every grid.

use schemas::bet::Bet;
use schemas::ids::{Address, BetId, QuestionId};
use schemas::money::Money;
use schemas::odds::Odds;
use schemas::time::Timestamp;
use tests::random::Random;

use super::declared::{self, Declared, MAX_SKEW, MINUTE, SECOND};

/// 2023-11-14T22:00:00Z; every window starts at a multiple of its hop from there.
pub const BASE: i64 = 1_699_999_200_000;
const FAR: i64 = 120 * MINUTE;

#[derive(Debug, Clone)]
pub struct World {
    pub questions: Vec<Question>,
    /// The product's own first.
    pub windows: Vec<Declared>,
    /// In the order of their arrival.
    pub steps: Vec<Step>,
    /// When every window is final.
    pub end: i64,
}

#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub id: QuestionId,
    pub outcomes: u16,
    pub betting_end: i64,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub at: i64,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    /// The question with this number is opened.
    Opened(usize),
    Bet(Bet),
    /// Bytes that are no bet.
    Garbage(String),
    /// An operator redrives the bets whose question was unknown; everything before is applied.
    Redrive,
    /// Somebody queries the windows; everything before is applied.
    Look,
}

impl What {
    /// Whether everything before must be applied.
    pub fn waits(&self) -> bool {
        matches!(self, What::Redrive | What::Look)
    }
}

/// A world while it is drawn.
struct Draw {
    random: Random,
    questions: Vec<Question>,
    windows: Vec<Declared>,
    /// Arrivals are within this after the base.
    span: i64,
    steps: Vec<Step>,
}

pub fn draw(seed: u64) -> World {
    let mut random = Random::new(seed);
    let mut windows = vec![declared::odds()];
    windows.extend(declared::draw(&mut random));
    let span = random.between(6, 14) * MINUTE;
    let mut draw = Draw { random, questions: Vec::new(), windows, span, steps: Vec::new() };
    let late_opening = draw.questions();
    for _ in 0..draw.random.between(40, 110) {
        let (arrived, placed) = if draw.random.percent(45) { draw.on_an_edge() } else { draw.ordinary() };
        let question = draw.random.below(draw.questions.len() as u64) as usize;
        draw.bet(arrived, placed, question);
    }
    // In the very millisecond of the opening the question is there.
    draw.bet(late_opening, late_opening, 2);
    draw.defects(late_opening);
    draw.redrives(late_opening);
    draw.look();
    let Draw { questions, windows, mut steps, .. } = draw;
    steps.sort_by_key(|step| (step.at, step.what.waits()));
    World { questions, windows, steps, end: BASE + FAR }
}

impl Draw {
    /// Three questions: one open throughout, one that closes meanwhile, one that is opened late.
    fn questions(&mut self) -> i64 {
        let closing = BASE + self.random.between(self.span / 3, self.span) / SECOND * SECOND;
        let opening = BASE + self.random.between(self.span / 4, self.span / 2);
        for (number, (at, betting_end)) in
            [(BASE - MINUTE, BASE + FAR), (BASE - MINUTE, closing), (opening, BASE + FAR)].into_iter().enumerate()
        {
            let mut id = [0; 16];
            id[15] = number as u8 + 1;
            let outcomes = self.random.between(1, 4) as u16;
            self.questions.push(Question { id: QuestionId::from_bytes(id), outcomes, betting_end });
            self.steps.push(Step { at, what: What::Opened(number) });
        }
        opening
    }

    /// Arrival and time of a bet that is a little out of order, now and then much.
    fn ordinary(&mut self) -> (i64, i64) {
        let arrived = BASE + self.random.between(0, self.span);
        let behind = match self.random.below(20) {
            0..=9 => self.random.between(0, 2 * SECOND),
            10..=14 => self.random.between(0, 30 * SECOND),
            15..=16 => self.random.between(0, 4 * MINUTE),
            17 => self.random.between(0, MAX_SKEW + 2),
            18 => -self.random.between(0, MAX_SKEW + 2),
            _ => self.random.pick(&[MAX_SKEW, MAX_SKEW + 1, -MAX_SKEW, -MAX_SKEW - 1]),
        };
        (arrived, arrived - behind)
    }

    /// Arrival and time of a bet where a rule changes: the first or last millisecond of a window, and
    /// about the moment at which it closes, is revised, is final or publishes early.
    fn on_an_edge(&mut self) -> (i64, i64) {
        let window = self.windows[self.random.below(self.windows.len() as u64) as usize].clone();
        let start = (BASE + self.random.between(0, self.span)) / window.hop * window.hop - window.length;
        let placed = start + self.random.pick(&[0, 1, window.length / 2, window.length - 1]);
        let revised = window.closes_at(start) + self.random.between(1, 4) * window.hop;
        let early = window.early.map_or(start, |step| start + self.random.between(1, 4) * step);
        let moment = self.random.pick(&[window.closes_at(start), revised, window.final_at(start), early]);
        let arrived = moment + self.random.pick(&[-1, 0, 1, SECOND]);
        (arrived.max(BASE), placed)
    }

    fn bet(&mut self, arrived: i64, placed: i64, question: usize) -> Bet {
        let Question { id: question_uuid, outcomes, .. } = self.questions[question];
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.random.bits().to_be_bytes());
        id[8..].copy_from_slice(&(self.steps.len() as u64).to_be_bytes());
        let mut bettor = [0xab; 20];
        bettor[19] = self.random.below(4) as u8;
        // Few values, so that extremes and ends meet their like; many digits now and then.
        let odds = if self.random.percent(50) {
            self.random.between(1_000_001, 60_000_000)
        } else {
            self.random.between(2, 9) * 500_000 + 500_000
        };
        let stake = if self.random.percent(50) { self.random.between(1, 1_000_000_000) } else { 1_000_000 };
        let bet = Bet {
            bet_uuid: BetId::from_bytes(id),
            question_uuid,
            outcome_index: self.random.below(outcomes.into()) as u16,
            bettor: Address::from_bytes(bettor),
            buy_amount: Money::from_micros(stake).unwrap(),
            odds: Odds::from_micros(odds as u64).unwrap(),
            chain_id: 137,
            placed_at: Timestamp::from_millis(placed).unwrap(),
        };
        self.steps.push(Step { at: arrived, what: What::Bet(bet) });
        bet
    }

    /// Repeats, conflicts, bets on what is no outcome, and no bets at all; most bets on a question that
    /// nobody knew yet are sent again.
    fn defects(&mut self, late_opening: i64) {
        let unknown = self.questions[2].id;
        for number in 0..self.steps.len() {
            let Step { at, what: What::Bet(bet) } = self.steps[number].clone() else { continue };
            if self.random.percent(12) || (bet.question_uuid == unknown && at < late_opening && self.random.percent(50))
            {
                let at = at + self.random.pick(&[1, 40 * SECOND, 3 * MINUTE, late_opening.max(at) - at + 1]);
                self.steps.push(Step { at, what: What::Bet(bet) });
            }
            if self.random.percent(6) {
                let bet = Bet { odds: Odds::from_micros(bet.odds.micros() + 1).unwrap(), ..bet };
                let at = at + self.random.between(1, 2 * MINUTE);
                self.steps.push(Step { at, what: What::Bet(bet) });
            }
            if self.random.percent(6) {
                let text = self.random.pick(&[r#"{"bet_uuid": "#, "not json at all", r#"{"odds":"1"}"#]);
                self.steps.push(Step { at: at + 7, what: What::Garbage(text.to_owned()) });
            }
            if self.random.percent(4) {
                let mut id = *bet.bet_uuid.as_bytes();
                id[15] ^= 0x80;
                let bet = Bet { bet_uuid: BetId::from_bytes(id), outcome_index: 9, ..bet };
                self.steps.push(Step { at: at + 3, what: What::Bet(bet) });
            }
        }
    }

    /// A query in every other world, when some windows are open, some closed, and perhaps some final.
    fn look(&mut self) {
        if self.random.percent(50) {
            let at = self.random.between(MINUTE, self.span + 12 * MINUTE) / SECOND * SECOND + SECOND / 2 + 1;
            self.steps.push(Step { at: BASE + at, what: What::Look });
        }
    }

    /// Up to two redrives, before any odds window of a bet that they accept is final.
    fn redrives(&mut self, late_opening: i64) {
        let unknown = self.questions[2].id;
        let waiting = self.steps.iter().filter_map(|step| match &step.what {
            What::Bet(bet) if bet.question_uuid == unknown && step.at < late_opening => Some(bet.placed_at.millis()),
            _ => None,
        });
        let limit = waiting.map(|placed| self.windows[0].final_at(placed / (5 * MINUTE) * 5 * MINUTE)).min();
        let limit = limit.unwrap_or(i64::MAX).min(BASE + self.span);
        for _ in 0..self.random.below(3) {
            let from = late_opening - 2 * MINUTE;
            if from + SECOND < limit {
                // Whole and half seconds, and the millisecond after, are nobody's grid but for whole ones.
                let at = self.random.between(from, limit - SECOND) / SECOND * SECOND + SECOND / 2;
                self.bet(at, at, 0);
                self.steps.push(Step { at, what: What::Redrive });
            }
        }
    }
}

impl World {
    /// What a person needs beside the seed.
    pub fn outline(&self) -> String {
        let bets = self.steps.iter().filter(|step| matches!(step.what, What::Bet(_))).count();
        format!("{} steps, {bets} bets; windows:\n{}", self.steps.len(), declared::configuration(&self.windows[1..]).0)
    }
}
