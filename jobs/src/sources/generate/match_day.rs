//! A day of matches: a quiet night, a busy afternoon, a peak at 20:00.
//!
//! One question is one match. Its betting opens an hour before the kick-off
//! and closes when the match ends, 105 minutes after it; the feed tells the
//! winner two minutes later and the streamer three, so a quorum of two agrees.
//! Most matches kick off on the hour, most of all at 20:00, and the largest
//! (rank 1 in Zipf's law) always does.
//!
//! How many bets a minute sees follows from the matches that take bets then:
//! each weighs its Zipf weight, times more the nearer the kick-off and most of
//! all in play. Totals are shared out by cumulative rounding, so the day has
//! exactly `count` bet lines.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::vec::IntoIter;

use schemas::time::Timestamp;

use super::Line;
use super::maker::Maker;
use super::params::{Params, ParamsError};
use super::people::{Happening, People};
use super::random::Random;
use super::zipf::weight;

const MINUTE_MS: u64 = 60_000;
const MINUTES: u32 = 24 * 60;

/// Betting opens so many minutes before the kick-off.
const OPEN_BEFORE: u32 = 60;
/// A match, and betting on it, lasts so many minutes.
const MATCH: u32 = 105;

/// Kick-offs by hour (UTC). None after 21:00: every match ends on its day.
const KICK_OFFS: [u32; 24] = [0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 2, 3, 6, 6, 8, 10, 8, 8, 10, 14, 40, 6, 0, 0];

/// Kick-offs in a quarter of the hour: most are on the hour.
const QUARTERS: [u32; 4] = [7, 1, 1, 1];

/// See the module.
pub struct MatchDay {
    start: Timestamp,
    count: u64,
    maker: Maker,
    introductions: Box<dyn Iterator<Item = Happening> + Send>,
    /// What happens besides bets, by minute of the day.
    happenings: Peekable<IntoIter<(Timestamp, Happening)>>,
    /// Questions by the minute of their kick-off.
    kick_offs: Vec<Vec<u32>>,
    /// Weight of all minutes, and of those up to the current one.
    total: u128,
    passed: u128,
    /// The next minute to begin.
    minute: u32,
    /// Bet lines of the minutes begun.
    begun: u64,
    current: Minute,
}

/// The bets of one minute, spread over it evenly.
#[derive(Default)]
struct Minute {
    start_ms: u64,
    bets: u64,
    made: u64,
    /// Questions that take bets, each with the sum of weights up to it.
    weights: Vec<(u128, u32)>,
}

impl MatchDay {
    /// Checks the parameters and plans the day.
    pub fn new(mut params: Params) -> Result<Self, ParamsError> {
        params.duration_ms = u64::from(MINUTES) * MINUTE_MS;
        params.check()?;
        let start = params.start.saturating_add(-(params.start.millis() % 86_400_000));
        let mut random = Random::new(params.seed ^ 0x0DA1_1DA1);
        let mut kick_offs = vec![Vec::new(); MINUTES as usize];
        for question in 0..params.questions {
            let minute = if question == 0 { 20 * 60 } else { kick_off(&mut random) };
            kick_offs[minute as usize].push(question);
        }
        let maker = Maker::new(&params);
        let happenings = plan(start, &kick_offs, maker.people());
        let introductions = Box::new(maker.people().introductions());
        let mut day = Self {
            start,
            count: params.count,
            maker,
            introductions,
            happenings: happenings.into_iter().peekable(),
            kick_offs,
            total: 0,
            passed: 0,
            minute: 0,
            begun: 0,
            current: Minute::default(),
        };
        day.total = (0..MINUTES).map(|minute| day.weights(minute).last().map_or(0, |(sum, _)| *sum)).sum();
        Ok(day)
    }

    /// The questions that take bets in a minute, with their weights summed up.
    fn weights(&self, minute: u32) -> Vec<(u128, u32)> {
        let first = minute.saturating_sub(MATCH - 1);
        let last = (minute + OPEN_BEFORE).min(MINUTES - 1);
        let mut sum = 0;
        let mut weights = Vec::new();
        for kick_off in first..=last {
            let factor = interest(minute, kick_off);
            for question in &self.kick_offs[kick_off as usize] {
                sum += u128::from(weight(u64::from(*question) + 1)) * factor;
                weights.push((sum, *question));
            }
        }
        weights
    }

    /// Begins the next minute with its share of the bets.
    fn begin_minute(&mut self) {
        let weights = self.weights(self.minute);
        self.passed += weights.last().map_or(0, |(sum, _)| *sum);
        // Weights of a day stay below 2^45 · 8 · 1440 < 2^60, so the product is
        // below 2^124.
        let due = (u128::from(self.count) * self.passed).checked_div(self.total).unwrap_or(0);
        // At most the count.
        let due = u64::try_from(due).unwrap_or(self.count);
        let start_ms = u64::from(self.minute) * MINUTE_MS;
        self.current = Minute { start_ms, bets: due - self.begun, made: 0, weights };
        self.begun = due;
        self.minute += 1;
    }
}

impl Minute {
    /// When the next bet arrives, in milliseconds of the day.
    fn next_ms(&self) -> Option<u64> {
        let passed = u128::from(self.made) * u128::from(MINUTE_MS);
        let passed = (self.made < self.bets).then(|| passed / u128::from(self.bets))?;
        u64::try_from(passed).ok().map(|passed| self.start_ms + passed)
    }

    /// Draws what the next bet is on.
    fn draw(&self, random: &mut Random) -> u32 {
        let bound = self.weights.last().map_or(0, |(sum, _)| *sum);
        // A minute's weights stay below 2^48.
        let level = random.below(u64::try_from(bound).unwrap_or(u64::MAX));
        let index = self.weights.partition_point(|(sum, _)| *sum <= u128::from(level));
        self.weights.get(index).map_or(0, |(_, question)| *question)
    }
}

impl Iterator for MatchDay {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if let Some(happening) = self.introductions.next() {
            return Some(self.maker.people().line(self.start, happening));
        }
        while self.current.next_ms().is_none() && self.minute < MINUTES {
            self.begin_minute();
        }
        let bet_at = self.current.next_ms().map(|offset| at(self.start, offset));
        let due = self.happenings.next_if(|(at, _)| bet_at.is_none_or(|bet| *at <= bet));
        if let Some((at, happening)) = due {
            return Some(self.maker.people().line(at, happening));
        }
        let bet_at = bet_at?;
        self.current.made += 1;
        let question = self.current.draw(self.maker.random());
        Some(self.maker.line(bet_at, question))
    }
}

/// The minute of the day at which a match begins.
fn kick_off(random: &mut Random) -> u32 {
    pick(&KICK_OFFS, random) * 60 + pick(&QUARTERS, random) * 15
}

/// An index drawn by its weight.
fn pick(weights: &[u32], random: &mut Random) -> u32 {
    let mut level = random.below(weights.iter().map(|weight| u64::from(*weight)).sum());
    for (index, weight) in (0u32..).zip(weights) {
        match level.checked_sub(u64::from(*weight)) {
            Some(rest) => level = rest,
            None => return index,
        }
    }
    0
}

/// How much more a match is bet on: in play most, then just before it.
fn interest(minute: u32, kick_off: u32) -> u128 {
    match kick_off.saturating_sub(minute) {
        0 => 8,
        1..=10 => 4,
        11..=30 => 2,
        _ => 1,
    }
}

/// What happens on the day besides bets, in order. A streamer's stream runs
/// from the opening of its first question to five minutes after its last match.
fn plan(start: Timestamp, kick_offs: &[Vec<u32>], people: &People) -> Vec<(Timestamp, Happening)> {
    let minute = |minute: u32| at(start, u64::from(minute) * MINUTE_MS);
    let mut happenings = Vec::new();
    let mut on_air: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for (kick_off, questions) in (0u32..).zip(kick_offs) {
        let (opening, end) = (kick_off.saturating_sub(OPEN_BEFORE), kick_off + MATCH);
        for &question in questions {
            happenings.extend([
                (minute(opening), Happening::Opened { question, betting_end: minute(end) }),
                (minute(end), Happening::Closed(question)),
                (minute(end + 2), Happening::Observed { question, by_feed: true }),
                (minute(end + 3), Happening::Observed { question, by_feed: false }),
            ]);
            let span = on_air.entry(people.streamer_of(question)).or_insert((opening, end));
            span.1 = end;
        }
    }
    for (streamer, (from, to)) in on_air {
        happenings.push((minute(from), Happening::StreamStarted(streamer)));
        happenings.push((minute(to + 5), Happening::StreamEnded(streamer)));
    }
    happenings.sort();
    happenings
}

fn at(start: Timestamp, offset_ms: u64) -> Timestamp {
    start.saturating_add(i64::try_from(offset_ms).unwrap_or(i64::MAX))
}
