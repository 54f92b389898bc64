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

/// Where a record stands in its shard. A string to users; compared as a number.
///
/// Kinesis prints 186-bit unpadded decimals, so positions are 192-bit numbers here: comparing
/// their texts would put 9 after 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    hi: u64,
    lo: u128,
}

impl Position {
    /// Before the first record of any shard.
    pub const START: Position = Position { hi: 0, lo: 0 };

    /// After every record.
    pub const MAX: Position = Position { hi: u64::MAX, lo: u128::MAX };

    /// The position with this number (the embedded log counts from 1 in each shard).
    pub const fn new(lo: u128) -> Position {
        Position { hi: 0, lo }
    }

    /// The number, where it fits 64 bits, as every position of the embedded log does.
    pub fn as_u64(self) -> Option<u64> {
        if self.hi == 0 { u64::try_from(self.lo).ok() } else { None }
    }

    /// The number's low 128 bits: all of it for the embedded log.
    pub fn as_u128(self) -> u128 {
        self.lo
    }

    /// 24 big-endian bytes, whose order is the numbers' order.
    pub fn to_be_bytes(self) -> [u8; 24] {
        let mut out = [0; 24];
        out[..8].copy_from_slice(&self.hi.to_be_bytes());
        out[8..].copy_from_slice(&self.lo.to_be_bytes());
        out
    }

    /// The inverse of [`Position::to_be_bytes`].
    pub fn from_be_bytes(bytes: [u8; 24]) -> Position {
        let (mut hi, mut lo) = ([0; 8], [0; 16]);
        hi.copy_from_slice(&bytes[..8]);
        lo.copy_from_slice(&bytes[8..]);
        Position { hi: u64::from_be_bytes(hi), lo: u128::from_be_bytes(lo) }
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Position> {
        let bad = || Error::Reject(format!("position {text:?} is not a decimal number below 2^192"));
        if text.is_empty() {
            return Err(bad());
        }
        // Three 64-bit limbs, least significant first; each digit is a multiply by ten and an add.
        let mut limbs = [0u64; 3];
        for digit in text.bytes() {
            let mut carry = u128::from(digit.checked_sub(b'0').filter(|d| *d < 10).ok_or_else(bad)?);
            for limb in &mut limbs {
                let wide = u128::from(*limb) * 10 + carry;
                *limb = wide as u64;
                carry = wide >> 64;
            }
            if carry != 0 {
                return Err(bad());
            }
        }
        let lo = u128::from(limbs[0]) | (u128::from(limbs[1]) << 64);
        Ok(Position { hi: limbs[2], lo })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hi == 0 {
            return write!(f, "{}", self.lo);
        }
        let mut limbs = [self.hi, (self.lo >> 64) as u64, self.lo as u64];
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
        f.write_str(&digits.iter().rev().collect::<String>())
    }
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
        ] {
            let position: Position = text.parse().unwrap();
            assert_eq!(position.to_string(), text);
            assert_eq!(Position::from_be_bytes(position.to_be_bytes()), position);
        }
        assert!("9".parse::<Position>().unwrap() < "10".parse().unwrap());
        for bad in ["", "-1", "1x", "6277101735386680763835789423207666416102355444464034512896"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
