//! What happens besides bets, as lines of the stream `game-events`.

use schemas::codec::Event;
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::ids::EventId;
use schemas::probability::Probability;
use schemas::question::{QuestionSpec, Source, Winners};
use schemas::time::Timestamp;

use super::Line;
use super::bet_line::CHAIN_ID;
use super::course::Course;
use super::people::{People, uuid};
use super::random::hash;
use crate::sources::GAME_EVENTS;

/// Something that happens besides bets; numbers count from 0. Of what happens
/// in one millisecond, the first in this list comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    Streamer(u32),
    Account(u32),
    StreamStarted(u32),
    Opened {
        question: u32,
        betting_end: Timestamp,
    },
    Resumed(u32),
    /// A moment of a question's match, by its place in the course.
    Moment {
        question: u32,
        index: u16,
    },
    Paused(u32),
    Closed(u32),
    Voided(u32),
    /// The outcome as the feed, or else the streamer, saw it.
    Observed {
        question: u32,
        by_feed: bool,
        outcome: u8,
    },
    StreamEnded(u32),
}

/// The line of a happening. A moment, a pause and a void need the question's
/// course.
pub(super) fn line(people: &People, at: Timestamp, happening: Happening, course: Option<&Course>) -> Line {
    let (partition_key, kind) = event(people, happening, course);
    // One happening happens once, but an account or a stream may do so on many
    // days: the time is part of the id.
    let (tag, number) = happening.code();
    let key = hash(people.event_key(), tag) ^ hash(people.event_key(), at.millis().unsigned_abs());
    let event = GameEvent::new(EventId::new(uuid(key, number)), at, kind);
    Line { stream: GAME_EVENTS, at, partition_key, bytes: event.to_json() }
}

fn event(people: &People, happening: Happening, course: Option<&Course>) -> (String, GameEventKind) {
    match happening {
        Happening::Streamer(number) => {
            let streamer = people.streamer(number);
            (streamer.address.to_string(), GameEventKind::StreamerUpserted { streamer })
        }
        Happening::StreamStarted(number) => {
            let stream = people.stream(number);
            (stream.stream_uuid.to_string(), GameEventKind::StreamStarted { stream })
        }
        Happening::StreamEnded(number) => {
            let stream_uuid = people.stream_id(number);
            (stream_uuid.to_string(), GameEventKind::StreamEnded { stream_uuid })
        }
        Happening::Account(number) => {
            let user = people.user(number);
            (user.address.to_string(), GameEventKind::AccountUpserted { user })
        }
        Happening::Opened { question, betting_end } => {
            let question = question_spec(people, question, betting_end);
            (question.question_uuid.to_string(), GameEventKind::QuestionOpened { question })
        }
        Happening::Moment { question, .. }
        | Happening::Resumed(question)
        | Happening::Paused(question)
        | Happening::Closed(question)
        | Happening::Voided(question)
        | Happening::Observed { question, .. } => {
            (people.question_id(question).to_string(), of_question(people, question, happening, course))
        }
    }
}

/// What happens to one question, and in its match.
fn of_question(people: &People, question: u32, happening: Happening, course: Option<&Course>) -> GameEventKind {
    let question_uuid = people.question_id(question);
    let game = people.game(people.streamer_of(question));
    match happening {
        Happening::Paused(_) => {
            GameEventKind::QuestionPaused { question_uuid, reason: Some(game.pause_reason().to_owned()) }
        }
        Happening::Resumed(_) => GameEventKind::QuestionResumed { question_uuid, reason: None },
        Happening::Voided(_) => {
            GameEventKind::QuestionVoided { question_uuid, reason: game.abandon_reason().to_owned() }
        }
        Happening::Observed { by_feed, outcome, .. } => GameEventKind::OutcomeObserved {
            question_uuid,
            outcome_index: outcome.into(),
            source: if by_feed { Source::Feed } else { Source::Streamer },
            confidence: Probability::ONE,
            evidence: course.and_then(Course::result),
        },
        Happening::Moment { index, .. } => {
            let moment = course.and_then(|course| Some((course, course.moments.get(usize::from(index))?)));
            let mut fields = moment.map(|(course, moment)| course.fields(moment)).unwrap_or_default();
            fields.insert("question_uuid".to_owned(), question_uuid.to_string().into());
            let kind = moment.map_or("moment", |(_, moment)| moment.kind.as_str());
            GameEventKind::GameMoment { game: game.as_str().to_owned(), kind: kind.to_owned(), fields }
        }
        _ => GameEventKind::BettingClosed { question_uuid },
    }
}

fn question_spec(people: &People, number: u32, betting_end_time: Timestamp) -> QuestionSpec {
    let fixture = people.fixture(number);
    let streamer = people.streamer_of(number);
    let outcomes = fixture.outcomes();
    QuestionSpec {
        question_uuid: people.question_id(number),
        game: fixture.game.as_str().to_owned(),
        question: format!("{}: who wins?", fixture.title()),
        outcome_ids: (0..outcomes.len()).map(|index| index.to_string()).collect(),
        outcomes,
        question_id: None,
        owner_address: None,
        oracle_address: None,
        chain_id: CHAIN_ID,
        collateral_token: None,
        fpmm_address: None,
        betting_end_time,
        streamer: Some(people.streamer_address(streamer)),
        stream_uuid: Some(people.stream_id(streamer)),
        source_id: Some(format!("generated:{}", people.question_number(number))),
        quorum: 2,
        collateral_decimals: 6,
        winners: Winners::default(),
        rule: None,
    }
}

impl Happening {
    fn code(self) -> (u64, u64) {
        match self {
            Self::Streamer(number) => (0, number.into()),
            Self::StreamStarted(number) => (1, number.into()),
            Self::Account(number) => (2, number.into()),
            Self::Opened { question, .. } => (3, question.into()),
            Self::Closed(number) => (4, number.into()),
            Self::Observed { question, by_feed, .. } => (5 + u64::from(by_feed), question.into()),
            Self::StreamEnded(number) => (7, number.into()),
            Self::Moment { question, index } => (8, u64::from(index) << 32 | u64::from(question)),
            Self::Paused(number) => (9, number.into()),
            Self::Resumed(number) => (10, number.into()),
            Self::Voided(number) => (11, number.into()),
        }
    }
}
