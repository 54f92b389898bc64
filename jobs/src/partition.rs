//! Which partition key a record gets: one rule for every producer.
//!
//! Everything about one question has one key, so it keeps its order on any number of shards.

use schemas::bet::Bet;
use schemas::codec::{DecodeError, Event};
use schemas::frame::Frame;
use schemas::game_event::{GameEvent, GameEventKind};
use xxhash_rust::xxh3::xxh3_128;

/// Every stream, with the name as the engine wants it.
pub const STREAMS: [&str; 10] = [
    "bets",
    "game-events",
    "frames",
    "odds",
    "windows",
    "late-bets",
    "quotes",
    "settlements",
    "notifications",
    "dead-letters",
];

/// The streams that producers write; the others are written by jobs.
pub const OPEN_STREAMS: [&str; 3] = [Bet::STREAM, GameEvent::STREAM, Frame::STREAM];

/// The stream's name, as a constant.
pub fn stream_named(name: &str) -> Option<&'static str> {
    STREAMS.iter().find(|stream| **stream == name).copied()
}

/// Decodes an event of a stream that producers write, and gives its partition key; nothing for
/// the other streams.
pub fn partition_key(stream: &str, bytes: &[u8]) -> Option<Result<String, DecodeError>> {
    match stream {
        Bet::STREAM => Some(Bet::decode(bytes).map(|bet| of_bet(&bet))),
        GameEvent::STREAM => Some(GameEvent::decode(bytes).map(|event| of_game_event(&event))),
        Frame::STREAM => Some(Frame::decode(bytes).map(|frame| frame.stream_uuid.to_string())),
        _ => None,
    }
}

/// The question.
pub fn of_bet(bet: &Bet) -> String {
    bet.question_uuid.to_string()
}

/// The question, the account, the streamer or the broadcast it is about; its own id where it is
/// about none of them.
pub fn of_game_event(event: &GameEvent) -> String {
    use GameEventKind as Kind;
    match &event.kind {
        Kind::StreamerUpserted { streamer } => streamer.address.to_string(),
        Kind::StreamStarted { stream } => stream.stream_uuid.to_string(),
        Kind::StreamEnded { stream_uuid } | Kind::StateChanged { stream_uuid, .. } => stream_uuid.to_string(),
        Kind::QuestionOpened { question } => question.question_uuid.to_string(),
        Kind::BettingClosed { question_uuid }
        | Kind::OutcomeObserved { question_uuid, .. }
        | Kind::OutcomeVoided { question_uuid, .. }
        | Kind::QuestionVoided { question_uuid, .. }
        | Kind::QuestionFlagged { question_uuid, .. }
        | Kind::QuestionPaused { question_uuid, .. }
        | Kind::QuestionResumed { question_uuid, .. }
        | Kind::QuestionApproved { question_uuid, .. }
        | Kind::QuestionAmended { question_uuid, .. }
        | Kind::EmergencyAnswer { question_uuid, .. }
        | Kind::PositionSold { question_uuid, .. }
        | Kind::AnswerReported { question_uuid, .. } => question_uuid.to_string(),
        Kind::AccountUpserted { user } => user.address.to_string(),
        Kind::Deposit { address, .. } | Kind::Withdrawal { address, .. } => address.to_string(),
        Kind::GameMoment { .. } => event.event_uuid.to_string(),
    }
}

/// The key of bytes that nobody decodes: their hash, so that the same bytes meet in one shard.
pub fn of_raw(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}
