//! Questions: what is asked, and the row that says where it stands.
//!
//! A question moves `open → closed → proposed → approved → reported → finalised`, with
//! `paused`, `flagged` and `voided` beside it. The settle job moves it; bets are decided
//! by the times in the row, never by the momentary state. Bets are settled from the moment
//! an answer is approved or the question is voided.

mod rule;
mod step;

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::ids::{Address, ChainQuestionId, QuestionId, StreamId};
use crate::money::Money;
use crate::probability::Probability;
use crate::row::Row;
use crate::text::{MAX_NAME_BYTES, MAX_SENTENCE_BYTES, check_optional, check_text, named};
use crate::time::Timestamp;

pub use rule::{Answer, MAX_OF, Rule};
pub use step::{Cause, Step};

/// Outcomes a question may have. With a text of 256 bytes, an id of 64 and three numbers
/// of 9 each, they fill 347 of the 400 KB that a DynamoDB item may have.
pub const MAX_OUTCOMES: usize = 1024;

/// Longest id of an outcome, in bytes.
const MAX_OUTCOME_ID_BYTES: usize = 64;

/// What is asked: the questions table's fields, as a `question_opened` event gives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct QuestionSpec {
    /// The key.
    #[n(0)]
    pub question_uuid: QuestionId,
    /// What is played.
    #[n(1)]
    pub game: String,
    /// The question in words.
    #[n(2)]
    pub question: String,
    /// The possible answers, 1 to 1024.
    #[n(3)]
    pub outcomes: Vec<String>,
    /// The chain that holds the money.
    #[n(4)]
    pub chain_id: u64,
    /// No bet is accepted that arrives later.
    #[n(5)]
    pub betting_end_time: Timestamp,
    /// The question's id on chain.
    #[n(6)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_id: Option<ChainQuestionId>,
    /// Who owns the market on chain.
    #[n(7)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_address: Option<Address>,
    /// Who may report the answer on chain.
    #[n(8)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oracle_address: Option<Address>,
    /// The token that stakes are paid in.
    #[n(9)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collateral_token: Option<Address>,
    /// The market maker's contract.
    #[n(10)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fpmm_address: Option<Address>,
    /// Who asks.
    #[n(11)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streamer: Option<Address>,
    /// The broadcast it belongs to.
    #[n(12)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_uuid: Option<StreamId>,
    /// Where it was taken from, such as `betfair:1.200806927`.
    #[n(13)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// The source's ids of the outcomes, in their order; empty when it has none.
    #[n(14)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcome_ids: Vec<String>,
    /// How many independent sources must agree on the answer.
    #[n(15)]
    #[serde(default = "default_quorum")]
    pub quorum: u8,
    /// Decimals of the collateral token.
    #[n(16)]
    #[serde(default = "default_collateral_decimals")]
    pub collateral_decimals: u8,
    /// How many outcomes win: 1, or the places of a place market.
    #[n(17)]
    #[cbor(default)]
    #[serde(default)]
    pub winners: Winners,
    /// How what is seen in its broadcast answers it, if it does.
    #[n(18)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Box<Rule>>,
}

/// How many outcomes of a question win, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Winners(#[n(0)] pub u16);

impl Default for Winners {
    fn default() -> Self {
        Winners(1)
    }
}

const fn default_quorum() -> u8 {
    2
}

const fn default_collateral_decimals() -> u8 {
    6
}

impl QuestionSpec {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_text("question.game", &self.game, MAX_NAME_BYTES)?;
        check_text("question.question", &self.question, MAX_SENTENCE_BYTES)?;
        check_outcomes("question.outcomes", &self.outcomes)?;
        check_optional("question.source_id", self.source_id.as_ref(), MAX_NAME_BYTES)?;
        for (index, id) in self.outcome_ids.iter().enumerate() {
            check_text(&format!("question.outcome_ids[{index}]"), id, MAX_OUTCOME_ID_BYTES)?;
        }
        let (ids, outcomes) = (self.outcome_ids.len(), self.outcomes.len());
        if ids != 0 && ids != outcomes {
            let problem = format!("{ids} ids for {outcomes} outcomes; give one each, or none");
            return Err(DecodeError::field("question.outcome_ids", problem));
        }
        if self.winners.0 == 0 || usize::from(self.winners.0) > outcomes {
            let problem = format!("{} of {outcomes} outcomes cannot win; choose 1 to {outcomes}", self.winners.0);
            return Err(DecodeError::field("question.winners", problem));
        }
        if self.quorum == 0 {
            let problem = "0 sources decide nothing; the quorum is at least 1";
            return Err(DecodeError::field("question.quorum", problem));
        }
        self.rule.as_ref().map_or(Ok(()), |rule| rule.check(outcomes, self.stream_uuid.is_some()))
    }
}

/// The bounds of a list of outcomes.
pub(crate) fn check_outcomes(field: &str, outcomes: &[String]) -> Result<(), DecodeError> {
    if outcomes.is_empty() || outcomes.len() > MAX_OUTCOMES {
        let problem = format!("{} outcomes; a question has 1 to {MAX_OUTCOMES}", outcomes.len());
        return Err(DecodeError::field(field, problem));
    }
    for (index, outcome) in outcomes.iter().enumerate() {
        check_text(&format!("{field}[{index}]"), outcome, MAX_NAME_BYTES)?;
    }
    Ok(())
}

named! {
    /// Where a question stands.
    QuestionState {
        /// Bets are taken.
        0 Open = "open",
        /// No bets are taken for now.
        1 Paused = "paused",
        /// No bets are taken any more.
        2 Closed = "closed",
        /// An answer has its quorum and can be challenged.
        3 Proposed = "proposed",
        /// The answer stands.
        4 Approved = "approved",
        /// The answer was sent to the chain.
        5 Reported = "reported",
        /// The answer cannot change any more.
        6 Finalised = "finalised",
        /// A person must look.
        7 Flagged = "flagged",
        /// There is no answer; stakes go back.
        8 Voided = "voided",
    }
}

named! {
    /// Who saw an outcome.
    Source {
        /// The vision models.
        0 Vision = "vision",
        /// A data feed.
        1 Feed = "feed",
        /// The streamer.
        2 Streamer = "streamer",
        /// An operator of the product.
        3 Operator = "operator",
    }
}

/// A time in which bets were not taken, in arrival time; open while `to` is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Pause {
    /// The first moment of the pause.
    #[n(0)]
    pub from: Timestamp,
    /// The first moment after it.
    #[n(1)]
    pub to: Option<Timestamp>,
}

/// One source's word on the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Observation {
    /// Which outcome was seen.
    #[n(0)]
    pub outcome_index: u16,
    /// By whom.
    #[n(1)]
    pub source: Source,
    /// When, by the event's own time.
    #[n(2)]
    pub at: Timestamp,
    /// How sure the source is.
    #[n(3)]
    pub confidence: Probability,
    /// What it rests on.
    #[n(4)]
    pub evidence: Option<String>,
}

/// An answer that operators asked for past quorum and challenge: it takes two of them, and a delay.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Emergency {
    /// Payout numerators by outcome; empty to void the question.
    #[n(0)]
    pub payouts: Vec<u64>,
    /// Who asked for exactly this, in order.
    #[n(1)]
    pub operators: Vec<String>,
    /// Why, in the first one's words.
    #[n(2)]
    pub reason: String,
    /// When it takes effect, once two have asked.
    #[n(3)]
    pub due: Option<Timestamp>,
}

/// A row of `questions`. Its bets are answered from an index.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct QuestionRow {
    /// What is asked, with amendments applied.
    #[n(0)]
    pub spec: QuestionSpec,
    /// Where it stands.
    #[n(1)]
    pub state: QuestionState,
    /// Grows with every change; the condition of every write.
    #[n(2)]
    pub version: u64,
    /// Arrival time of the opening.
    #[n(3)]
    pub opened_at: Timestamp,
    /// Arrival time of the close. Bets are compared by their own arrival time, so that a
    /// replay decides as the live run did.
    #[n(4)]
    pub closed_at: Option<Timestamp>,
    /// Pauses in arrival time, oldest first.
    #[n(5)]
    pub pauses: Vec<Pause>,
    /// What sources have seen, oldest first.
    #[n(6)]
    pub observations: Vec<Observation>,
    /// Outcomes on which bets are void.
    #[n(7)]
    pub voided_outcomes: Vec<u16>,
    /// Accepted stakes by outcome.
    #[n(8)]
    pub stake_by_outcome: Vec<Money>,
    /// Accepted bets by outcome.
    #[n(9)]
    pub bets_by_outcome: Vec<u64>,
    /// Payout numerators by outcome, once there is an answer.
    #[n(10)]
    pub payouts: Vec<u64>,
    /// Whether the chain knows the answer.
    #[n(11)]
    pub answer_reported: bool,
    /// Why it was voided.
    #[n(12)]
    pub void_reason: Option<String>,
    /// Why it was flagged.
    #[n(13)]
    pub flag_reason: Option<String>,
    /// Until when the proposed answer can be challenged, in arrival time.
    #[n(14)]
    pub challenge_until: Option<Timestamp>,
    /// Since when the answer is final here and bets are being settled.
    #[n(15)]
    pub settling_from: Option<Timestamp>,
    /// When its last bet was settled.
    #[n(16)]
    pub settled_at: Option<Timestamp>,
    /// An answer that operators asked for out of turn.
    #[n(17)]
    pub emergency: Option<Emergency>,
    /// How it came to where it stands, from the close on, oldest first.
    #[n(18)]
    #[cbor(default)]
    pub steps: Vec<Step>,
}

impl QuestionRow {
    /// The row of a question that has just been opened.
    pub fn open(spec: QuestionSpec, opened_at: Timestamp) -> QuestionRow {
        let outcomes = spec.outcomes.len();
        QuestionRow {
            spec,
            state: QuestionState::Open,
            version: 1,
            opened_at,
            closed_at: None,
            pauses: Vec::new(),
            observations: Vec::new(),
            voided_outcomes: Vec::new(),
            stake_by_outcome: vec![Money::ZERO; outcomes],
            bets_by_outcome: vec![0; outcomes],
            payouts: Vec::new(),
            answer_reported: false,
            void_reason: None,
            flag_reason: None,
            challenge_until: None,
            settling_from: None,
            settled_at: None,
            emergency: None,
            steps: Vec::new(),
        }
    }
}

impl Row for QuestionRow {
    const TABLE: &'static str = "questions";
}
