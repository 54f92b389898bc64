//! What a bettor is told: one notification for every change of a bet's status.

use std::sync::LazyLock;

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bet_row::{BetRow, BetStatus, RejectReason};
use crate::codec::{DecodeError, Encoded, Event};
use crate::ids::{Address, BetId, Namespace, NotificationId, QuestionId};
use crate::money::Money;
use crate::odds::Odds;
use crate::text::named;
use crate::time::Timestamp;

named! {
    /// What happened to the bet.
    NotificationEvent {
        /// The bet counts.
        0 BetAccepted = "bet_accepted",
        /// The bet does not count.
        1 BetRejected = "bet_rejected",
        /// The bet was right.
        2 BetWon = "bet_won",
        /// The bet was wrong.
        3 BetLost = "bet_lost",
        /// The stake goes back.
        4 BetVoid = "bet_void",
        /// The money was paid.
        5 BetPaid = "bet_paid",
    }
}

impl From<BetStatus> for NotificationEvent {
    fn from(status: BetStatus) -> Self {
        match status {
            BetStatus::Accepted => NotificationEvent::BetAccepted,
            BetStatus::Rejected => NotificationEvent::BetRejected,
            BetStatus::Won => NotificationEvent::BetWon,
            BetStatus::Lost => NotificationEvent::BetLost,
            BetStatus::Void => NotificationEvent::BetVoid,
            BetStatus::Paid => NotificationEvent::BetPaid,
        }
    }
}

/// A change of a bet's status, for its bettor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Notification {
    /// Follows from the bet and the version, so a repeat has the same id.
    #[n(0)]
    pub notification_id: NotificationId,
    /// Who is told.
    #[n(1)]
    pub address: Address,
    /// What happened.
    #[n(2)]
    pub event: NotificationEvent,
    /// The bet.
    #[n(3)]
    pub bet_uuid: BetId,
    /// The question bet on.
    #[n(4)]
    pub question_uuid: QuestionId,
    /// The outcome bet on.
    #[n(5)]
    pub outcome_index: u16,
    /// The version of the status; a later one supersedes.
    #[n(6)]
    pub status_version: u32,
    /// The status now.
    #[n(7)]
    pub status: BetStatus,
    /// Why it was rejected.
    #[n(8)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RejectReason>,
    /// The stake.
    #[n(9)]
    pub buy_amount: Money,
    /// The odds.
    #[n(10)]
    pub odds: Odds,
    /// What is paid, once settled.
    #[n(11)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payout: Option<Money>,
    /// When the status changed.
    #[n(12)]
    pub at: Timestamp,
}

impl Notification {
    /// The id of the notification of a bet's status version.
    pub fn id_of(bet: BetId, status_version: u32) -> NotificationId {
        // One for every bet: the namespace is hashed once.
        static NOTIFICATION: LazyLock<Namespace> = LazyLock::new(|| Namespace::new("notification"));
        NOTIFICATION.id(&[bet.as_bytes(), &status_version.to_be_bytes()]).into()
    }

    /// What to tell about `row` as it stands, changed at `at`.
    pub fn of(row: &BetRow, at: Timestamp) -> Notification {
        let bet = &row.bet;
        Notification {
            notification_id: Self::id_of(bet.bet_uuid, row.status_version),
            address: bet.bettor,
            event: row.status.into(),
            bet_uuid: bet.bet_uuid,
            question_uuid: bet.question_uuid,
            outcome_index: bet.outcome_index,
            status_version: row.status_version,
            status: row.status,
            reason: row.reject_reason,
            buy_amount: bet.buy_amount,
            odds: bet.odds,
            payout: row.payout,
            at,
        }
    }
}

impl Event for Notification {
    const STREAM: &'static str = "notifications";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        record.read()
    }
}
