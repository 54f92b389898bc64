//! Prices of a question's outcomes, as the stream `quotes` carries them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Encoded, Event};
use crate::decimal::ONE;
use crate::ids::{EventId, QuestionId};
use crate::odds::Odds;
use crate::probability::Probability;
use crate::question::MAX_OUTCOMES;
use crate::text::{MAX_NAME_BYTES, check_text};
use crate::time::Timestamp;

/// What each outcome of a question is worth at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Quote {
    /// The quote's own id.
    pub event_uuid: EventId,
    /// The question.
    pub question_uuid: QuestionId,
    /// The model that priced it.
    pub model: String,
    /// Grows with every quote of the question.
    pub revision: u64,
    /// By outcome, in the question's order.
    pub outcomes: Vec<OutcomeQuote>,
    /// The moment it is for.
    pub at: Timestamp,
}

/// One outcome's price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeQuote {
    /// The fair probability.
    pub probability: Probability,
    /// The odds offered; absent when the outcome cannot happen or is certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub odds: Option<Odds>,
}

impl Event for Quote {
    const STREAM: &'static str = "quotes";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        record.read()
    }

    fn check(&self) -> Result<(), DecodeError> {
        check_text("model", &self.model, MAX_NAME_BYTES)?;
        let outcomes = self.outcomes.len();
        if outcomes == 0 || outcomes > MAX_OUTCOMES {
            let problem = format!("{outcomes} outcomes; a question has 1 to {MAX_OUTCOMES}");
            return Err(DecodeError::field("outcomes", problem));
        }
        // Each probability is rounded to a millionth, so the sum may miss one by as many.
        let sum: i128 = self.outcomes.iter().map(|outcome| i128::from(outcome.probability.micros())).sum();
        if (sum - ONE).unsigned_abs() > outcomes as u128 {
            return Err(DecodeError::field("outcomes", "the probabilities do not add up to 1"));
        }
        Ok(())
    }
}
