//! A match of the day while its question is open or not yet answered: what
//! happens when, and its book at any moment.

use schemas::time::Timestamp;

use super::book::Book;
use super::course::Course;
use super::events::Happening;
use super::fixture::Fate;
use super::games::LONGEST_S;
use super::random::{Random, hash};
use super::schedule::{MINUTE_MS, OPEN_BEFORE};

/// For so long after a moment, most people wait for the new odds.
const LULL_S: u32 = 15;

/// No course is longer than the longest match and the longest pause: betting
/// ends then whatever the feed says.
pub(super) const BETTING_END_S: u32 = LONGEST_S + 180;

/// After the end the feed tells the outcome, and then the streamer: seconds.
const FEED_AFTER_S: (u64, u64) = (45, 90);
const STREAMER_AFTER_S: (u64, u64) = (90, 180);

/// See the module. Times are milliseconds of the day.
pub(super) struct Live {
    pub question: u32,
    pub kick_off: u32,
    pub course: Course,
    /// When the feed and the streamer tell.
    told: [u64; 2],
    /// The outcomes that they tell.
    seen: Option<[u8; 2]>,
    book: Book,
    /// The book holds, and it is quiet, until then.
    book_until: u64,
    quiet_until: u64,
}

impl Live {
    pub fn new(question: u32, kick_off: u32, course: Course) -> Self {
        let mut random = Random::new(hash(course.end.into(), question.into()));
        let end = u64::from(kick_off) * MINUTE_MS + u64::from(course.end) * 1_000;
        let told = [FEED_AFTER_S, STREAMER_AFTER_S]
            .map(|(least, most)| end + least * 1_000 + random.below((most - least) * 1_000));
        let outcomes = course.fixture.game.outcomes();
        let seen = course.winner().map(|winner| {
            let other = (winner + 1) % outcomes;
            [winner, if course.fixture.fate == Fate::Disputed { other } else { winner }]
        });
        let book = course.book(None);
        Self { question, kick_off, course, told, seen, book, book_until: 0, quiet_until: 0 }
    }

    /// When the last thing happens.
    pub fn over_ms(&self) -> u64 {
        self.told[1]
    }

    /// Whether betting has not ended.
    pub fn is_open(&self, ms: u64) -> bool {
        ms < self.at(self.course.end)
    }

    fn at(&self, time: u32) -> u64 {
        u64::from(self.kick_off) * MINUTE_MS + u64::from(time) * 1_000
    }

    /// Adds what happens from one time up to, and without, another.
    pub fn happenings(&self, midnight: Timestamp, from: u64, to: u64, out: &mut Vec<(u64, Happening)>) {
        let question = self.question;
        let opening = u64::from(self.kick_off.saturating_sub(OPEN_BEFORE)) * MINUTE_MS;
        let mut push = |at: u64, happening| {
            if (from..to).contains(&at) {
                out.push((at, happening));
            }
        };
        push(opening, self.opened(midnight));
        if let Some((from, to)) = self.course.pause {
            push(self.at(from), Happening::Paused(question));
            push(self.at(to), Happening::Resumed(question));
        }
        let end = self.at(self.course.end);
        match self.seen {
            None => push(end, Happening::Voided(question)),
            Some([feed, streamer]) => {
                push(end, Happening::Closed(question));
                push(self.told[0], Happening::Observed { question, by_feed: true, outcome: feed });
                push(self.told[1], Happening::Observed { question, by_feed: false, outcome: streamer });
            }
        }
        let first = self.time_of_day(from).map_or(0, |time| self.course.passed(time).saturating_sub(1));
        for (index, moment) in (0u16..).zip(&self.course.moments).skip(first) {
            let at = self.at(self.course.time_of(moment.at));
            if at >= to {
                break;
            }
            push(at, Happening::Moment { question, index });
        }
    }

    fn opened(&self, midnight: Timestamp) -> Happening {
        let end = i64::try_from(self.at(BETTING_END_S)).unwrap_or(i64::MAX);
        Happening::Opened { question: self.question, betting_end: midnight.saturating_add(end) }
    }

    /// What somebody who comes in at a time must be told: the question, the
    /// latest moment, and whether it is paused.
    pub fn catch_up(&self, midnight: Timestamp, now: u64, out: &mut Vec<(u64, Happening)>) {
        out.push((now, self.opened(midnight)));
        let Some(time) = self.time_of_day(now) else { return };
        // What happens at this very moment, the end of a pause too, comes with
        // the day.
        let earlier = self.course.moments.partition_point(|moment| self.at(self.course.time_of(moment.at)) < now);
        if let Some(index) = earlier.checked_sub(1).and_then(|index| u16::try_from(index).ok()) {
            out.push((now, Happening::Moment { question: self.question, index }));
        }
        if self.course.pause.is_some_and(|(from, to)| from < time && time <= to) {
            out.push((now, Happening::Paused(self.question)));
        }
    }

    /// Seconds after the start; none before it.
    fn time_of_day(&self, ms: u64) -> Option<u32> {
        let passed = ms.checked_sub(u64::from(self.kick_off) * MINUTE_MS)?;
        u32::try_from(passed / 1_000).ok()
    }

    /// Whether most people wait: something just happened, or play has stopped.
    pub fn is_quiet(&mut self, ms: u64) -> bool {
        self.refresh(ms);
        ms < self.quiet_until
    }

    /// The book at a time, which does not go back.
    pub fn book(&mut self, ms: u64) -> &Book {
        self.refresh(ms);
        &self.book
    }

    /// A book holds until the next moment or the next minute.
    fn refresh(&mut self, ms: u64) {
        if ms < self.book_until {
            return;
        }
        let time = self.time_of_day(ms);
        self.book = self.course.book(time);
        let passed = time.map_or(0, |time| self.course.passed(time));
        let moment_at = |index: usize| self.course.moments.get(index).map(|moment| self.course.time_of(moment.at));
        let next = moment_at(passed).map_or(u64::MAX, |time| self.at(time));
        let lull = passed.checked_sub(1).and_then(moment_at).map_or(0, |time| self.at(time + LULL_S));
        let pause = self.course.pause.filter(|(from, to)| time.is_some_and(|time| (*from..*to).contains(&time)));
        self.quiet_until = lull.max(pause.map_or(0, |(_, to)| self.at(to)));
        // A pause begins five seconds after a moment, in its lull; it is seen
        // when the lull ends.
        let lull = if lull > ms { lull } else { u64::MAX };
        self.book_until = next.min(lull).min((ms / MINUTE_MS + 1) * MINUTE_MS);
    }
}
