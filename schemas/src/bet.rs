//! A bet, as its producer sends it to the stream `bets`.
//!
//! Bets are by far the most frequent event, so JSON has a reader of its own
//! ([`fast_json`]) that takes the ordinary record in one pass and leaves everything
//! unusual, errors included, to the general reader.

mod fast_json;

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Encoded, Event};
use crate::decimal::{DecimalText, Micros, ONE};
use crate::ids::{Address, BetId, QuestionId};
use crate::money::Money;
use crate::odds::Odds;
use crate::time::Timestamp;

/// The largest stake of one bet: one billion units. The sums of an account (below 10^12)
/// still hold 999 of them, and a SQL sum over 38 digits holds 10^23.
pub const MAX_STAKE: Money = match Money::from_micros(1_000_000_000_000_000) {
    Some(stake) => stake,
    None => Money::ZERO,
};

/// One person's stake on one outcome of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Bet {
    /// The bet's own id; the same id is the same bet.
    #[n(0)]
    pub bet_uuid: BetId,
    /// The question bet on.
    #[n(1)]
    pub question_uuid: QuestionId,
    /// Which outcome, counted from 0.
    #[n(2)]
    pub outcome_index: u16,
    /// Who bets.
    #[n(3)]
    pub bettor: Address,
    /// The stake, above zero and at most one billion.
    #[n(4)]
    pub buy_amount: Money,
    /// Decimal odds at which the bet was made.
    #[n(5)]
    pub odds: Odds,
    /// The chain that holds the money, such as 137.
    #[n(6)]
    pub chain_id: u64,
    /// When the bet was made, by the producer's clock.
    #[n(7)]
    pub placed_at: Timestamp,
}

impl Event for Bet {
    const STREAM: &'static str = "bets";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        record.read()
    }

    fn check(&self) -> Result<(), DecodeError> {
        let stake = self.buy_amount;
        if stake.is_positive() && stake <= MAX_STAKE {
            return Ok(());
        }
        let problem = match stake {
            Money::ZERO => "\"0\" is no stake; a stake must be greater than zero".to_owned(),
            _ if stake.is_negative() => {
                format!("\"{stake}\" is negative; a stake must be greater than zero")
            }
            _ => format!("\"{stake}\" is too large; a stake is at most {MAX_STAKE}"),
        };
        Err(DecodeError::field("buy_amount", problem))
    }

    fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        if let Some(bet) = fast_json::read(bytes) {
            bet.check()?;
            return Ok(bet);
        }
        let bet = Self::read(Encoded::json(bytes)?)?;
        bet.check()?;
        Ok(bet)
    }

    /// Writes what serde would, without its detours; golden files hold them together.
    fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        out.extend_from_slice(b"{\"bet_uuid\":\"");
        out.extend_from_slice(self.bet_uuid.text().as_bytes());
        out.extend_from_slice(b"\",\"question_uuid\":\"");
        out.extend_from_slice(self.question_uuid.text().as_bytes());
        out.extend_from_slice(b"\",\"outcome_index\":");
        push_integer(&mut out, u64::from(self.outcome_index));
        out.extend_from_slice(b",\"bettor\":\"");
        out.extend_from_slice(self.bettor.text().as_bytes());
        out.extend_from_slice(b"\",\"buy_amount\":\"");
        out.extend_from_slice(DecimalText::of(self.buy_amount.wide()).as_bytes());
        out.extend_from_slice(b"\",\"odds\":\"");
        out.extend_from_slice(DecimalText::of(self.odds.wide()).as_bytes());
        out.extend_from_slice(b"\",\"chain_id\":");
        push_integer(&mut out, self.chain_id);
        out.extend_from_slice(b",\"placed_at\":");
        push_integer(&mut out, self.placed_at.millis().unsigned_abs());
        out.push(b'}');
        out
    }
}

fn push_integer(out: &mut Vec<u8>, value: u64) {
    // Whole units of an amount have the digits of the integer.
    out.extend_from_slice(DecimalText::of(i128::from(value) * ONE).as_bytes());
}
