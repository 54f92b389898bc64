//! Records as a log keeps them, and positions in a shard.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::clock::Arrival;
use crate::error::{Error, Result};

/// Longest data of one record, in bytes: Kinesis' own default limit.
pub const MAX_RECORD_BYTES: usize = 1 << 20;
/// Longest partition key, in bytes (Kinesis counts 256 characters).
pub const MAX_PARTITION_KEY_BYTES: usize = 256;

/// Where a record stands in its shard. A string to users; compared as numbers.
///
/// Kinesis prints 186-bit unpadded decimals, so the number has 192 bits here: comparing texts would
/// put 9 after 10. A record of an aggregate has its place there as well, counted from 0, and is
/// written `NUMBER.PLACE`; a place of 0 is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// 64 bits each, the most significant first.
    limbs: [u64; 3],
    sub: u32,
}

impl Position {
    /// Bytes of a stored position.
    pub const BYTES: usize = 28;

    /// Before the first record of any shard.
    pub const START: Position = Position { limbs: [0; 3], sub: 0 };

    /// After every record.
    pub const MAX: Position = Position { limbs: [u64::MAX; 3], sub: u32::MAX };

    /// The position with this number (the embedded log counts from 1 in each shard).
    pub const fn new(number: u128) -> Position {
        Position { limbs: [0, (number >> 64) as u64, number as u64], sub: 0 }
    }

    /// The number, where it fits 64 bits, as every position of the embedded log does.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Position { limbs: [0, 0, number], sub: 0 } => Some(number),
            _ => None,
        }
    }

    /// The place in an aggregate, counted from 0.
    pub const fn sub(self) -> u32 {
        self.sub
    }

    /// The position of a record in the aggregate that stands here.
    #[must_use]
    pub const fn with_sub(self, sub: u32) -> Position {
        Position { sub, ..self }
    }

    /// Big-endian bytes, whose order is the positions' order.
    pub fn to_be_bytes(self) -> [u8; Position::BYTES] {
        let mut out = [0; Position::BYTES];
        let (number, sub) = out.split_at_mut(24);
        for (bytes, limb) in number.chunks_exact_mut(8).zip(self.limbs) {
            bytes.copy_from_slice(&limb.to_be_bytes());
        }
        sub.copy_from_slice(&self.sub.to_be_bytes());
        out
    }

    /// The inverse of [`Position::to_be_bytes`].
    pub fn from_be_bytes(bytes: [u8; Position::BYTES]) -> Position {
        let mut position = Position::START;
        for (limb, bytes) in position.limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *limb = u64::from_be_bytes(*bytes);
        }
        position.sub = bytes.last_chunk().map_or(0, |sub| u32::from_be_bytes(*sub));
        position
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Position> {
        let bad = || Error::Reject(format!("position {text:?} is not a decimal number below 2^192"));
        let (number, sub) = text.split_once('.').map_or((text, None), |(number, sub)| (number, Some(sub)));
        if number.is_empty() {
            return Err(bad());
        }
        // Each digit is a multiply by ten and an add, from the least significant limb on.
        let mut limbs = [0u64; 3];
        for digit in number.bytes() {
            let mut carry = u128::from(digit.checked_sub(b'0').filter(|d| *d < 10).ok_or_else(bad)?);
            for limb in limbs.iter_mut().rev() {
                let wide = u128::from(*limb) * 10 + carry;
                *limb = wide as u64;
                carry = wide >> 64;
            }
            if carry != 0 {
                return Err(bad());
            }
        }
        let sub = sub.map(|sub| sub.parse().map_err(|_| bad())).transpose()?.unwrap_or(0);
        Ok(Position { limbs, sub })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limbs {
            [0, high, low] => write!(f, "{}", u128::from(high) << 64 | u128::from(low))?,
            limbs => f.write_str(&decimal(limbs))?,
        }
        if self.sub == 0 { Ok(()) } else { write!(f, ".{}", self.sub) }
    }
}

/// A number of three limbs in decimal.
fn decimal(mut limbs: [u64; 3]) -> String {
    let mut digits = Vec::with_capacity(58);
    while limbs != [0; 3] {
        let mut rest = 0u128;
        for limb in &mut limbs {
            let wide = (rest << 64) | u128::from(*limb);
            *limb = (wide / 10) as u64;
            rest = wide % 10;
        }
        digits.push(char::from(b'0' + rest as u8));
    }
    digits.iter().rev().collect()
}

/// A record to append: the envelope a producer fills.
#[derive(Debug, Clone)]
pub struct Append {
    /// Chooses the shard (by its MD5), and the order kept with other records of the same key.
    pub partition_key: String,
    /// Chooses the shard instead of the partition key's hash.
    pub explicit_hash_key: Option<u128>,
    /// When the record first arrived, for replay, archive and redrive only: open producers have
    /// no permission to set it, and leave it to the log's clock.
    pub arrived_at: Option<Arrival>,
    /// The event's bytes, at most [`MAX_RECORD_BYTES`].
    pub data: Bytes,
}

impl Append {
    /// A record stamped by the log's clock.
    pub fn new(partition_key: impl Into<String>, data: impl Into<Bytes>) -> Append {
        Append { partition_key: partition_key.into(), explicit_hash_key: None, arrived_at: None, data: data.into() }
    }

    /// The same record, stamped with a time of its own.
    #[must_use]
    pub fn arrived(mut self, at: Arrival) -> Append {
        self.arrived_at = Some(at);
        self
    }

    /// Checks the limits that every log shares.
    pub fn check(&self) -> Result<()> {
        if self.data.len() > MAX_RECORD_BYTES {
            return Err(Error::Reject(format!(
                "a record of {} bytes is over the limit of {MAX_RECORD_BYTES} bytes: put large payloads in object storage and send a reference",
                self.data.len()
            )));
        }
        if self.partition_key.is_empty() || self.partition_key.len() > MAX_PARTITION_KEY_BYTES {
            return Err(Error::Reject(format!(
                "a partition key has 1 to {MAX_PARTITION_KEY_BYTES} bytes, this one has {}",
                self.partition_key.len()
            )));
        }
        Ok(())
    }
}

/// A record as read from a shard.
#[derive(Debug, Clone)]
pub struct Record {
    /// Where it stands in its shard.
    pub position: Position,
    /// When it arrived, as the log (or a privileged envelope) stamped it.
    pub arrived_at: Arrival,
    /// The producer's partition key.
    pub partition_key: Bytes,
    /// The event's bytes.
    pub data: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_numbers_and_texts() {
        for text in [
            "0",
            "1",
            "9",
            "10",
            "18446744073709551616",
            "340282366920938463463374607431768211456",
            "49668899999999999999999999999999999999999999999999999999",
            "6277101735386680763835789423207666416102355444464034512895",
            "49668899999999999999999999999999999999999999999999999999.17",
        ] {
            let position: Position = text.parse().unwrap();
            assert_eq!(position.to_string(), text);
            assert_eq!(Position::from_be_bytes(position.to_be_bytes()), position);
        }
        for (before, after) in [("9", "10"), ("9", "9.1"), ("9.2", "9.10"), ("9.4294967295", "10")] {
            let [before, after] = [before, after].map(|text| text.parse::<Position>().unwrap());
            assert!(before < after && before.to_be_bytes() < after.to_be_bytes(), "{before} {after}");
        }
        for bad in ["", "-1", "1x", ".1", "1.", "1.x", "6277101735386680763835789423207666416102355444464034512896"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
