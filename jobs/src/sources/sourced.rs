//! One event from a source, with where it belongs and when it arrived.

use schemas::{bet::Bet, game_event::GameEvent, time::Timestamp};

/// The stream that bets go to.
pub const BETS: &str = "bets";
/// The stream that questions, accounts, closings and moments go to.
pub const GAME_EVENTS: &str = "game-events";

/// An event with its stream, its partition key and its arrival time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sourced {
    /// [`BETS`] or [`GAME_EVENTS`].
    pub stream: &'static str,
    /// The source's own time, ms since the epoch. A replay stamps it as the
    /// arrival time; it never decreases from one item to the next.
    pub at: Timestamp,
    /// The question's id for a bet and for what happens to a question; the
    /// address for an account or a streamer; the stream's id for the rest. So
    /// everything about one question keeps its order on any number of shards.
    pub partition_key: String,
    /// The event itself.
    pub event: SourcedEvent,
}

/// The two kinds of event that sources yield.
#[derive(Debug, Clone, PartialEq)]
pub enum SourcedEvent {
    /// A bet.
    Bet(Bet),
    /// Anything else; boxed, since it is several times a bet's size.
    Game(Box<GameEvent>),
}

impl Sourced {
    pub(super) fn bet(at: Timestamp, bet: Bet) -> Self {
        Self { stream: BETS, at, partition_key: bet.question_uuid.to_string(), event: SourcedEvent::Bet(bet) }
    }

    pub(super) fn game(at: Timestamp, partition_key: String, event: GameEvent) -> Self {
        Self { stream: GAME_EVENTS, at, partition_key, event: SourcedEvent::Game(Box::new(event)) }
    }
}
