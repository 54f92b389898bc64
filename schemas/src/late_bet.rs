//! A bet that came too late for a window, as the stream `late-bets` carries it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bet::Bet;
use crate::codec::{DecodeError, Encoded, Event};
use crate::ids::{BetId, EventId, derive};
use crate::time::Timestamp;

/// An accepted bet that a window with `late = "side"` has missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LateBet {
    /// Follows from the window and the bet.
    pub event_uuid: EventId,
    /// The window's name.
    pub window_name: String,
    /// The first moment of the first window that it missed.
    pub window_start: Timestamp,
    /// The first moment after that window.
    pub window_end: Timestamp,
    /// When the bet arrived.
    pub arrived_at: Timestamp,
    /// The bet.
    pub bet: Bet,
}

impl LateBet {
    /// The id of a bet's lateness for a window.
    pub fn id_of(window: &str, bet: BetId) -> EventId {
        derive("late", &[window.as_bytes(), bet.as_bytes()]).into()
    }
}

impl Event for LateBet {
    const STREAM: &'static str = "late-bets";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        record.read()
    }
}
