//! Aggregation in the format of the Amazon Kinesis Producer Library: many records as one.
//!
//! ```text
//! F3 89 9A C2 · protobuf AggregatedRecord · MD5 of the protobuf (16 bytes)
//! AggregatedRecord { 1: partition keys (string*), 2: explicit hash keys (string*), 3: records* }
//! Record { 1: index of its partition key, 2: index of its hash key?, 3: data, 4: tags* }
//! ```
//!
//! Source: `aggregation-format.md` and `messages.proto` of amazon-kinesis-producer.

use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message;

use crate::shard::hash_key;

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const DIGEST_BYTES: usize = 16;

#[derive(Clone, PartialEq, Message)]
struct Aggregated {
    // Strings to the format; as bytes they are parts of the aggregate's.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    partition_keys: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    hash_keys: Vec<Bytes>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<Part>,
}

#[derive(Clone, PartialEq, Message)]
struct Part {
    #[prost(uint64, required, tag = "1")]
    partition_key: u64,
    #[prost(uint64, optional, tag = "2")]
    hash_key: Option<u64>,
    #[prost(bytes = "bytes", required, tag = "3")]
    data: Bytes,
    #[prost(message, repeated, tag = "4")]
    tags: Vec<Tag>,
}

/// A word with a record, and its value.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Tag {
    /// The word.
    #[prost(string, required, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// A record of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// Its partition key.
    pub partition_key: Bytes,
    /// The hash key that it was put with: its explicit one, or its partition key's.
    pub hash: u128,
    /// Its data, a part of the aggregate's bytes.
    pub data: Bytes,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// The records of an aggregate; nothing for bytes that are none: of another beginning, with a digest
/// that does not fit, or not readable. Those are a record as they are.
pub fn split(data: &Bytes) -> Option<Vec<UserRecord>> {
    let body = data.strip_prefix(&MAGIC)?;
    let (body, digest) = body.split_at_checked(body.len().checked_sub(DIGEST_BYTES)?)?;
    if Md5::digest(body)[..] != *digest {
        return None;
    }
    let Aggregated { partition_keys, hash_keys, records } = Aggregated::decode(data.slice_ref(body)).ok()?;
    let explicit = |hash: &Bytes| std::str::from_utf8(hash).ok()?.parse().ok();
    let explicit: Vec<Option<u128>> = hash_keys.iter().map(explicit).collect();
    // Each key is hashed once, however many records have it.
    let hashes: Vec<u128> = partition_keys.iter().map(|key| hash_key(key, None)).collect();
    let user_record = |part: Part| {
        let at = usize::try_from(part.partition_key).ok()?;
        let partition_key = partition_keys.get(at)?.clone();
        let hash = match part.hash_key {
            Some(at) => (*explicit.get(usize::try_from(at).ok()?)?)?,
            None => hashes[at],
        };
        Some(UserRecord { partition_key, hash, data: part.data, tags: part.tags })
    };
    records.into_iter().map(user_record).collect()
}

/// An aggregate that is being filled.
#[derive(Debug, Default)]
pub struct Aggregate {
    message: Aggregated,
    /// At least the encoded length.
    bytes: usize,
}

impl Aggregate {
    /// Records in it.
    pub fn len(&self) -> usize {
        self.message.records.len()
    }

    /// True without records.
    pub fn is_empty(&self) -> bool {
        self.message.records.is_empty()
    }

    /// Bytes that it will have, or a few less, with another record of these lengths.
    pub fn bytes_with(&self, partition_key: &str, data: &Bytes, tags: &[Tag]) -> usize {
        // Tags and lengths before each field: at most 10 bytes a field, four of them a record.
        let tags: usize = tags.iter().map(|tag| tag.encoded_len() + 10).sum();
        MAGIC.len() + DIGEST_BYTES + self.bytes + partition_key.len() + 39 + data.len() + tags + 80
    }

    /// Adds a record.
    pub fn add(&mut self, partition_key: &str, explicit_hash_key: Option<u128>, data: Bytes, tags: Vec<Tag>) {
        self.bytes = self.bytes_with(partition_key, &data, &tags) - MAGIC.len() - DIGEST_BYTES;
        // The key of the record before it is the likeliest; a new one is added without a search.
        let partition_key = place(&mut self.message.partition_keys, partition_key);
        let hash_key = explicit_hash_key.map(|hash| place(&mut self.message.hash_keys, &hash.to_string()));
        self.message.records.push(Part { partition_key, hash_key, data, tags });
    }

    /// The aggregate's bytes.
    pub fn finish(self) -> Bytes {
        let mut out = Vec::with_capacity(MAGIC.len() + self.message.encoded_len() + DIGEST_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.message.encode_to_vec());
        let digest = Md5::digest(&out[MAGIC.len()..]);
        out.extend_from_slice(&digest);
        out.into()
    }
}

/// Where a key stands in a table of keys; a new one is added. Looking back over the last few keeps
/// the table small where keys come in runs, without a map.
fn place(table: &mut Vec<Bytes>, key: &str) -> u64 {
    const LOOK_BACK: usize = 64;
    let from = table.len().saturating_sub(LOOK_BACK);
    let at = match table[from..].iter().rposition(|known| known == key) {
        Some(at) => from + at,
        None => {
            table.push(key.to_owned().into());
            table.len() - 1
        }
    };
    at as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `aws_kinesis_agg` 1.2.3 of Python: keys `a`, `bb`, `a`; hash key 7 on the second.
    const MADE_BY_OTHERS: &str = "f3899ac20a01610a0262621201371a0708001a036161611a06080110001a001a09\
08001a057a7a7a7a7a7e4b3e354c882d47263a403a9b40223c";

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    fn record(key: &str, hash: Option<u128>, data: &str, tags: &[(&str, &str)]) -> UserRecord {
        let hash = hash_key(key.as_bytes(), hash);
        let tags = tags.iter().map(|(key, value)| Tag { key: (*key).into(), value: Some((*value).into()) }).collect();
        let (partition_key, data) = (Bytes::from(key.to_owned()), Bytes::from(data.to_owned()));
        UserRecord { partition_key, hash, data, tags }
    }

    fn aggregate(records: &[UserRecord]) -> Bytes {
        let mut aggregate = Aggregate::default();
        for UserRecord { partition_key, hash, data, tags } in records {
            let key = std::str::from_utf8(partition_key).unwrap();
            let bytes = aggregate.bytes_with(key, data, tags);
            let explicit = Some(*hash).filter(|hash| *hash != hash_key(partition_key, None));
            aggregate.add(key, explicit, data.clone(), tags.clone());
            assert!(aggregate.message.encoded_len() + 20 <= bytes);
        }
        aggregate.finish()
    }

    #[test]
    fn records_come_back_and_the_bytes_are_the_formats() {
        let records = [record("a", None, "aaa", &[]), record("bb", Some(7), "", &[]), record("a", None, "zzzzz", &[])];
        let bytes = aggregate(&records);
        assert_eq!(bytes, hex(MADE_BY_OTHERS));
        assert_eq!(split(&bytes).unwrap(), records);
        let tagged = [record("a", Some(u128::MAX), "x", &[("k", "v"), ("k2", "")])];
        assert_eq!(split(&aggregate(&tagged)).unwrap(), tagged);
        assert_eq!(split(&aggregate(&[])).unwrap(), []);
    }

    #[test]
    fn what_is_no_aggregate_is_left_as_it_is() {
        let good = aggregate(&[record("a", None, "aaa", &[]), record("b", Some(1), "b", &[("t", "u")])]);
        for cut in 0..good.len() {
            assert_eq!(split(&good.slice(..cut)), None, "{cut}");
        }
        for at in 0..good.len() {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1;
            assert_eq!(split(&bytes.into()), None, "{at}");
        }
        // A digest that fits bytes which say nothing sensible.
        for body in [&b"\x0a\xff"[..], b"\x1a\x04\x08\x05\x1a\x00", b"\x1a\x06\x08\x00\x10\x03\x1a\x00", b"\x08\x01"] {
            let bytes = [&MAGIC[..], body, &Md5::digest(body)[..]].concat();
            let split = split(&bytes.into());
            assert!(split.is_none() || split == Some(Vec::new()), "{body:02x?}: {split:?}");
        }
    }
}
