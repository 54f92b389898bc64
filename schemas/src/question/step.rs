//! How a question came to its answer: its steps from the close on.
//!
//! What sources and operators say is in the log; that a quorum was reached, that nobody flagged the
//! answer in time, that an emergency answer took effect, no record says. So each step is kept.

use minicbor::{Decode, Encode};

use super::QuestionState;
use crate::text::named;
use crate::time::Timestamp;

named! {
    /// What made a question take a step.
    Cause {
        /// An event of the game.
        0 Event = "event",
        /// What the sources have said by then.
        1 Sources = "sources",
        /// An operator of the product.
        2 Operator = "operator",
        /// A time that was over: of betting, or of the challenge.
        3 Time = "time",
        /// The delay of an emergency answer.
        4 Emergency = "emergency",
        /// What the chain has reported.
        5 Chain = "chain",
    }
}

/// A step of a question: closed, proposed, flagged, approved and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Step {
    /// When, in arrival time.
    #[n(0)]
    pub at: Timestamp,
    /// Where it stood from then on.
    #[n(1)]
    pub state: QuestionState,
    /// What made it.
    #[n(2)]
    pub by: Cause,
}
