//! A source as a replay takes it: surveyed once, then taken in chunks of whole milliseconds.

use std::iter::Peekable;

use pipeline::Arrival;
use pipeline::record::Append;
use schemas::codec::Event as _;
use schemas::game_event::GameEventKind;
use schemas::ids::QuestionId;
use schemas::time::Timestamp;

use crate::sources::{SourceError, Sourced, SourcedEvent};

/// What a source holds, known before anything is appended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Records of all streams.
    pub records: u64,
    /// The first record's time.
    pub first: Option<Timestamp>,
    /// The last record's time.
    pub last: Option<Timestamp>,
    /// The questions it opens, in its order.
    pub questions: Vec<QuestionId>,
}

impl Survey {
    /// Reads a source to its end.
    pub fn of(source: impl Iterator<Item = Result<Sourced, SourceError>>) -> Result<Survey, SourceError> {
        let mut survey = Survey::default();
        for sourced in source {
            let sourced = sourced?;
            survey.records += 1;
            survey.first.get_or_insert(sourced.at);
            survey.last = Some(sourced.at);
            if let SourcedEvent::Game(event) = &sourced.event
                && let GameEventKind::QuestionOpened { question } = &event.kind
            {
                survey.questions.push(question.question_uuid);
            }
        }
        Ok(survey)
    }
}

/// The rest of a source.
pub struct Feed<I: Iterator> {
    source: Peekable<I>,
}

impl<I: Iterator<Item = Result<Sourced, SourceError>>> Feed<I> {
    /// The whole source.
    pub fn new(source: I) -> Feed<I> {
        Feed { source: source.peekable() }
    }

    /// Passes over records that are in the log already.
    pub fn skip(&mut self, count: u64) -> Result<(), SourceError> {
        for _ in 0..count {
            self.source.next().transpose()?;
        }
        Ok(())
    }

    /// Whether there is nothing more, not even an error.
    pub fn is_done(&mut self) -> bool {
        self.source.peek().is_none()
    }

    /// When the next record arrives; nothing at the end, and before an error, which
    /// [`Feed::take`] returns. (The survey has read the same bytes, so there is none unless the
    /// file changed since.)
    pub fn next_at(&mut self) -> Option<Timestamp> {
        match self.source.peek() {
            Some(Ok(sourced)) => Some(sourced.at),
            _ => None,
        }
    }

    /// Takes the next records that arrive at or before `limit`: about `count` of them, and all
    /// that arrive in the same millisecond as the last.
    pub fn take(&mut self, limit: Arrival, count: usize) -> Result<Vec<Sourced>, SourceError> {
        let mut chunk: Vec<Sourced> = Vec::new();
        loop {
            let last = chunk.last().map(|sourced| sourced.at);
            let more = |at: Timestamp| at.millis() <= limit.0 && (chunk.len() < count || Some(at) == last);
            let next = self.source.next_if(|next| next.as_ref().map_or(true, |sourced| more(sourced.at)));
            match next.transpose()? {
                Some(sourced) => chunk.push(sourced),
                None => return Ok(chunk),
            }
        }
    }
}

/// A source's event as a record of its stream, arrived at the source's time.
pub fn to_append(sourced: Sourced) -> (&'static str, Append) {
    let data = match &sourced.event {
        SourcedEvent::Bet(bet) => bet.to_json(),
        SourcedEvent::Game(event) => event.to_json(),
    };
    (sourced.stream, Append::new(sourced.partition_key, data).arrived(Arrival(sourced.at.millis())))
}
