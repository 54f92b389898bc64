//! The log port on Kinesis: for whoever appends or looks at single records. Jobs read shards through
//! [`super::shard_reader`].

use std::sync::Arc;
use std::time::Duration;

use super::producer::{Producer, ProducerOptions};
use super::shard_reader::{Budget, From, ShardReader, Source};
use super::unpack::{TIME_KEY, Unpacker};
use super::{Aws, streams};
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::log::Chunk;
use crate::record::{Append, Position};
use crate::shard::{Shard, ShardId};

/// Streams of one account, under names that begin with a prefix. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KinesisLog {
    aws: Aws,
    prefix: Arc<str>,
    producer: Producer,
    options: ProducerOptions,
}

impl KinesisLog {
    /// The streams whose names begin with `prefix`.
    pub fn new(aws: Aws, prefix: &str, options: ProducerOptions) -> KinesisLog {
        let producer = Producer::new(aws.clone(), options.clone());
        KinesisLog { aws, prefix: prefix.into(), producer, options }
    }

    /// The account.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// A stream's name in Kinesis.
    pub fn name(&self, stream: &str) -> String {
        format!("{}{stream}", self.prefix)
    }

    /// Takes records apart as this log makes them.
    pub fn unpacker(&self, shard: &Shard) -> Unpacker {
        Unpacker { range: shard.range, secret: self.options.secret.clone() }
    }

    /// See [`crate::log::Log::append`].
    pub async fn append(&self, stream: &str, records: &[Append]) -> Result<Vec<(ShardId, Position)>> {
        let appended = self.producer.append(&self.name(stream), records).await?;
        let (missing, all) = (appended.missing(), records.len());
        let places: Option<Vec<_>> = appended.places.into_iter().collect();
        places.ok_or_else(|| {
            let why = appended.trouble.unwrap_or_else(|| "no answer".into());
            Error::Retry(format!("{missing} of {all} records of {stream} were not acknowledged: {why}"))
        })
    }

    /// Tells every open shard of a stream that nothing will come that arrived before `at`.
    pub async fn mark_time(&self, stream: &str, at: Arrival) -> Result<()> {
        let open = self.shards(stream).await?.into_iter().filter(|shard| !shard.closed);
        let mark = |shard: Shard| {
            let hash = Some(shard.range.start);
            Append { explicit_hash_key: hash, ..Append::new(TIME_KEY, Vec::new()).arrived(at) }
        };
        let marks: Vec<Append> = open.map(mark).collect();
        // They have one key, and no order among them.
        for mark in marks {
            self.append(stream, &[mark]).await?;
        }
        Ok(())
    }

    /// See [`crate::log::Log::shards`].
    pub async fn shards(&self, stream: &str) -> Result<Vec<Shard>> {
        streams::shards(&self.aws, &self.name(stream)).await
    }

    /// A reader of one shard, by polling.
    pub async fn reader(&self, stream: &str, shard: &Shard, from: From) -> Result<ShardReader> {
        let source = Source {
            aws: self.aws.clone(),
            stream: self.name(stream).into(),
            consumer: None,
            budget: Budget::new(usize::MAX),
            padding: streams::padding(&self.aws, &self.name(stream)).await?,
            idle: Duration::from_millis(200),
        };
        Ok(ShardReader::new(source, shard.id, self.unpacker(shard), from))
    }

    /// See [`crate::log::Log::read`].
    pub async fn read(&self, stream: &str, shard: ShardId, after: Position, max_bytes: usize) -> Result<Chunk> {
        let all = self.shards(stream).await?;
        let listed = all.into_iter().find(|listed| listed.id == shard);
        let listed = listed.ok_or_else(|| Error::Reject(format!("stream {stream} has no {shard}")))?;
        let mut reader = self.reader(stream, &listed, From::After(after)).await?;
        let mut chunk = Chunk::default();
        let mut bytes = 0;
        // An empty read with more ahead of it says nothing, nor does a full one without: what it left may be
        // of the same millisecond.
        while bytes < max_bytes && !chunk.shard_end {
            let read = reader.next().await?;
            bytes += read.found.bytes;
            chunk.shard_end = read.end.is_some();
            let idle = read.is_idle();
            chunk.records.extend(read.found.records);
            if idle {
                break;
            }
        }
        Ok(chunk)
    }
}
