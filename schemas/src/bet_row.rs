//! A row of `bets`: the bet, the decision about it and where it came from.
//!
//! `accepted → won | lost | void`; `won` and `void` go on to `paid`; or `rejected`, with
//! the reason. The bets job decides, settling moves the rest.

use minicbor::{Decode, Encode};

use crate::bet::Bet;
use crate::log_position::LogPosition;
use crate::money::Money;
use crate::row::Row;
use crate::text::named;
use crate::time::Timestamp;

named! {
    /// Where a bet stands.
    BetStatus {
        /// It counts and is not settled.
        0 Accepted = "accepted",
        /// Its outcome was the answer.
        1 Won = "won",
        /// Its outcome was not the answer.
        2 Lost = "lost",
        /// Its stake goes back.
        3 Void = "void",
        /// What was won or voided has been paid.
        4 Paid = "paid",
        /// It never counted.
        5 Rejected = "rejected",
    }
}

named! {
    /// Why a bet was rejected. Only an unknown question can become accepted later.
    RejectReason {
        /// No such question was opened in time.
        0 UnknownQuestion = "unknown_question",
        /// It arrived after the close.
        1 BettingClosed = "betting_closed",
        /// It arrived during a pause.
        2 BettingPaused = "betting_paused",
        /// `placed_at` is too far from the arrival.
        3 TooSkewed = "too_skewed",
    }
}

/// A row of `bets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct BetRow {
    /// The bet as it was sent.
    #[n(0)]
    pub bet: Bet,
    /// Where it stands.
    #[n(1)]
    pub status: BetStatus,
    /// Grows with every change of the status, from 1.
    #[n(2)]
    pub status_version: u32,
    /// Why it was rejected.
    #[n(3)]
    pub reject_reason: Option<RejectReason>,
    /// What was or will be paid, once settled.
    #[n(4)]
    pub payout: Option<Money>,
    /// When its record arrived, by its own envelope: what the question's times are compared with.
    #[n(5)]
    pub arrived_at: Timestamp,
    /// Number of the shard it came from; people see `shardId-000000000003`.
    #[n(6)]
    pub shard: u32,
    /// Position in the shard.
    #[n(7)]
    pub position: LogPosition,
    /// How it was settled: `won`, `lost` or `void`, whatever was paid since.
    #[n(8)]
    pub result: Option<BetStatus>,
    /// The effective arrival by which it was decided: when it counts from, in windows above all.
    #[n(9)]
    pub decided_at: Timestamp,
}

impl BetRow {
    /// The row as it was when the bet was decided, before anything was settled.
    #[must_use]
    pub fn as_decided(&self) -> BetRow {
        let steps = match (self.result, self.status) {
            (None, _) => return *self,
            (Some(_), BetStatus::Paid) => 2,
            (Some(_), _) => 1,
        };
        let status_version = self.status_version.saturating_sub(steps);
        BetRow { status: BetStatus::Accepted, status_version, payout: None, result: None, ..*self }
    }

    /// Accepted and not yet settled.
    pub const fn active(&self) -> bool {
        matches!(self.status, BetStatus::Accepted)
    }
}

/// A shard's name as Kinesis writes it.
pub fn shard_name(shard: u32) -> String {
    format!("shardId-{shard:012}")
}

impl Row for BetRow {
    const TABLE: &'static str = "bets";
}
