//! Lines that are not plain good bets: how many of each, and what they are.
//!
//! Each kind ends somewhere else in the pipeline, so a test or a demo can count
//! them there: a duplicate is dropped, a conflict and all bad lines go to
//! `dead_letters`, a late bet changes a window that was closed already.

use super::bet_line::{Draft, write_bet, write_cents};

/// Shares of all bet lines, in parts per million. The rest are good bets,
/// placed the moment they arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defects {
    /// Good, but placed up to 30 s before they arrive: within the disorder that
    /// windows wait for.
    pub out_of_order: u32,
    /// The same bytes as one of the last 1,024 bets.
    pub duplicate: u32,
    /// The id of one of the last 1,024 bets with another stake.
    pub conflict: u32,
    /// Good, but placed 6 to 9 minutes before they arrive: their five-minute
    /// window has closed (end + 30 s) and is not yet final (end + 10 min).
    pub late: u32,
    /// No bet at all: each [`Defect`] in turn.
    pub bad: u32,
}

/// What is wrong with a bad line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The JSON is cut short.
    Malformed,
    /// The stake is below zero.
    Negative,
    /// The stake is `NaN`.
    NotANumber,
    /// The stake has more digits than money can hold.
    Overflow,
    /// `odds` is not there.
    Missing,
    /// The odds pay back less than the stake.
    OddsTooLow,
    /// More than a record may hold: [`OVERSIZED_BYTES`].
    Oversized,
}

/// One byte more than the mebibyte that a record may have.
pub const OVERSIZED_BYTES: usize = (1 << 20) + 1;

/// Among so many bad lines one is oversized: at a mebibyte each, a fair share
/// would be all of the output.
const OVERSIZED_EVERY: u64 = 1_000;

impl Default for Defects {
    fn default() -> Self {
        Self { out_of_order: 10_000, duplicate: 0, conflict: 0, late: 0, bad: 0 }
    }
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Good,
    OutOfOrder,
    Duplicate,
    Conflict,
    Late,
    Bad,
}

impl Defects {
    /// The fate of an even draw from `0..1_000_000`.
    pub(super) fn fate(&self, draw: u32) -> Fate {
        let shares = [
            (self.out_of_order, Fate::OutOfOrder),
            (self.duplicate, Fate::Duplicate),
            (self.conflict, Fate::Conflict),
            (self.late, Fate::Late),
            (self.bad, Fate::Bad),
        ];
        let mut below = 0;
        for (share, fate) in shares {
            below += share;
            if draw < below {
                return fate;
            }
        }
        Fate::Good
    }
}

impl Defect {
    /// The defect of the `number`-th bad line. The first is oversized, so that
    /// every kind is among the first seven.
    pub(super) fn of(number: u64) -> Self {
        if number.is_multiple_of(OVERSIZED_EVERY) {
            return Self::Oversized;
        }
        match number % 6 {
            0 => Self::Malformed,
            1 => Self::Negative,
            2 => Self::NotANumber,
            3 => Self::Overflow,
            4 => Self::Missing,
            _ => Self::OddsTooLow,
        }
    }

    /// The bad line of a draft that would have been good.
    pub(super) fn spoil(self, draft: &Draft, question: &[u8], bettor: &[u8]) -> Vec<u8> {
        let mut good = Vec::new();
        write_bet(draft, question, bettor, &mut good);
        let mut stake = b"\"buy_amount\":\"".to_vec();
        write_cents(draft.stake_cents, &mut stake);
        let mut odds = b"\"odds\":\"".to_vec();
        write_cents(draft.odds_cents, &mut odds);
        match self {
            Self::Malformed => {
                good.truncate(good.len() / 2);
                good
            }
            Self::Negative => replace(&good, &stake, b"\"buy_amount\":\"-5"),
            Self::NotANumber => replace(&good, &stake, b"\"buy_amount\":\"NaN"),
            Self::Overflow => replace(&good, &stake, b"\"buy_amount\":\"99999999999999999999"),
            Self::Missing => {
                odds.extend_from_slice(b"\",");
                replace(&good, &odds, b"")
            }
            Self::OddsTooLow => replace(&good, &odds, b"\"odds\":\"0.95"),
            Self::Oversized => {
                good.pop();
                good.extend_from_slice(b",\"memo\":\"");
                good.resize(OVERSIZED_BYTES - 2, b'x');
                good.extend_from_slice(b"\"}");
                good
            }
        }
    }
}

/// `line` with the one place where `from` stands replaced by `to`.
fn replace(line: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match line.windows(from.len()).position(|window| window == from) {
        Some(at) => [&line[..at], to, &line[at + from.len()..]].concat(),
        None => line.to_vec(),
    }
}
