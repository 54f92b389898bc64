//! The log port: ordered, durable streams of records, cut into shards.
//!
//! Guarantee: the order of appends is kept within a shard; every acknowledged record is read at
//! least once; an append whose acknowledgement is lost may stand twice, under two positions.

#[cfg(feature = "aws")]
use crate::adapters::aws::log::KinesisLog;
use crate::adapters::embedded::EmbeddedLog;
use crate::clock::Arrival;
#[cfg(feature = "aws")]
use crate::error::Error;
use crate::error::Result;
use crate::record::{Append, Position, Record};
use crate::shard::{Shard, ShardId};

/// Records read from one shard, in order.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The records, each after the position asked for.
    pub records: Vec<Record>,
    /// Whether the shard is closed and this chunk reaches its last record.
    pub shard_end: bool,
}

/// The log chosen at start-up.
#[derive(Clone)]
pub enum Log {
    /// In this process' data directory.
    Embedded(EmbeddedLog),
    /// In Kinesis.
    #[cfg(feature = "aws")]
    Kinesis(KinesisLog),
}

impl Log {
    /// Appends records in order and returns each one's place once they are durable.
    ///
    /// # Errors
    /// `Reject` for an unknown stream or a record over the limits (nothing is appended then);
    /// `Retry` when the shard is being split or merged.
    pub async fn append(&self, stream: &str, records: &[Append]) -> Result<Vec<(ShardId, Position)>> {
        match self {
            Log::Embedded(log) => log.append(stream, records),
            #[cfg(feature = "aws")]
            Log::Kinesis(log) => log.append(stream, records).await,
        }
    }

    /// Lists a stream's shards, closed ones included, by number.
    pub async fn shards(&self, stream: &str) -> Result<Vec<Shard>> {
        match self {
            Log::Embedded(log) => log.shards(stream),
            #[cfg(feature = "aws")]
            Log::Kinesis(log) => log.shards(stream).await,
        }
    }

    /// Reads a shard after a position, up to about `max_bytes` of data; empty when there is
    /// nothing more for now.
    pub async fn read(&self, stream: &str, shard: ShardId, after: Position, max_bytes: usize) -> Result<Chunk> {
        match self {
            Log::Embedded(log) => log.read(stream, shard, after, max_bytes),
            #[cfg(feature = "aws")]
            Log::Kinesis(log) => log.read(stream, shard, after, max_bytes).await,
        }
    }

    /// A moment such that every record that arrived before it can be read now, and none that
    /// arrives before it will follow.
    ///
    /// # Errors
    /// `Reject` for a log that knows no such moment.
    pub async fn barrier(&self) -> Result<Arrival> {
        Ok(self.embedded()?.barrier())
    }

    /// The log in this process' data directory.
    ///
    /// # Errors
    /// `Reject` for another one.
    pub fn embedded(&self) -> Result<&EmbeddedLog> {
        match self {
            Log::Embedded(log) => Ok(log),
            #[cfg(feature = "aws")]
            Log::Kinesis(_) => Err(Error::Reject("this needs the log of a data directory, not Kinesis".into())),
        }
    }
}
