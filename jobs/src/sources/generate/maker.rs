//! Makes bet lines one after another: who, on what outcome, how much, at what
//! odds, and whether the line is one of the bad ones.

use schemas::time::Timestamp;

use super::Line;
use super::bet_line::{Draft, uuid_bits, write_bet};
use super::book::Book;
use super::defects::{Defect, Defects, Fate};
use super::habits::Habits;
use super::params::Params;
use super::people::People;
use super::random::{Random, hash, scale};
use crate::sources::BETS;

/// Bets that a duplicate or a conflict may refer to.
const RECENT: usize = 1_024;

/// A line's bytes are 240 to 260; one allocation holds them.
const LINE_BYTES: usize = 264;

/// Good bets that arrive out of order are placed up to this long before.
const OUT_OF_ORDER_MS: u64 = 30_000;

/// Late bets are placed this long before they arrive, and up to
/// [`LATE_SPREAD_MS`] longer.
const LATE_MS: u64 = 6 * 60_000;
const LATE_SPREAD_MS: u64 = 3 * 60_000;

/// See the module.
pub(super) struct Maker {
    people: People,
    habits: Habits,
    defects: Defects,
    random: Random,
    /// Keys of the bets' ids and of the outcomes' base odds.
    id_key: u64,
    odds_key: u64,
    made: u64,
    bad: u64,
    recent: Vec<Draft>,
}

/// Where a bet's odds come from, and with them the bettor and the stake.
#[derive(Clone, Copy)]
pub(super) enum Market<'a> {
    /// By outcome alone, for ever the same: for benchmarks and bad-input tests.
    Fixed,
    /// A match's book at an hour of the day; bettors have their habits.
    Book(&'a Book, u32),
}

impl Maker {
    pub fn new(params: &Params) -> Self {
        let mut random = Random::new(params.seed);
        let people = People::new(params);
        let (id_key, odds_key) = (random.next(), random.next());
        Self {
            habits: Habits::new(!odds_key, params.bettors, people.streamers()),
            people,
            defects: params.defects,
            id_key,
            odds_key,
            random,
            made: 0,
            bad: 0,
            recent: Vec::with_capacity(RECENT),
        }
    }

    pub fn people(&self) -> &People {
        &self.people
    }

    /// Goes on with other bets: other ids, other draws.
    pub fn branch(&mut self, branch: u64) {
        self.id_key = hash(self.id_key, branch);
        self.random = Random::new(self.id_key);
    }

    /// Turns to another day's questions; bets go on being counted.
    pub fn begin_day(&mut self, day: u32) {
        self.people.begin_day(day);
        self.recent.clear();
    }

    /// For draws that belong to the same history, such as which question.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The next line of the `bets` stream.
    pub fn line(&mut self, at: Timestamp, question: u32, market: Market<'_>) -> Line {
        // Below a million.
        let fate = self.defects.fate(self.random.below(1_000_000) as u32);
        match fate {
            Fate::Duplicate | Fate::Conflict if !self.recent.is_empty() => {
                // Below RECENT.
                let pick = self.random.below(self.recent.len() as u64) as usize;
                let mut draft = self.recent[pick].clone();
                if fate == Fate::Conflict {
                    draft.stake_cents += 1;
                }
                self.good(at, &draft)
            }
            Fate::Bad => {
                let draft = self.draft(at, question, market);
                let defect = Defect::of(self.bad);
                self.bad += 1;
                let (question, bettor) = self.texts(&draft);
                let bytes = defect.spoil(&draft, question, bettor);
                self.wrap(at, &draft, bytes)
            }
            _ => {
                let mut draft = self.draft(at, question, market);
                let back = match fate {
                    Fate::OutOfOrder => self.random.below(OUT_OF_ORDER_MS) + 1,
                    Fate::Late => LATE_MS + self.random.below(LATE_SPREAD_MS),
                    _ => 0,
                };
                draft.placed_at = draft.placed_at.saturating_sub(back);
                let line = self.good(at, &draft);
                self.remember(draft);
                line
            }
        }
    }

    fn draft(&mut self, at: Timestamp, question: u32, market: Market<'_>) -> Draft {
        let number = self.made;
        self.made += 1;
        let (bettor, outcome, stake_cents, odds_cents) = match market {
            Market::Fixed => self.fixed(question),
            Market::Book(book, hour) => {
                let bettor = self.habits.bettor(hour, self.people.streamer_of(question), &mut self.random);
                let (outcome, odds_cents) = book.bet(&mut self.random);
                (bettor, outcome, self.habits.stake_cents(bettor, &mut self.random), odds_cents)
            }
        };
        Draft {
            id: uuid_bits(hash(self.id_key, number), hash(!self.id_key, number)),
            question,
            outcome,
            bettor,
            stake_cents,
            odds_cents,
            placed_at: at.millis().unsigned_abs(),
        }
    }

    /// Bettor, outcome, stake and odds that follow nothing.
    fn fixed(&mut self, question: u32) -> (u32, u8, u64, u64) {
        let bettor = self.habits.anybody(&mut self.random);
        // One draw gives four small numbers, each of its own 16 bits.
        let bits = self.random.next();
        let part = |index: u32, bound: u64| (((bits >> (16 * index)) & 0xFFFF) * bound) >> 16;
        // Below three.
        let outcome = part(0, self.people.outcomes(question).into()) as u8;
        // 1.10 to 9.99 by outcome, and five hundredths about it by bet.
        let base = 110 + scale(hash(self.odds_key, u64::from(question) * 4 + u64::from(outcome)), 890);
        let odds_cents = (base * (950 + part(1, 101)) / 1_000).max(101);
        // The product of two draws: many small stakes, few near 500.
        let stake_cents = 100 + part(2, 224) * part(3, 224);
        (bettor, outcome, stake_cents, odds_cents)
    }

    fn remember(&mut self, draft: Draft) {
        if self.defects.duplicate == 0 && self.defects.conflict == 0 {
            return;
        }
        if self.recent.len() < RECENT {
            self.recent.push(draft);
        } else {
            // Below RECENT.
            let slot = (self.made % RECENT as u64) as usize;
            self.recent[slot] = draft;
        }
    }

    fn good(&self, at: Timestamp, draft: &Draft) -> Line {
        let mut bytes = Vec::with_capacity(LINE_BYTES);
        let (question, bettor) = self.texts(draft);
        write_bet(draft, question, bettor, &mut bytes);
        self.wrap(at, draft, bytes)
    }

    fn texts(&self, draft: &Draft) -> (&[u8], &[u8]) {
        (self.people.question_text(draft.question), self.people.bettor_text(draft.bettor))
    }

    fn wrap(&self, at: Timestamp, draft: &Draft, bytes: Vec<u8>) -> Line {
        let question = self.people.question_text(draft.question);
        // The text is hexadecimal and hyphens: never lossy.
        let partition_key = String::from_utf8_lossy(question).into_owned();
        Line { stream: BETS, at, partition_key, bytes }
    }
}
