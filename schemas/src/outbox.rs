//! Mails to send: one row for every notification.

use minicbor::{Decode, Encode};

use crate::notification::Notification;
use crate::row::Row;
use crate::text::named;
use crate::time::Timestamp;

named! {
    /// Where a mail stands.
    OutboxState {
        /// Waiting for its first or next attempt.
        0 Pending = "pending",
        /// The mail server took it.
        1 Sent = "sent",
        /// Given up after the last attempt.
        2 Failed = "failed",
        /// Nobody wants it: no confirmed address, unsubscribed, or an address that bounced.
        3 Skipped = "skipped",
    }
}

/// A row of `outbox`, keyed by the bet and the version of its status.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OutboxRow {
    /// What to tell, and whom.
    #[n(0)]
    pub notification: Notification,
    /// Where the mail stands.
    #[n(1)]
    pub state: OutboxState,
    /// Attempts made.
    #[n(2)]
    pub attempts: u32,
    /// When the row was written.
    #[n(3)]
    pub created_at: Timestamp,
    /// When the mail server took it.
    #[n(4)]
    pub sent_at: Option<Timestamp>,
    /// What the last failed attempt met.
    #[n(5)]
    pub last_error: Option<String>,
    /// When the digest that it goes into is due, if it goes into one.
    #[n(6)]
    pub digest: Option<Timestamp>,
    /// To whom it was sent.
    #[n(7)]
    pub email: Option<String>,
}

impl OutboxRow {
    /// A row that waits for its first attempt.
    pub fn pending(told: Notification) -> OutboxRow {
        OutboxRow {
            created_at: told.at,
            notification: told,
            state: OutboxState::Pending,
            attempts: 0,
            sent_at: None,
            last_error: None,
            digest: None,
            email: None,
        }
    }
}

impl Row for OutboxRow {
    const TABLE: &'static str = "outbox";
}
