//! The closed list of game events with the fields of each, written down once.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::check_payouts;
use crate::codec::{self, DecodeError};
use crate::decimal::quote;
use crate::ids::{Address, QuestionId, StreamId, TxHash};
use crate::money::Money;
use crate::probability::Probability;
use crate::question::{QuestionSpec, Source, check_outcomes};
use crate::stream::StreamSpec;
use crate::streamer::StreamerSpec;
use crate::text::{MAX_NAME_BYTES, MAX_SENTENCE_BYTES, check_optional, check_text};
use crate::time::Timestamp;
use crate::transaction::Transaction;
use crate::user::UserSpec;

/// Makes the enum, its names and the reader of each type's fields from one list.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:literal $kind:ident { $($(#[$attr:meta])* $field:ident: $type:ty,)* })*) => {
        /// What happened. Variants carry the fields of their `type` on the wire.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
        #[serde(tag = "type")]
        pub enum GameEventKind {
            $($(#[$doc])* #[serde(rename = $name)] $kind { $($(#[$attr])* $field: $type,)* },)*
        }

        impl GameEventKind {
            /// Every `type`, in the order of the list.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The `type` on the wire.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$kind { .. } => $name,)* }
            }

            /// Reads the fields that belong to `name` from the whole record.
            pub(super) fn read(name: &str, record: codec::Encoded<'_>) -> Result<Self, DecodeError> {
                match name {
                    $($name => {
                        #[derive(Deserialize)]
                        struct Body { $($(#[$attr])* $field: $type,)* }
                        let Body { $($field),* } = record.read()?;
                        Ok(Self::$kind { $($field),* })
                    })*
                    other => Err(DecodeError::field(
                        "type",
                        format!("{} is not one of {}", quote(other), Self::NAMES.join(", ")),
                    )),
                }
            }
        }
    };
}

kinds! {
    /// A streamer is new or has another name.
    "streamer_upserted" StreamerUpserted {
        /// The streamer.
        streamer: StreamerSpec,
    }
    /// A broadcast started.
    "stream_started" StreamStarted {
        /// The broadcast.
        stream: StreamSpec,
    }
    /// A broadcast ended.
    "stream_ended" StreamEnded {
        /// Which.
        stream_uuid: StreamId,
    }
    /// A question was asked; bets on it are taken from now.
    "question_opened" QuestionOpened {
        /// The questions table's fields.
        question: QuestionSpec,
    }
    /// Bets on a question are not taken any more.
    "betting_closed" BettingClosed {
        /// Which question.
        question_uuid: QuestionId,
    }
    /// A source saw the answer, or thinks so.
    "outcome_observed" OutcomeObserved {
        /// Which question.
        question_uuid: QuestionId,
        /// Which outcome.
        outcome_index: u16,
        /// Who saw it.
        source: Source,
        /// How sure it is.
        confidence: Probability,
        /// What it rests on.
        #[serde(skip_serializing_if = "Option::is_none")]
        evidence: Option<String>,
    }
    /// One outcome cannot win or lose any more, such as a runner taken out of a race:
    /// bets on it are void.
    "outcome_voided" OutcomeVoided {
        /// Which question.
        question_uuid: QuestionId,
        /// Which outcome.
        outcome_index: u16,
        /// Why.
        reason: String,
    }
    /// There will be no answer; stakes go back.
    "question_voided" QuestionVoided {
        /// Which question.
        question_uuid: QuestionId,
        /// Why.
        reason: String,
    }
    /// A person must look before the question goes on.
    "question_flagged" QuestionFlagged {
        /// Which question.
        question_uuid: QuestionId,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// Bets are not taken for now.
    "question_paused" QuestionPaused {
        /// Which question.
        question_uuid: QuestionId,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// Bets are taken again.
    "question_resumed" QuestionResumed {
        /// Which question.
        question_uuid: QuestionId,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// A person confirmed the proposed answer, or lifted a flag.
    "question_approved" QuestionApproved {
        /// Which question.
        question_uuid: QuestionId,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// Something about a question was corrected; absent fields stay as they are.
    "question_amended" QuestionAmended {
        /// Which question.
        question_uuid: QuestionId,
        /// The new end of betting.
        #[serde(skip_serializing_if = "Option::is_none")]
        betting_end_time: Option<Timestamp>,
        /// The new text.
        #[serde(skip_serializing_if = "Option::is_none")]
        question: Option<String>,
        /// The new texts of the outcomes, as many as before.
        #[serde(skip_serializing_if = "Option::is_none")]
        outcomes: Option<Vec<String>>,
    }
    /// An operator asks for an answer past quorum and challenge. It takes effect when a second
    /// operator has asked for the same and a delay is over; a flag in between withdraws it.
    "emergency_answer" EmergencyAnswer {
        /// Which question.
        question_uuid: QuestionId,
        /// Payout numerators by outcome; empty to void the question.
        payouts: Vec<u64>,
        /// Why.
        reason: String,
    }
    /// A position was sold back to the market maker on chain.
    "position_sold" PositionSold {
        /// Which question.
        question_uuid: QuestionId,
        /// Which outcome's tokens.
        outcome_index: u16,
        /// Who sold.
        seller: Address,
        /// What the seller got.
        return_amount: Money,
        /// What the market maker kept.
        fee_amount: Money,
        /// Outcome tokens sold, in units of the collateral.
        tokens_sold: Money,
        /// The sale on chain.
        transaction_hash: TxHash,
    }
    /// The answer is on chain.
    "answer_reported" AnswerReported {
        /// Which question.
        question_uuid: QuestionId,
        /// Payout numerators by outcome.
        payouts: Vec<u64>,
        /// The report on chain.
        transaction_hash: TxHash,
        /// Whether the chain cannot take it back any more.
        finalised: bool,
    }
    /// An account is new or has changed.
    "account_upserted" AccountUpserted {
        /// The account.
        user: UserSpec,
    }
    /// Money came into an account.
    "deposit" Deposit {
        /// Whose account.
        address: Address,
        /// The transaction.
        transaction: Transaction,
    }
    /// Money left an account.
    "withdrawal" Withdrawal {
        /// Whose account.
        address: Address,
        /// The transaction.
        transaction: Transaction,
    }
    /// What is on the screen of a broadcast has changed, as far as the vision models see.
    "state_changed" StateChanged {
        /// Which broadcast.
        stream_uuid: StreamId,
        /// The state now, by its name in the model.
        state: String,
        /// The state before, if there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<String>,
        /// The mean confidence of the frames it rests on.
        confidence: Probability,
        /// Sequence numbers of those frames.
        frames: Vec<u64>,
        /// What the detector found in the last of them: how many, by class.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        detections: BTreeMap<String, u32>,
        /// SHA-256 of the classifier's weights, in hexadecimal.
        model: String,
    }
    /// Something happened in the game: a goal, a wicket, a kill, a round.
    "game_moment" GameMoment {
        /// What is played.
        game: String,
        /// What happened, in the feed's word.
        kind: String,
        /// What the feed says of it, kept as it is; no amounts are read from here.
        fields: Map<String, Value>,
    }
}

impl GameEventKind {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::StreamerUpserted { streamer } => streamer.check(),
            Self::StreamStarted { stream } => stream.check(),
            Self::QuestionOpened { question } => question.check(),
            Self::AccountUpserted { user } => user.check(),
            Self::OutcomeObserved { evidence, .. } => check_optional("evidence", evidence.as_ref(), MAX_SENTENCE_BYTES),
            Self::OutcomeVoided { reason, .. } | Self::QuestionVoided { reason, .. } => {
                check_text("reason", reason, MAX_SENTENCE_BYTES)
            }
            Self::QuestionFlagged { reason, .. }
            | Self::QuestionPaused { reason, .. }
            | Self::QuestionResumed { reason, .. }
            | Self::QuestionApproved { reason, .. } => check_optional("reason", reason.as_ref(), MAX_SENTENCE_BYTES),
            Self::QuestionAmended { question, outcomes, .. } => {
                check_optional("question", question.as_ref(), MAX_SENTENCE_BYTES)?;
                outcomes.as_ref().map_or(Ok(()), |outcomes| check_outcomes("outcomes", outcomes))
            }
            Self::AnswerReported { payouts, .. } => check_payouts(payouts),
            Self::EmergencyAnswer { payouts, reason, .. } => {
                check_text("reason", reason, MAX_SENTENCE_BYTES)?;
                if payouts.is_empty() { Ok(()) } else { check_payouts(payouts) }
            }
            Self::GameMoment { game, kind, .. } => {
                check_text("game", game, MAX_NAME_BYTES)?;
                check_text("kind", kind, MAX_NAME_BYTES)
            }
            Self::PositionSold { return_amount, fee_amount, tokens_sold, .. } => {
                check_not_negative("return_amount", *return_amount)?;
                check_not_negative("fee_amount", *fee_amount)?;
                check_not_negative("tokens_sold", *tokens_sold)
            }
            Self::Deposit { transaction, .. } | Self::Withdrawal { transaction, .. } => {
                check_not_negative("transaction.amount", transaction.amount)
            }
            Self::StateChanged { state, before, model, .. } => {
                check_text("state", state, MAX_NAME_BYTES)?;
                check_optional("before", before.as_ref(), MAX_NAME_BYTES)?;
                check_text("model", model, MAX_NAME_BYTES)
            }
            Self::StreamEnded { .. } | Self::BettingClosed { .. } => Ok(()),
        }
    }
}

fn check_not_negative(field: &str, amount: Money) -> Result<(), DecodeError> {
    match amount.is_negative() {
        true => Err(DecodeError::field(field, format!("\"{amount}\" is negative; it must be zero or more"))),
        false => Ok(()),
    }
}
