//! What happens to questions, broadcasts and accounts: the stream `game-events`.
//!
//! On the wire an event is one flat object whose `type` says which fields follow. It is
//! read in two steps, the head and then the body of that type, because serde's own
//! tagged enums buffer the body, and a buffered number has lost its exact text.

mod kind;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Encoded, Event};
use crate::ids::EventId;
use crate::question::MAX_OUTCOMES;
use crate::time::Timestamp;

pub use kind::GameEventKind;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GameEvent {
    /// The event's own id; the same id is the same event.
    pub event_uuid: EventId,
    /// When it happened, by the source's clock.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: GameEventKind,
}

impl Event for GameEvent {
    const STREAM: &'static str = "game-events";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Head {
            event_uuid: EventId,
            at: Timestamp,
            r#type: String,
        }
        let head: Head = record.read()?;
        let kind = GameEventKind::read(&head.r#type, record)?;
        Ok(GameEvent { event_uuid: head.event_uuid, at: head.at, kind })
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.kind.check()
    }
}

/// A payout vector pays somebody and has an entry for each outcome.
pub(crate) fn check_payouts(payouts: &[u64]) -> Result<(), DecodeError> {
    if payouts.is_empty() || payouts.len() > MAX_OUTCOMES {
        let problem = format!("{} numerators; give one for each outcome", payouts.len());
        return Err(DecodeError::field("payouts", problem));
    }
    if payouts.iter().all(|numerator| *numerator == 0) {
        let problem = "all zero pay nobody; void the question instead";
        return Err(DecodeError::field("payouts", problem));
    }
    Ok(())
}
