//! The bets: 24 hours over 10,000 questions of three outcomes, in the order in which they arrive.
//!
//! Questions and outcomes are drawn evenly. Event time rises with the file, except for one bet in a
//! hundred, which is up to [`DISORDER_MS`] out of order, and one in a thousand, which is late: one to
//! nine minutes more than that. Nothing is later than [`LATENESS_MS`].

use schemas::bet::Bet;
use schemas::ids::{Address, BetId, QuestionId};
use schemas::money::Money;
use schemas::odds::Odds;
use schemas::time::Timestamp;

use super::random::Random;

/// Where the day starts: 2026-01-01 00:00 UTC, the start of a window.
pub const DAY_START_MS: u64 = 1_767_225_600_000;
pub const DAY_MS: u64 = 24 * 3_600_000;
/// How far an out-of-order bet is behind at most.
pub const DISORDER_MS: u64 = 30_000;
/// By how much a bet may come after others that were placed later: more than any is.
pub const LATENESS_MS: u64 = 600_000;

const QUESTIONS: usize = 10_000;
const OUTCOMES: u64 = 3;
const BETTORS: usize = 200_000;
const MINUTE_MS: u64 = 60_000;

/// The bets of a seed, one after the other.
pub struct Bets {
    random: Random,
    questions: Vec<QuestionId>,
    bettors: Vec<Address>,
    next: u64,
    count: u64,
}

impl Bets {
    pub fn new(count: u64, seed: u64) -> Bets {
        let mut random = Random(seed);
        let questions = (0..QUESTIONS).map(|_| QuestionId::from_bytes(uuid(&mut random))).collect();
        let bettors = (0..BETTORS).map(|_| Address::from_bytes(address(&mut random))).collect();
        Bets { random, questions, bettors, next: 0, count }
    }

    fn placed_at(&mut self) -> Timestamp {
        let on_time = (u128::from(self.next) * u128::from(DAY_MS) / u128::from(self.count)) as u64;
        let behind = match self.random.between(1, 1000) {
            1 => DISORDER_MS + self.random.between(MINUTE_MS, 9 * MINUTE_MS),
            2..=11 => self.random.between(1, DISORDER_MS),
            _ => 0,
        };
        let millis = DAY_START_MS + on_time.saturating_sub(behind);
        Timestamp::from_millis(millis as i64).unwrap()
    }
}

impl Iterator for Bets {
    type Item = Bet;

    fn next(&mut self) -> Option<Bet> {
        if self.next == self.count {
            return None;
        }
        let placed_at = self.placed_at();
        self.next += 1;
        let random = &mut self.random;
        Some(Bet {
            bet_uuid: BetId::from_bytes(uuid(random)),
            question_uuid: self.questions[random.between(0, QUESTIONS as u64 - 1) as usize],
            outcome_index: random.between(0, OUTCOMES - 1) as u16,
            bettor: self.bettors[random.between(0, BETTORS as u64 - 1) as usize],
            buy_amount: Money::from_micros(decimal(random, 1_000_000, 1_000_000_000, 2, 6) as i64).unwrap(),
            odds: Odds::from_micros(decimal(random, 1_010_000, 20_000_000, 2, 4)).unwrap(),
            chain_id: 137,
            placed_at,
        })
    }
}

/// An even draw in millionths, of `fewest` to `most` decimals.
fn decimal(random: &mut Random, from: u64, to: u64, fewest: u32, most: u32) -> u64 {
    let decimals = random.between(fewest.into(), most.into()) as u32;
    let unit = 10_u64.pow(6 - decimals);
    random.between(from / unit, to / unit) * unit
}

/// A random UUID, version 4.
fn uuid(random: &mut Random) -> [u8; 16] {
    let mut bytes = random.wide().to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

fn address(random: &mut Random) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&random.wide().to_be_bytes());
    bytes[16..].copy_from_slice(&(random.next() as u32).to_be_bytes());
    bytes
}
