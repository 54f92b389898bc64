//! Who did what to a question: one row for each act of an operator.

use minicbor::{Decode, Encode};

use crate::ids::{EventId, QuestionId};
use crate::question::QuestionState;
use crate::row::Row;
use crate::time::Timestamp;

/// A row of `audit`, keyed by the question, the time and the event.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AuditRow {
    /// The event that asked for it.
    #[n(0)]
    pub event_uuid: EventId,
    /// The question.
    #[n(1)]
    pub question_uuid: QuestionId,
    /// When it arrived.
    #[n(2)]
    pub at: Timestamp,
    /// Who.
    #[n(3)]
    pub operator: String,
    /// What: the event's type.
    #[n(4)]
    pub action: String,
    /// Why, or which answer.
    #[n(5)]
    pub detail: Option<String>,
    /// Where the question stood before.
    #[n(6)]
    pub before: QuestionState,
    /// Where it stands since.
    #[n(7)]
    pub after: QuestionState,
    /// The question's version since.
    #[n(8)]
    pub version: u64,
}

impl AuditRow {
    /// Its key: rows of a question follow each other in time.
    pub fn key(question: QuestionId, at: Timestamp, event: EventId) -> Vec<u8> {
        [&question.as_bytes()[..], &at.millis().to_be_bytes(), event.as_bytes()].concat()
    }
}

impl Row for AuditRow {
    const TABLE: &'static str = "audit";
}
