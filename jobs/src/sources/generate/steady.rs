//! Bets at an even rate over a span, on questions that are all open from its
//! start: the input of benchmarks and of bad-input tests.

use schemas::time::Timestamp;

use super::Line;
use super::events::{self, Happening};
use super::maker::{Maker, Market};
use super::params::{Params, ParamsError};
use super::zipf::Zipf;

/// Questions take bets for a day after the span, so that no bet meets a closed
/// one.
const OPEN_AFTER_MS: i64 = 86_400_000;

/// First the streamers, accounts, streams and questions, all at the start; then
/// `count` bet lines.
pub struct Bets {
    start: Timestamp,
    duration_ms: u64,
    count: u64,
    made: u64,
    introductions: Box<dyn Iterator<Item = Happening> + Send>,
    questions: Zipf,
    maker: Maker,
}

impl Bets {
    /// Checks the parameters and fills the tables (see [`super::MAX_BETTORS`]
    /// for their size).
    pub fn new(params: Params) -> Result<Self, ParamsError> {
        params.check()?;
        let maker = Maker::new(&params);
        // Checked: the span ends in an i64 of milliseconds.
        let span = i64::try_from(params.duration_ms).unwrap_or(i64::MAX);
        let betting_end = params.start.saturating_add(span.saturating_add(OPEN_AFTER_MS));
        let streams = (0..maker.people().streamers()).map(Happening::StreamStarted);
        let opened = (0..params.questions).map(move |question| Happening::Opened { question, betting_end });
        let introductions = maker.people().introductions().chain(streams).chain(opened);
        Ok(Self {
            start: params.start,
            duration_ms: params.duration_ms,
            count: params.count,
            made: 0,
            introductions: Box::new(introductions),
            questions: Zipf::new(params.questions),
            maker,
        })
    }

    /// When bet line `number` arrives.
    fn arrival(&self, number: u64) -> Timestamp {
        let passed = u128::from(self.duration_ms) * u128::from(number) / u128::from(self.count.max(1));
        // Below the duration, which fits.
        self.start.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

impl Iterator for Bets {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if let Some(happening) = self.introductions.next() {
            return Some(events::line(self.maker.people(), self.start, happening, None));
        }
        if self.made == self.count {
            return None;
        }
        let at = self.arrival(self.made);
        self.made += 1;
        let question = self.questions.draw(self.maker.random());
        Some(self.maker.line(at, question, Market::Fixed))
    }
}
