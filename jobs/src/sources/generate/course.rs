//! The course of a match: its moments at their times, the pause if there is
//! one, the end, and the winner, which follows from the final score.
//!
//! A match is drawn as play; a pause then pushes back all that comes after it.

use serde_json::{Map, Value};

use super::book::Book;
use super::fixture::{Fate, Fixture};
use super::games::{Kind, Moment, Side, State};

/// The longest pause, in seconds, and the shortest.
const PAUSE_S: (u64, u64) = (60, 180);
/// Play stops so many seconds after the moment that is looked at.
const PAUSE_AFTER_S: u32 = 5;

/// See the module. Times are seconds after the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Course {
    pub fixture: Fixture,
    /// Before the start.
    before: State,
    /// In seconds of play: [`Course::time_of`] gives the time.
    pub moments: Vec<Moment>,
    /// From and to.
    pub pause: Option<(u32, u32)>,
    /// The final whistle, or when the match was given up.
    pub end: u32,
}

impl Course {
    pub fn of(fixture: Fixture) -> Self {
        let mut random = fixture.chance.clone();
        let before = fixture.game.before(&mut random.clone());
        let mut moments = fixture.game.play(fixture.edge, &mut random);
        if fixture.fate == Fate::Abandoned {
            // Somewhere in the middle half; a match has at least four moments.
            let kept = moments.len() / 4 + random.below(moments.len() as u64 / 2) as usize;
            moments.truncate(kept.max(1));
            if let Some(last) = moments.last().copied() {
                let at = last.at + 30 + random.below(60) as u32;
                moments.push(Moment { at, kind: Kind::Abandoned, side: None, shirt: 0, ..last });
            }
        }
        let played = moments.last().map_or(0, |last| last.at);
        let stopped = moments[..moments.len() - 1].get(random.below(moments.len() as u64 * 3 / 4) as usize + 1);
        let stopped = stopped.filter(|moment| fixture.paused && moment.at + PAUSE_AFTER_S < played);
        let pause = stopped.map(|moment| {
            let from = moment.at + PAUSE_AFTER_S;
            // At most 180.
            (from, from + (PAUSE_S.0 + random.below(PAUSE_S.1 - PAUSE_S.0 + 1)) as u32)
        });
        let mut course = Self { fixture, before, moments, pause, end: 0 };
        course.end = course.time_of(played);
        course
    }

    /// When a second of play comes.
    pub fn time_of(&self, played: u32) -> u32 {
        match self.pause {
            Some((from, to)) if played > from => played + (to - from),
            _ => played,
        }
    }

    /// How many seconds have been played at a time.
    fn played_at(&self, time: u32) -> u32 {
        match self.pause {
            Some((from, to)) => time.min(from) + time.saturating_sub(to),
            None => time,
        }
    }

    /// How many moments have come by a time.
    pub fn passed(&self, time: u32) -> usize {
        self.moments.partition_point(|moment| self.time_of(moment.at) <= time)
    }

    /// The book at a time: `None` is before the start.
    pub fn book(&self, time: Option<u32>) -> Book {
        let passed = time.map_or(0, |time| self.passed(time));
        let state =
            passed.checked_sub(1).and_then(|last| self.moments.get(last)).map_or(self.before, |last| last.state);
        let played = time.map_or(0, |time| self.played_at(time));
        Book::of(state.chances(self.fixture.edge, played), self.fixture.margin)
    }

    /// The outcome that the final score means; none if the match was abandoned.
    pub fn winner(&self) -> Option<u8> {
        match self.fixture.fate {
            Fate::Abandoned => None,
            _ => self.moments.last().map(|last| last.state.winner()),
        }
    }

    /// The final score in words: "Harbour City v Northgate 2-1".
    pub fn result(&self) -> Option<String> {
        let [home, away] = self.moments.last()?.state.score();
        Some(format!("{} {home}-{away}", self.fixture.title()))
    }

    /// What the feed says of a moment.
    pub fn fields(&self, moment: &Moment) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("match".to_owned(), self.fixture.title().into());
        let [home, away] = moment.state.score();
        fields.insert("score".to_owned(), format!("{home}-{away}").into());
        // Elapsed minutes, for every game; soccer puts the board's own here.
        fields.insert("minute".to_owned(), (moment.at / 60).into());
        moment.state.tell(moment.at, &mut fields);
        if let Some(side) = moment.side {
            let word = if side == Side::Home { "home" } else { "away" };
            fields.insert("side".to_owned(), word.into());
            fields.insert("team".to_owned(), self.fixture.side(side).into());
            if moment.shirt > 0 {
                fields.insert("player".to_owned(), self.fixture.player(side, moment.shirt).into());
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::super::games::{Game, LONGEST_S};
    use super::*;

    const GAMES: [Game; 5] = [Game::Soccer, Game::Cricket, Game::Tennis, Game::CounterStrike, Game::Valorant];

    fn courses(game: Game, count: u32) -> impl Iterator<Item = Course> {
        (0..count).map(move |question| Course::of(Fixture::of(11, question, game)))
    }

    #[test]
    fn moments_come_in_order_and_end_in_time() {
        for course in GAMES.into_iter().flat_map(|game| courses(game, 500)) {
            assert!(course.moments.is_sorted_by_key(|moment| moment.at));
            assert!(course.end <= LONGEST_S + 180, "{}", course.end);
            if let Some((from, to)) = course.pause {
                assert!(from < to && to <= course.end, "{:?} of {}", course.pause, course.end);
            }
        }
    }

    #[test]
    fn the_winner_follows_from_the_final_score() {
        let mut draws = 0;
        for course in GAMES.into_iter().flat_map(|game| courses(game, 500)) {
            let last = course.moments.last().unwrap();
            let Some(winner) = course.winner() else {
                assert_eq!(last.kind, Kind::Abandoned);
                continue;
            };
            // As a reader of the feed would find it.
            let fields = course.fields(last);
            let read = |name: &str| {
                let (home, away) = fields[name].as_str().unwrap().split_once('-').unwrap();
                home.parse::<u16>().unwrap().cmp(&away.parse::<u16>().unwrap())
            };
            let name = if fields.contains_key("super_over") { "super_over" } else { "score" };
            let expected = match (read(name), course.fixture.game.outcomes()) {
                (std::cmp::Ordering::Greater, _) => 0,
                (std::cmp::Ordering::Less, outcomes) => outcomes - 1,
                (std::cmp::Ordering::Equal, 3) => 1,
                (std::cmp::Ordering::Equal, _) => panic!("no winner in {fields:?}"),
            };
            assert_eq!(winner, expected, "{fields:?}");
            draws += u32::from(winner == 1 && course.fixture.game == Game::Soccer);
        }
        assert!((60..200).contains(&draws), "{draws} draws of 500");
    }

    #[test]
    fn a_book_keeps_its_overround_through_every_match() {
        for course in GAMES.into_iter().flat_map(|game| courses(game, 200)) {
            for time in (0..course.end).step_by(20).map(Some).chain([None]) {
                let book = course.book(time);
                assert!(book.cents().iter().all(|cents| (102..=50_100).contains(cents)), "{book:?}");
                let sum: f64 = book.cents().iter().map(|cents| 100.0 / f64::from(*cents)).sum();
                assert!((1.04..=1.06).contains(&sum), "{time:?}: {book:?} sums to {sum}");
            }
        }
    }

    #[test]
    fn odds_react_to_a_goal() {
        let mut goals = 0;
        for course in courses(Game::Soccer, 300) {
            let scored = |moment: &&Moment| matches!(moment.kind, Kind::Goal | Kind::Penalty);
            for goal in course.moments.iter().filter(scored) {
                let at = course.time_of(goal.at);
                let (before, after) = (course.book(Some(at - 1)), course.book(Some(at)));
                let (own, other) = if goal.side == Some(Side::Home) { (0, 2) } else { (2, 0) };
                assert!(after.cents()[own] <= before.cents()[own], "{before:?} {after:?}");
                assert!(after.cents()[other] >= before.cents()[other], "{before:?} {after:?}");
                goals += 1;
            }
        }
        assert!((600..1_000).contains(&goals), "{goals} goals in 300 matches");
    }

    /// Halfway through, outcomes given a chance of about p happen about p of
    /// the time: the models that draw and that quote are the same.
    #[test]
    fn chances_are_calibrated() {
        for game in GAMES {
            let (mut expected, mut happened) = ([0.0f64; 5], [0.0f64; 5]);
            for course in courses(game, 3_000).filter(|course| course.winner().is_some()) {
                let middle = course.moments[course.moments.len() / 2];
                let book = course.book(Some(course.time_of(middle.at)));
                let chance = book.share(0) as f64 / book.shares().iter().sum::<u64>() as f64;
                let bin = (chance * 4.999) as usize;
                expected[bin] += chance;
                happened[bin] += f64::from(u8::from(course.winner() == Some(0)));
            }
            for (expected, happened) in expected.into_iter().zip(happened) {
                let off = (expected - happened).abs();
                assert!(off < 5.0 * expected.sqrt() + 0.05 * expected, "{game:?}: {happened} of {expected}");
            }
        }
    }
}
