//! Settling: the row that says how far a question's bets are settled, and the event that tells
//! the chain worker and everybody else that all of them are.

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Encoded, Event};
use crate::game_event::check_payouts;
use crate::ids::{Address, ChainQuestionId, EventId, QuestionId, derive};
use crate::money::Total;
use crate::row::Row;
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

/// A row of `settlements`: what settling a question's bets has come to, page by page.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SettlementRow {
    /// The question.
    #[n(0)]
    pub question_uuid: QuestionId,
    /// Its version when settling began.
    #[n(1)]
    pub version: u64,
    /// Bets to settle: those that were accepted.
    #[n(2)]
    pub accepted: u64,
    /// Where the sweep stands: the place of the last bet looked at.
    #[n(3)]
    pub after: Option<(u64, u64)>,
    /// Sweeps begun; more than one only where an index lags.
    #[n(4)]
    pub sweeps: u32,
    /// Bets that won.
    #[n(5)]
    pub bets_won: u64,
    /// Bets that lost.
    #[n(6)]
    pub bets_lost: u64,
    /// Bets that were voided.
    #[n(7)]
    pub bets_void: u64,
    /// Stakes of those settled.
    #[n(8)]
    pub staked: Total,
    /// Payouts and refunds.
    #[n(9)]
    pub returned: Total,
    /// When settling began.
    #[n(10)]
    pub started_at: Timestamp,
    /// When the last bet was settled.
    #[n(11)]
    pub settled_at: Option<Timestamp>,
}

impl SettlementRow {
    /// Bets settled so far.
    pub const fn settled(&self) -> u64 {
        self.bets_won + self.bets_lost + self.bets_void
    }
}

impl Row for SettlementRow {
    const TABLE: &'static str = "settlements";
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
