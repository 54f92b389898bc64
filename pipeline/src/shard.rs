//! Shards and the hash ranges they own, as Kinesis has them.
//!
//! Life of a shard: open → closed (by a split or a merge; its records stay readable) → expired
//! (every record past retention). Children start where their parents end.

use std::fmt;
use std::str::FromStr;

use md5::{Digest, Md5};

use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::record::Position;

/// A shard's number within its stream; shown as `shardId-000000000003`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

impl FromStr for ShardId {
    type Err = Error;

    /// Reads `shardId-000000000003`, or just `3`.
    fn from_str(text: &str) -> Result<ShardId> {
        let digits = text.strip_prefix("shardId-").unwrap_or(text);
        digits.parse().map(ShardId).map_err(|_| {
            Error::Reject(format!("shard {text:?} is neither a number nor of the form shardId-000000000000"))
        })
    }
}

/// An inclusive range of hash keys (128-bit numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRange {
    /// First hash key owned.
    pub start: u128,
    /// Last hash key owned.
    pub end: u128,
}

impl HashRange {
    /// Every hash key.
    pub const FULL: HashRange = HashRange { start: 0, end: u128::MAX };

    /// Whether a record with this hash key belongs here.
    pub fn owns(&self, hash: u128) -> bool {
        self.start <= hash && hash <= self.end
    }

    /// The full range in `count` even parts, in order; the last one takes the remainder.
    pub fn even(count: u32) -> Vec<HashRange> {
        let step = u128::MAX / u128::from(count.max(1));
        (0..count.max(1))
            .map(|i| HashRange {
                start: step * u128::from(i) + u128::from(i),
                end: if i + 1 == count.max(1) { u128::MAX } else { step * u128::from(i + 1) + u128::from(i) },
            })
            .collect()
    }
}

/// The hash key of a record: the explicit one, else the MD5 of its partition key, as a
/// big-endian 128-bit number (as Kinesis does).
pub fn hash_key(partition_key: &[u8], explicit: Option<u128>) -> u128 {
    explicit.unwrap_or_else(|| u128::from_be_bytes(Md5::digest(partition_key).into()))
}

/// A shard and where it stands in its stream's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its number.
    pub id: ShardId,
    /// The hash keys it owns.
    pub range: HashRange,
    /// What it was split or merged from: none, one, or two.
    pub parents: Vec<ShardId>,
    /// Whether it was closed by a split or a merge and takes no more records.
    pub closed: bool,
    /// Its last record's position, or where its parents ended.
    pub last: Position,
    /// The latest arrival stamped in it (running maximum; starts at its parents').
    pub last_arrival: Arrival,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_ranges_cover_every_hash_once() {
        for count in [1, 2, 3, 4, 7, 64] {
            let ranges = HashRange::even(count);
            assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (0, u128::MAX), "{count}");
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].end + 1, pair[1].start, "{count}");
            }
        }
    }

    #[test]
    fn hash_key_is_md5_of_the_partition_key() {
        assert_eq!(hash_key(b"", None), 0xd41d8cd98f00b204e9800998ecf8427e);
        assert_eq!(hash_key(b"x", Some(7)), 7);
    }
}
