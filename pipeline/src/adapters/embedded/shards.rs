//! The shards of every stream: stored rows, and the tails held in memory.
//!
//! A stored row has the range, the parents and whether it is closed. Its tail (last position,
//! latest arrival) follows from its last block, or from the row where it has none.

use std::collections::BTreeMap;

use fjall::Keyspace;

use super::block::{self, put_varint, varint};
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::record::Position;
use crate::shard::{HashRange, Shard, ShardId};

/// Streams by name, each with its shards by number.
#[derive(Default)]
pub struct Topology {
    pub streams: BTreeMap<String, BTreeMap<ShardId, Shard>>,
}

impl Topology {
    /// Reads every shard row and finds each tail.
    pub fn load(rows: &Keyspace, blocks: &Keyspace) -> Result<Topology> {
        let mut topology = Topology::default();
        for row in rows.iter() {
            let (key, value) = row.into_inner()?;
            let (stream, id) = split_key(&key)?;
            let mut shard = decode(id, &value)?;
            if let Some(last) = blocks.prefix(prefix(&stream, id)).next_back() {
                let (header, _) = block::header(&last.value()?)?;
                shard.last = Position::new(u128::from(header.first + header.count - 1));
                shard.last_arrival = shard.last_arrival.max(header.high);
            }
            topology.streams.entry(stream).or_default().insert(id, shard);
        }
        Ok(topology)
    }

    pub fn shards(&self, stream: &str) -> Result<&BTreeMap<ShardId, Shard>> {
        self.streams.get(stream).ok_or_else(|| unknown_stream(stream, self.streams.keys()))
    }

    pub fn shard_mut(&mut self, stream: &str, id: ShardId) -> Result<&mut Shard> {
        let shards = self.streams.get_mut(stream).ok_or_else(|| unknown_stream(stream, [].into_iter()))?;
        shards.get_mut(&id).ok_or_else(|| Error::Reject(format!("stream {stream} has no shard {id}")))
    }

    /// The open shard of a stream that owns a hash key.
    pub fn route(&self, stream: &str, hash: u128) -> Result<ShardId> {
        self.shards(stream)?
            .values()
            .find(|s| !s.closed && s.range.owns(hash))
            .map(|s| s.id)
            .ok_or_else(|| Error::Fatal(format!("stream {stream} has no open shard for hash key {hash}")))
    }
}

fn unknown_stream<'a>(stream: &str, known: impl Iterator<Item = &'a String>) -> Error {
    let known: Vec<&str> = known.map(String::as_str).collect();
    Error::Reject(format!("there is no stream {stream:?}; streams here: {}", known.join(", ")))
}

/// The key of a shard's row, and the prefix of its blocks.
pub fn prefix(stream: &str, id: ShardId) -> Vec<u8> {
    let mut key = Vec::with_capacity(stream.len() + 13);
    key.extend_from_slice(stream.as_bytes());
    key.push(0);
    key.extend_from_slice(&id.0.to_be_bytes());
    key
}

/// The key of a block: its last position, so that the first key from `after + 1` on is the block
/// a reader continues in.
pub fn block_key(stream: &str, id: ShardId, last: u64) -> Vec<u8> {
    let mut key = prefix(stream, id);
    key.extend_from_slice(&last.to_be_bytes());
    key
}

fn split_key(key: &[u8]) -> Result<(String, ShardId)> {
    let bad = || Error::corrupt("a shard row's key");
    let (name, id) = key.split_at_checked(key.len().wrapping_sub(5)).ok_or_else(bad)?;
    let id: [u8; 4] = id[1..].try_into().map_err(|_| bad())?;
    Ok((String::from_utf8(name.to_vec()).map_err(|_| bad())?, ShardId(u32::from_be_bytes(id))))
}

pub fn encode(shard: &Shard) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(&shard.range.start.to_be_bytes());
    out.extend_from_slice(&shard.range.end.to_be_bytes());
    put_varint(&mut out, u64::from(shard.closed));
    put_varint(&mut out, shard.last.as_u64().ok_or_else(|| Error::corrupt("an embedded position over 64 bits"))?);
    put_varint(&mut out, u64::try_from(shard.last_arrival.0).unwrap_or(0));
    for parent in &shard.parents {
        put_varint(&mut out, u64::from(parent.0));
    }
    Ok(out)
}

fn decode(id: ShardId, value: &[u8]) -> Result<Shard> {
    let bad = || Error::corrupt(format!("the row of {id}"));
    let (range, mut rest) = value.split_at_checked(32).ok_or_else(bad)?;
    let number = |half: &[u8]| half.try_into().map(u128::from_be_bytes).map_err(|_| bad());
    let range = HashRange { start: number(&range[..16])?, end: number(&range[16..])? };
    let closed = varint(&mut rest)? == 1;
    let last = Position::new(u128::from(varint(&mut rest)?));
    let last_arrival = Arrival(i64::try_from(varint(&mut rest)?).unwrap_or(i64::MAX));
    let mut parents = Vec::new();
    while !rest.is_empty() {
        parents.push(ShardId(u32::try_from(varint(&mut rest)?).map_err(|_| bad())?));
    }
    Ok(Shard { id, range, parents, closed, last, last_arrival })
}
