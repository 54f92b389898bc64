//! A day of matches: a quiet night, a busy afternoon, a peak at 20:00.
//!
//! One question is one match ([`Course`]): it opens, its moments come, its odds
//! follow them, betting closes at the end, and feed and streamer tell the
//! winner. The [`Schedule`] says how many bets each minute sees; they are on
//! the matches that are on then.
//!
//! A day can be entered at any minute, and followed by the next one.

use std::collections::VecDeque;

use schemas::time::Timestamp;

use super::Line;
use super::course::Course;
use super::events::{self, Happening};
use super::live::{BETTING_END_S, Live};
use super::maker::{Maker, Market};
use super::params::{Params, ParamsError};
use super::random::{Random, hash};
use super::schedule::{MINUTE_MS, MINUTES, OPEN_BEFORE, Schedule};

/// A match is over so many minutes after its kick-off: 127 of it at most, and
/// three in which it is told.
const LONGEST: u32 = BETTING_END_S / 60 + 4;

/// The lines of a day in the order of their times; see the module.
///
/// A live match holds its course, about 2 KB. At the bound of a million
/// questions a day has half of them live at its peak: 1 GB.
pub struct MatchDay {
    seed: u64,
    questions: u32,
    day: u32,
    midnight: Timestamp,
    /// The first line's time.
    start: Timestamp,
    maker: Maker,
    introductions: Box<dyn Iterator<Item = Happening> + Send>,
    schedule: Schedule,
    /// Matches that are on, by kick-off, and the sum of their weights up to
    /// each.
    live: Vec<Live>,
    weights: Vec<u64>,
    /// What happens in the minute besides bets: the time, what, and which of
    /// `live` it is about.
    happenings: VecDeque<(u64, Happening, usize)>,
    /// The next minute to begin.
    minute: u32,
    /// Bets of the running minute, and how many of them are made.
    bets: u64,
    made: u64,
}

/// Day after day, each with its own questions: it never ends.
pub struct Days(MatchDay);

impl MatchDay {
    /// Checks the parameters and plans the day.
    ///
    /// # Errors
    /// Parameters out of their bounds.
    pub fn new(params: Params) -> Result<Self, ParamsError> {
        Self::starting_at(params, 0)
    }

    /// A day that is entered at a minute. The introductions come first, then
    /// what is on: streams, questions, the latest moment of each match in play;
    /// all with the time of that minute. Then the day goes on, with the bets
    /// that are left of it.
    ///
    /// The bets are not those of the whole day, and have ids of their own.
    ///
    /// A minute after the day's last counts as the last.
    ///
    /// # Errors
    /// Parameters out of their bounds.
    pub fn starting_at(mut params: Params, minute: u32) -> Result<Self, ParamsError> {
        params.duration_ms = u64::from(MINUTES) * MINUTE_MS;
        params.check()?;
        let minute = minute.min(MINUTES - 1);
        let midnight = params.start.saturating_add(-(params.start.millis().rem_euclid(86_400_000)));
        let mut maker = Maker::new(&params);
        if minute > 0 {
            maker.branch(minute.into());
        }
        let introductions = Box::new(maker.people().introductions());
        let schedule = Schedule::new(params.count, &mut plan_random(params.seed, 0), params.questions, maker.people());
        let mut day = Self {
            seed: params.seed,
            questions: params.questions,
            day: 0,
            midnight,
            start: at(midnight, u64::from(minute) * MINUTE_MS),
            maker,
            introductions,
            schedule,
            live: Vec::new(),
            weights: Vec::new(),
            happenings: VecDeque::new(),
            minute,
            bets: 0,
            made: 0,
        };
        day.catch_up();
        Ok(day)
    }

    /// Bets that a minute of the day sees, bad lines included.
    pub fn bets_in(&self, minute: u32) -> u64 {
        self.schedule.due(minute.saturating_add(1)) - self.schedule.due(minute)
    }

    /// Which day this is, counted from 0.
    pub fn day(&self) -> u32 {
        self.day
    }

    /// Goes on with the next day, whatever is left of this one: the same
    /// people, other questions and streams, ids that no other day has.
    pub fn next_day(&mut self) {
        self.day += 1;
        self.midnight = at(self.midnight, u64::from(MINUTES) * MINUTE_MS);
        self.maker.begin_day(self.day);
        let random = &mut plan_random(self.seed, self.day);
        self.schedule = Schedule::new(self.schedule.count, random, self.questions, self.maker.people());
        self.live.clear();
        self.happenings.clear();
        (self.minute, self.bets, self.made) = (0, 0, 0);
    }

    /// This day and all that follow.
    pub fn days(self) -> Days {
        Days(self)
    }

    /// What is on when the day is entered.
    fn catch_up(&mut self) {
        let (minute, now) = (self.minute, u64::from(self.minute) * MINUTE_MS);
        for kick_off in minute.saturating_sub(LONGEST)..(minute + OPEN_BEFORE).min(MINUTES) {
            self.open(kick_off);
        }
        self.live.retain(|live| live.is_open(now));
        let streams = self.schedule.on_air(minute);
        let mut happenings: Vec<_> = streams.into_iter().map(|stream| (now, stream, 0)).collect();
        let mut of_match = Vec::new();
        for (slot, live) in self.live.iter().enumerate() {
            live.catch_up(self.midnight, now, &mut of_match);
            happenings.extend(of_match.drain(..).map(|(at, happening)| (at, happening, slot)));
        }
        self.happenings = happenings.into();
    }

    /// Takes in the matches that kick off at a minute.
    fn open(&mut self, kick_off: u32) {
        let people = self.maker.people();
        let new = self.schedule.kick_offs.get(kick_off as usize).into_iter().flatten();
        self.live.extend(new.map(|question| Live::new(*question, kick_off, Course::of(people.fixture(*question)))));
    }

    /// Begins the next minute: its matches, its share of the bets, and what
    /// happens in it.
    fn begin_minute(&mut self) {
        let minute = self.minute;
        let (from, to) = (u64::from(minute) * MINUTE_MS, u64::from(minute + 1) * MINUTE_MS);
        self.live.retain(|live| live.over_ms() >= from);
        self.open(minute + OPEN_BEFORE);
        let mut happenings = Vec::new();
        let mut of_match = Vec::new();
        let mut sum = 0;
        self.weights.clear();
        for (slot, live) in self.live.iter().enumerate() {
            sum += self.schedule.weight(minute, live.kick_off, live.question);
            self.weights.push(sum);
            live.happenings(self.midnight, from, to, &mut of_match);
            happenings.extend(of_match.drain(..).map(|(at, happening)| (at, happening, slot)));
        }
        let streams = self.schedule.streams.get(&minute).into_iter().flatten();
        happenings.extend(streams.map(|stream| (from, *stream, 0)));
        happenings.sort_unstable();
        self.happenings = happenings.into();
        self.bets = self.bets_in(minute);
        self.made = 0;
        self.minute += 1;
    }

    /// When the next bet of the minute arrives, in milliseconds of the day.
    fn next_bet(&self) -> Option<u64> {
        let passed = u128::from(self.made) * u128::from(MINUTE_MS);
        let passed = (self.made < self.bets).then(|| passed / u128::from(self.bets))?;
        u64::try_from(passed).ok().map(|passed| u64::from(self.minute - 1) * MINUTE_MS + passed)
    }

    /// Draws a bet: which match, what on, at which odds.
    fn bet(&mut self, ms: u64) -> Line {
        let mut slot = self.draw();
        // Where something has just happened, or play has stopped, most people
        // wait, or turn to another match.
        if self.live[slot].is_quiet(ms) && self.maker.random().below(4) > 0 {
            slot = self.draw();
        }
        let live = &mut self.live[slot];
        let question = live.question;
        // Below 24.
        let hour = (ms / (60 * MINUTE_MS)) as u32;
        self.maker.line(at(self.midnight, ms), question, Market::Book(live.book(ms), hour))
    }

    fn draw(&mut self) -> usize {
        let bound = self.weights.last().copied().unwrap_or(0);
        let level = self.maker.random().below(bound);
        self.weights.partition_point(|sum| *sum <= level).min(self.live.len() - 1)
    }
}

impl Iterator for MatchDay {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if let Some(happening) = self.introductions.next() {
            return Some(events::line(self.maker.people(), self.start, happening, None));
        }
        loop {
            let bet = self.next_bet();
            let first = self.happenings.front().is_some_and(|(at, ..)| bet.is_none_or(|bet| *at <= bet));
            if let Some((ms, happening, slot)) = self.happenings.pop_front_if(|_| first) {
                let course = self.live.get(slot).map(|live| &live.course);
                return Some(events::line(self.maker.people(), at(self.midnight, ms), happening, course));
            }
            if let Some(ms) = bet {
                self.made += 1;
                return Some(self.bet(ms));
            }
            if self.minute == MINUTES {
                return None;
            }
            self.begin_minute();
        }
    }
}

impl Days {
    /// The day that is running.
    pub fn today(&self) -> &MatchDay {
        &self.0
    }
}

impl Iterator for Days {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.0.next() {
                return Some(line);
            }
            self.0.next_day();
        }
    }
}

/// What a day's plan is drawn from.
fn plan_random(seed: u64, day: u32) -> Random {
    Random::new(hash(seed ^ 0x0DA1_1DA1, day.into()))
}

fn at(midnight: Timestamp, offset_ms: u64) -> Timestamp {
    midnight.saturating_add(i64::try_from(offset_ms).unwrap_or(i64::MAX))
}
