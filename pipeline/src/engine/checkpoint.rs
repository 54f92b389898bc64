//! Checkpoints: how far a loop has applied each shard, and how far in time.
//!
//! A checkpoint is written in the same commit as the effects of the records it passes.

use std::collections::BTreeMap;

use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::record::Position;
use crate::shard::ShardId;
use crate::tables::{Commit, Tables, system};

/// How far one shard is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last record applied.
    pub position: Position,
    /// The shard's effective arrival there.
    pub effective: Arrival,
}

/// A loop's progress.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// By stream and shard; a shard never read is absent.
    pub shards: BTreeMap<(String, ShardId), Checkpoint>,
    /// Everything that arrived before this is applied, timers included.
    pub frontier: Arrival,
}

/// Reads a loop's progress.
pub async fn load(tables: &Tables, name: &str) -> Result<Progress> {
    let prefix = loop_prefix(name);
    let mut progress = Progress::default();
    for (key, value) in tables.scan(system::CHECKPOINTS, &prefix).await? {
        let bad = || Error::corrupt("a checkpoint");
        let key = key.get(prefix.len()..).ok_or_else(bad)?;
        if key.is_empty() {
            progress.frontier = Arrival(i64::from_be_bytes(value.try_into().map_err(|_| bad())?));
            continue;
        }
        let (stream, shard) = key.split_at_checked(key.len().wrapping_sub(5)).ok_or_else(bad)?;
        let stream = String::from_utf8(stream.to_vec()).map_err(|_| bad())?;
        let shard = ShardId(u32::from_be_bytes(shard[1..].try_into().map_err(|_| bad())?));
        let (position, effective) = value.split_first_chunk::<{ Position::BYTES }>().ok_or_else(bad)?;
        let effective = Arrival(i64::from_be_bytes(effective.try_into().map_err(|_| bad())?));
        progress.shards.insert((stream, shard), Checkpoint { position: Position::from_be_bytes(*position), effective });
    }
    Ok(progress)
}

/// Adds a shard's checkpoint to a commit.
pub fn put(commit: &mut Commit, name: &str, stream: &str, shard: ShardId, checkpoint: Checkpoint) {
    let mut key = loop_prefix(name);
    key.extend_from_slice(stream.as_bytes());
    key.push(0);
    key.extend_from_slice(&shard.0.to_be_bytes());
    let mut value = checkpoint.position.to_be_bytes().to_vec();
    value.extend_from_slice(&checkpoint.effective.0.to_be_bytes());
    commit.put(system::CHECKPOINTS, key, value);
}

/// Adds a loop's frontier to a commit.
pub fn put_frontier(commit: &mut Commit, name: &str, frontier: Arrival) {
    commit.put(system::CHECKPOINTS, loop_prefix(name), frontier.0.to_be_bytes().to_vec());
}

fn loop_prefix(name: &str) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.push(0);
    key
}
