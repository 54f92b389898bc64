//! A settled question, as the stream `settlements` carries it to the chain worker.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Encoded, Event};
use crate::game_event::check_payouts;
use crate::ids::{Address, ChainQuestionId, EventId, QuestionId, derive};
use crate::money::Total;
use crate::time::Timestamp;

/// The answer to a question and what it did to the bets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Settlement {
    /// Follows from the question and its version.
    pub event_uuid: EventId,
    /// The question.
    pub question_uuid: QuestionId,
    /// The version of the question that was settled.
    pub version: u64,
    /// Payout numerators by outcome. All zero when the question is void: stakes go back,
    /// and nothing is reported on chain.
    pub payouts: Vec<u64>,
    /// Whether the question was voided.
    pub voided: bool,
    /// Bets that won.
    pub bets_won: u64,
    /// Bets that lost.
    pub bets_lost: u64,
    /// Bets that were voided.
    pub bets_void: u64,
    /// Stakes of all of them.
    pub staked: Total,
    /// Payouts and refunds.
    pub returned: Total,
    /// The chain.
    pub chain_id: u64,
    /// The question's id on chain; absent when it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_id: Option<ChainQuestionId>,
    /// Who may report on chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oracle_address: Option<Address>,
    /// When it was settled.
    pub at: Timestamp,
}

impl Settlement {
    /// The id of the settlement of a question's version.
    pub fn id_of(question: QuestionId, version: u64) -> EventId {
        derive("settlement", &[question.as_bytes(), &version.to_be_bytes()]).into()
    }
}

impl Event for Settlement {
    const STREAM: &'static str = "settlements";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        record.read()
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.voided { Ok(()) } else { check_payouts(&self.payouts) }
    }
}
