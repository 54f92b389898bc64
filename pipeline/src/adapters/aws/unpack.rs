//! From Kinesis' records to ours: aggregates taken apart, arrivals chosen, what belongs elsewhere set aside.

use aws_sdk_kinesis::types::Record as Stored;
use bytes::Bytes;

use super::envelope::Secret;
use super::kpl::{self, UserRecord};
use crate::clock::Arrival;
use crate::dead_letter::Reject;
use crate::error::Result;
use crate::record::{Position, Record};
use crate::shard::HashRange;

/// The partition key of a mark: an empty record with a signed arrival, which tells a shard's readers
/// that nothing will come that arrived before. A replay sets marks, since its time is not the log's.
pub const TIME_KEY: &str = "oddsmill.time";

/// What a read gave.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// Records of this shard, in order.
    pub records: Vec<Record>,
    /// Records that cannot be this shard's.
    pub refused: Vec<(Record, Reject)>,
    /// The last position read, of whatever record.
    pub last: Option<Position>,
    /// The time that a mark tells: everything that arrived before it has been read.
    pub time: Option<Arrival>,
    /// Bytes of data.
    pub bytes: usize,
}

/// How records are taken apart.
#[derive(Debug, Clone)]
pub struct Unpacker {
    /// The hash keys of the shard; records of others are refused.
    pub range: HashRange,
    /// Who may set arrival times.
    pub secret: Option<Secret>,
}

impl Unpacker {
    /// Takes records apart that stand after a position.
    pub fn unpack(&self, stored: Vec<Stored>, after: Position) -> Result<Unpacked> {
        let mut out = Unpacked { records: Vec::with_capacity(stored.len()), ..Unpacked::default() };
        for record in stored {
            let position: Position = record.sequence_number.parse()?;
            let appended =
                record.approximate_arrival_timestamp.and_then(|at| at.to_millis().ok()).map_or(Arrival::MIN, Arrival);
            let data = Bytes::from(record.data.into_inner());
            out.bytes += data.len();
            out.last = out.last.max(Some(position));
            match kpl::split(&data) {
                None if position > after => out.records.push(Record {
                    position,
                    arrived_at: appended,
                    partition_key: record.partition_key.unwrap_or_default().into(),
                    data,
                }),
                None => {}
                Some(parts) => self.unpack_parts(parts, position, appended, after, &mut out),
            }
        }
        Ok(out)
    }

    fn unpack_parts(
        &self,
        parts: Vec<UserRecord>,
        at: Position,
        appended: Arrival,
        after: Position,
        out: &mut Unpacked,
    ) {
        for (sub, part) in (0..).zip(parts) {
            let position = at.with_sub(sub);
            out.last = out.last.max(Some(position));
            if position <= after {
                continue;
            }
            let UserRecord { partition_key, hash, data, tags } = part;
            let told = self.secret.as_ref().filter(|_| !tags.is_empty());
            let arrival = told.and_then(|secret| secret.arrival(&tags, &partition_key, &data));
            if partition_key == TIME_KEY && data.is_empty() && arrival.is_some() {
                out.time = out.time.max(arrival);
                continue;
            }
            let arrived_at = arrival.unwrap_or(appended);
            let record = Record { position, arrived_at, partition_key, data };
            if self.range.owns(hash) {
                out.records.push(record);
            } else {
                let why = format!(
                    "partition key {:?}: this record of an aggregate has hash key {hash}, which is another shard's; send it again on its own",
                    String::from_utf8_lossy(&record.partition_key)
                );
                out.refused.push((record, Reject::invalid(why)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::primitives::{Blob, DateTime};

    use super::super::kpl::Aggregate;
    use super::*;
    use crate::shard::hash_key;

    fn stored(number: u32, data: impl Into<Vec<u8>>) -> Stored {
        let stored = Stored::builder().sequence_number(number.to_string()).partition_key("k").data(Blob::new(data));
        stored.approximate_arrival_timestamp(DateTime::from_millis(i64::from(number) * 1000)).build().unwrap()
    }

    fn aggregate(keys: &[&str], secret: Option<&Secret>) -> Vec<u8> {
        let mut aggregate = Aggregate::default();
        for key in keys {
            let data = Bytes::from(format!("of {key}"));
            let tag = secret.map(|secret| secret.tag(Arrival(5), key.as_bytes(), &data));
            aggregate.add(key, None, data, tag.into_iter().collect());
        }
        aggregate.finish().into()
    }

    fn places(unpacked: &Unpacked) -> Vec<String> {
        unpacked.records.iter().map(|record| record.position.to_string()).collect()
    }

    #[test]
    fn reading_resumes_within_an_aggregate() {
        let unpacker = Unpacker { range: HashRange::FULL, secret: None };
        let all =
            || vec![stored(7, "plain"), stored(9, aggregate(&["a", "b", "c"], None)), stored(10, aggregate(&[], None))];
        for (after, expected) in [
            ("0", vec!["7", "9", "9.1", "9.2"]),
            ("7", vec!["9", "9.1", "9.2"]),
            ("9", vec!["9.1", "9.2"]),
            ("9.1", vec!["9.2"]),
            ("9.2", vec![]),
        ] {
            let unpacked = unpacker.unpack(all(), after.parse().unwrap()).unwrap();
            assert_eq!(places(&unpacked), expected, "after {after}");
            // An aggregate with nothing in it is passed as well.
            assert_eq!(unpacked.last.unwrap().to_string(), "10");
        }
    }

    #[test]
    fn what_is_another_shards_is_set_aside_and_the_rest_kept() {
        let hash = hash_key(b"b", None);
        let unpacker = Unpacker { range: HashRange { start: hash, end: hash }, secret: None };
        let unpacked = unpacker.unpack(vec![stored(9, aggregate(&["a", "b", "c"], None))], Position::START).unwrap();
        assert_eq!(places(&unpacked), ["9.1"]);
        let refused: Vec<&[u8]> = unpacked.refused.iter().map(|(record, _)| &record.data[..]).collect();
        assert_eq!(refused, [b"of a", b"of c"]);
    }

    #[test]
    fn arrivals_are_the_logs_unless_the_secret_says_otherwise() {
        let secret = Secret::new("s");
        for (mine, theirs, expected) in [
            (Some(&secret), Some(secret.clone()), 5),
            (Some(&secret), Some(Secret::new("t")), 9000),
            (Some(&secret), None, 9000),
            (None, Some(secret.clone()), 9000),
        ] {
            let unpacker = Unpacker { range: HashRange::FULL, secret: theirs };
            let unpacked = unpacker.unpack(vec![stored(9, aggregate(&["a"], mine))], Position::START).unwrap();
            assert_eq!(unpacked.records[0].arrived_at, Arrival(expected));
        }
    }
}
