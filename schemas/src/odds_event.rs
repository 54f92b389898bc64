//! One row of a five-minute odds window, as the stream `odds` carries it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Encoded, Event};
use crate::ids::{EventId, QuestionId, derive};
use crate::money::Total;
use crate::odds::Odds;
use crate::time::Timestamp;

/// The odds of one outcome in one window. Sums are exact; averages are rounded half to
/// even at six decimals.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct OddsEvent {
    /// Follows from window, start, question, outcome and revision.
    pub event_uuid: EventId,
    /// The window job's name.
    pub window_name: String,
    /// The first moment of the window.
    pub window_start: Timestamp,
    /// The first moment after it.
    pub window_end: Timestamp,
    /// The question.
    pub question_uuid: QuestionId,
    /// The outcome.
    pub outcome_index: u16,
    /// Accepted bets.
    pub bets: u64,
    /// Their stakes.
    pub stake: Total,
    /// Their odds, added up.
    pub sum_odds: Total,
    /// The mean of the odds.
    pub avg_odds: Odds,
    /// The mean of the odds, weighted by stake.
    pub weighted_odds: Odds,
    /// The lowest odds.
    pub min_odds: Odds,
    /// The highest odds.
    pub max_odds: Odds,
    /// The odds of the first bet by `placed_at`, then by id.
    pub first_odds: Odds,
    /// The odds of the last bet by `placed_at`, then by id.
    pub last_odds: Odds,
    /// Grows with every change of the row that is published, from 1.
    pub revision: u32,
    /// Whether no later revision can come.
    #[serde(rename = "final")]
    pub is_final: bool,
}

impl OddsEvent {
    /// The id of a window's row.
    pub fn id_of(window: &str, start: Timestamp, question: QuestionId, outcome: u16, revision: u32) -> EventId {
        let parts: [&[u8]; 5] = [
            window.as_bytes(),
            &start.millis().to_be_bytes(),
            question.as_bytes(),
            &outcome.to_be_bytes(),
            &revision.to_be_bytes(),
        ];
        derive("odds", &parts).into()
    }
}

impl Event for OddsEvent {
    const STREAM: &'static str = "odds";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        record.read()
    }
}
