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
use crate::text::{MAX_NAME_BYTES, check_optional};
use crate::time::Timestamp;

pub use kind::GameEventKind;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GameEvent {
    /// The event's own id; the same id is the same event.
    pub event_uuid: EventId,
    /// When it happened, by the source's clock.
    pub at: Timestamp,
    /// Who sent it, where a person did: the audit's name for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub kind: GameEventKind,
}

impl GameEvent {
    /// An event that no person sent.
    pub const fn new(event_uuid: EventId, at: Timestamp, kind: GameEventKind) -> GameEvent {
        GameEvent { event_uuid, at, operator: None, kind }
    }
}

impl Event for GameEvent {
    const STREAM: &'static str = "game-events";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Head {
            event_uuid: EventId,
            at: Timestamp,
            operator: Option<String>,
            r#type: String,
        }
        let head: Head = record.read()?;
        let kind = GameEventKind::read(&head.r#type, record)?;
        Ok(GameEvent { event_uuid: head.event_uuid, at: head.at, operator: head.operator, kind })
    }

    fn check(&self) -> Result<(), DecodeError> {
        check_optional("operator", self.operator.as_ref(), MAX_NAME_BYTES)?;
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
