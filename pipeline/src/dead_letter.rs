//! Dead letters: records that could not be applied, kept whole with the reason.
//!
//! Life: written in the same commit that passes the record → shown → redriven (appended to its
//! stream again under its first arrival time, and marked) or left. One record never blocks a
//! shard, and nothing is dropped in silence.

use crate::adapters::embedded::block::{put_varint, varint};
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::record::{Position, Record};
use crate::shard::ShardId;

/// Why a record could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// What kind of trouble.
    pub reason: Reason,
    /// What a person needs to know: the field, the value, the rule.
    pub detail: String,
}

impl Reject {
    /// A record that cannot be decoded or breaks a rule.
    pub fn invalid(detail: impl std::fmt::Display) -> Reject {
        Reject { reason: Reason::Invalid, detail: detail.to_string() }
    }

    /// A record whose id was decided with another body.
    pub fn conflict(detail: impl std::fmt::Display) -> Reject {
        Reject { reason: Reason::Conflict, detail: detail.to_string() }
    }
}

/// The kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It cannot be decoded, or breaks a rule.
    Invalid,
    /// Its id was decided with another body.
    Conflict,
}

impl Reason {
    /// Every one.
    pub const ALL: [Reason; 2] = [Reason::Invalid, Reason::Conflict];

    /// The name people see.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Invalid => "invalid",
            Reason::Conflict => "conflict",
        }
    }
}

/// A dead letter, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The stream the record came from.
    pub stream: String,
    /// Its shard.
    pub shard: ShardId,
    /// Its position there.
    pub position: Position,
    /// When it arrived.
    pub arrived_at: Arrival,
    /// Why it is here.
    pub reject: Reject,
    /// Its partition key, for redrive.
    pub partition_key: Vec<u8>,
    /// Its bytes, whole.
    pub bytes: Vec<u8>,
    /// How often it was redriven.
    pub redriven: u64,
}

impl DeadLetter {
    /// The dead letter of a record.
    pub fn of(stream: &str, shard: ShardId, record: &Record, reject: Reject) -> DeadLetter {
        DeadLetter {
            stream: stream.to_owned(),
            shard,
            position: record.position,
            arrived_at: record.arrived_at,
            reject,
            partition_key: record.partition_key.to_vec(),
            bytes: record.data.to_vec(),
            redriven: 0,
        }
    }

    /// What people call it: `stream/shard number/position`.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.stream, self.shard.0, self.position)
    }

    /// Its key in the table; its order is by stream, shard, position.
    pub fn key(&self) -> Vec<u8> {
        let mut key = self.stream.clone().into_bytes();
        key.push(0);
        key.extend_from_slice(&self.shard.0.to_be_bytes());
        key.extend_from_slice(&self.position.to_be_bytes());
        key
    }

    /// The key of the dead letter with this id.
    pub fn key_of(id: &str) -> Result<Vec<u8>> {
        let bad = || Error::Reject(format!("{id:?} is not a dead letter's id: they look like bets/0/17"));
        let mut parts = id.split('/');
        let (Some(stream), Some(shard), Some(position), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        let mut key = stream.as_bytes().to_vec();
        key.push(0);
        key.extend_from_slice(&shard.parse::<ShardId>()?.0.to_be_bytes());
        key.extend_from_slice(&position.parse::<Position>()?.to_be_bytes());
        Ok(key)
    }

    /// Its stored bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![match self.reject.reason {
            Reason::Invalid => 0,
            Reason::Conflict => 1,
        }];
        put_varint(&mut out, u64::from(self.shard.0));
        out.extend_from_slice(&self.position.to_be_bytes());
        put_varint(&mut out, u64::try_from(self.arrived_at.0).unwrap_or(0));
        put_varint(&mut out, self.redriven);
        for field in [self.stream.as_bytes(), self.reject.detail.as_bytes(), &self.partition_key, &self.bytes] {
            put_varint(&mut out, field.len() as u64);
            out.extend_from_slice(field);
        }
        out
    }

    /// The inverse of [`DeadLetter::encode`].
    pub fn decode(value: &[u8]) -> Result<DeadLetter> {
        let bad = || Error::corrupt("a dead letter");
        let (reason, mut rest) = value.split_first().ok_or_else(bad)?;
        let reason = if *reason == 0 { Reason::Invalid } else { Reason::Conflict };
        let shard = ShardId(u32::try_from(varint(&mut rest)?).map_err(|_| bad())?);
        let (position, mut rest) = rest.split_first_chunk::<{ Position::BYTES }>().ok_or_else(bad)?;
        let arrived_at = Arrival(i64::try_from(varint(&mut rest)?).unwrap_or(i64::MAX));
        let redriven = varint(&mut rest)?;
        let mut field = || -> Result<Vec<u8>> {
            let len = usize::try_from(varint(&mut rest)?).unwrap_or(usize::MAX);
            let (taken, after) = rest.split_at_checked(len).ok_or_else(bad)?;
            rest = after;
            Ok(taken.to_vec())
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| bad());
        let (stream, detail) = (text(field()?)?, text(field()?)?);
        let (partition_key, bytes) = (field()?, field()?);
        let position = Position::from_be_bytes(*position);
        Ok(DeadLetter {
            stream,
            shard,
            position,
            arrived_at,
            reject: Reject { reason, detail },
            partition_key,
            bytes,
            redriven,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_comes_back_whole() {
        let letter = DeadLetter {
            stream: "bets".into(),
            shard: ShardId(3),
            position: "49668899999999999999999999999999999999999999999999999999".parse().unwrap(),
            arrived_at: Arrival(1_657_550_847_332),
            reject: Reject::conflict("other body"),
            partition_key: b"key".to_vec(),
            bytes: vec![0, 255, 7],
            redriven: 2,
        };
        assert_eq!(DeadLetter::decode(&letter.encode()).unwrap(), letter);
        assert_eq!(DeadLetter::key_of(&letter.id()).unwrap(), letter.key());
        for cut in 0..letter.encode().len() {
            assert!(DeadLetter::decode(&letter.encode()[..cut]).is_err(), "{cut}");
        }
        assert!(DeadLetter::key_of("bets/1").is_err());
    }
}
