//! The records of a stream's shards, merged by arrival, as far as each has been read.

use std::collections::VecDeque;
use std::time::Duration;

#[cfg(feature = "aws")]
use pipeline::adapters::aws::shard_reader::{self, ShardReader};
use pipeline::record::{Position, Record};
use pipeline::shard::{Shard, ShardId};

use super::Place;
use crate::cli::exit::Failure;
use crate::cli::streams::Streams;

/// Data bytes read of one shard at a time.
const READ_BYTES: usize = 1 << 20;
/// How long to wait for an append before asking again.
const WAIT: Duration = Duration::from_secs(5);

/// Reads a stream on and on.
pub struct Tail<'a> {
    streams: &'a Streams,
    stream: &'a str,
    only: Option<ShardId>,
    from: Place,
    cursors: Vec<Cursor>,
}

struct Cursor {
    shard: ShardId,
    at: At,
    queue: VecDeque<Record>,
}

/// How a shard is read on.
enum At {
    /// After a position.
    After(Position),
    /// By a reader that knows where it is.
    #[cfg(feature = "aws")]
    Reader(Box<ShardReader>),
    /// It is closed, and read to its end.
    #[cfg(feature = "aws")]
    End,
}

impl<'a> Tail<'a> {
    /// A tail of a stream, or of one of its shards.
    pub fn new(streams: &'a Streams, stream: &'a str, only: Option<ShardId>, from: Place) -> Tail<'a> {
        Tail { streams, stream, only, from, cursors: Vec::new() }
    }

    /// How many appends the log has had; to be asked before records are.
    pub async fn appends(&self) -> pipeline::Result<u64> {
        match self.streams {
            Streams::Directory(access) => access.wait(0, Duration::ZERO).await,
            #[cfg(feature = "aws")]
            Streams::Kinesis(_) => Ok(0),
        }
    }

    /// Waits for more of them; Kinesis' readers wait by themselves.
    pub async fn wait(&self, appends: u64) -> pipeline::Result<u64> {
        match self.streams {
            Streams::Directory(access) => access.wait(appends, WAIT).await,
            #[cfg(feature = "aws")]
            Streams::Kinesis(_) => Ok(0),
        }
    }

    /// The next record in order of arrival; nothing when every shard is read to its end for now.
    pub async fn next(&mut self) -> Result<Option<(ShardId, Record)>, Failure> {
        if self.cursors.iter().all(|cursor| cursor.queue.is_empty()) {
            self.refresh().await?;
        }
        loop {
            self.fill().await?;
            let heads = self.cursors.iter_mut().filter(|cursor| !cursor.queue.is_empty());
            let first = heads.min_by_key(|cursor| (cursor.queue.front().map(|record| record.arrived_at), cursor.shard));
            let Some(cursor) = first else { return Ok(None) };
            let Some(record) = cursor.queue.pop_front() else { return Ok(None) };
            if !matches!(self.from, Place::Time(time) if record.arrived_at < time) {
                return Ok(Some((cursor.shard, record)));
            }
        }
    }

    /// Reads on where a shard's queue ran dry.
    async fn fill(&mut self) -> Result<(), Failure> {
        for Cursor { shard, at, queue } in self.cursors.iter_mut().filter(|cursor| cursor.queue.is_empty()) {
            match (&mut *at, self.streams) {
                (At::After(after), Streams::Directory(access)) => {
                    let chunk = access.read(self.stream, *shard, *after, READ_BYTES).await?;
                    if let Some(last) = chunk.records.last() {
                        *after = last.position;
                    }
                    queue.extend(chunk.records);
                }
                #[cfg(feature = "aws")]
                (At::Reader(reader), _) => {
                    // An empty read with more ahead of it says nothing.
                    let read = loop {
                        let read = reader.next().await?;
                        if !read.found.records.is_empty() || read.is_idle() || read.end.is_some() {
                            break read;
                        }
                    };
                    if read.end.is_some() {
                        *at = At::End;
                    }
                    queue.extend(read.found.records);
                }
                #[cfg(feature = "aws")]
                (At::End, _) | (At::After(_), Streams::Kinesis(_)) => {}
            }
        }
        Ok(())
    }

    /// Adds cursors for shards that are new. Those that appear later are children of a split or a
    /// merge, and are read from their start.
    async fn refresh(&mut self) -> Result<(), Failure> {
        let begun = !self.cursors.is_empty();
        let shards = match self.streams {
            Streams::Directory(access) => access.shards(self.stream).await?,
            #[cfg(feature = "aws")]
            Streams::Kinesis(log) => log.shards(self.stream).await?,
        };
        if let Some(only) = self.only.filter(|only| !shards.iter().any(|shard| shard.id == *only)) {
            let known: Vec<String> = shards.iter().map(|shard| shard.id.0.to_string()).collect();
            return Err(Failure::Usage(format!(
                "stream {} has no shard {}; shards: {}",
                self.stream,
                only.0,
                known.join(", ")
            )));
        }
        for shard in shards.iter().filter(|shard| self.only.is_none_or(|only| only == shard.id)) {
            if self.cursors.iter().all(|cursor| cursor.shard != shard.id) {
                let from = if begun { Place::Earliest } else { self.from };
                let at = self.start(shard, from).await?;
                self.cursors.push(Cursor { shard: shard.id, at, queue: VecDeque::new() });
            }
        }
        Ok(())
    }

    async fn start(&self, shard: &Shard, from: Place) -> Result<At, Failure> {
        match self.streams {
            Streams::Directory(_) => Ok(At::After(match from {
                Place::Earliest | Place::Time(_) => Position::START,
                Place::Latest => shard.last,
                // A read begins after a position; the log counts from 1.
                Place::From(position) => {
                    position.as_u64().map_or(position, |n| Position::new(n.saturating_sub(1).into()))
                }
            })),
            #[cfg(feature = "aws")]
            Streams::Kinesis(log) => {
                let from = match from {
                    // A closed shard has nothing that comes.
                    Place::Latest if shard.closed => return Ok(At::End),
                    Place::Latest => shard_reader::From::Latest,
                    Place::Earliest => shard_reader::From::Oldest,
                    Place::Time(at) => shard_reader::From::Time(at),
                    Place::From(position) => shard_reader::From::At(position),
                };
                Ok(At::Reader(Box::new(log.reader(self.stream, shard, from).await?)))
            }
        }
    }
}
