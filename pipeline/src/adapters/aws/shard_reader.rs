//! Reading one shard on and on, by polling or by enhanced fan-out.
//!
//! A read holds its bytes in a [`Budget`] that all shards of a worker share, until whoever got it is
//! done with it: that is what bounds a worker's memory, however many shards it has.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Aws;
use super::account_time::Asked;
use super::fanout::Fanout;
use super::poll::Poll;
use super::unpack::{Unpacked, Unpacker};
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::record::Position;
use crate::shard::ShardId;

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the oldest record there is.
    Oldest,
    /// With what comes.
    Latest,
    /// With what arrived from this moment on.
    Time(Arrival),
    /// With this record.
    At(Position),
    /// After this record.
    After(Position),
}

impl From {
    /// The last record not to be read.
    pub fn after(self) -> Position {
        match self {
            From::After(position) => position,
            // Those before it in its aggregate; the ones before that are not asked for.
            From::At(position) => position.sub().checked_sub(1).map_or(Position::START, |sub| position.with_sub(sub)),
            _ => Position::START,
        }
    }
}

/// What a read gave.
#[derive(Debug)]
pub struct Read {
    /// Records, and what cannot be one of this shard.
    pub found: Unpacked,
    /// How far the shard's end is ahead, in time.
    pub behind: Duration,
    /// The shard is closed, and this is its end: the shards it was split or merged into, as far as
    /// Kinesis says.
    pub end: Option<Vec<ShardId>>,
    /// When it was asked for, as the account's answers bound it.
    pub asked: Asked,
    /// Gives the bytes back when dropped.
    pub held: Option<OwnedSemaphorePermit>,
}

impl Read {
    /// Whether the shard was open and had nothing more. What gave records may be all that a shard has that
    /// was closed long ago: of the time since then only its children know.
    pub fn is_idle(&self) -> bool {
        self.found.last.is_none() && self.behind.is_zero() && self.end.is_none()
    }
}

/// Bytes that all shards of a worker may hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget {
    kib: Arc<Semaphore>,
    total: u32,
}

impl Budget {
    /// So many bytes.
    pub fn new(bytes: usize) -> Budget {
        let total = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1);
        Budget { kib: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Waits until so many bytes are free, and takes them. More than there are is all of them.
    pub async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, self.total);
        let closed = |_| Error::Fatal("the reading budget is closed".into());
        self.kib.clone().acquire_many_owned(kib).await.map_err(closed)
    }
}

/// What readers of one stream share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    /// The account.
    pub aws: Aws,
    /// The stream's name.
    pub stream: Arc<str>,
    /// The enhanced fan-out consumer, where one is registered.
    pub consumer: Option<Arc<str>>,
    /// What the worker's reads may hold.
    pub budget: Budget,
    /// Digits of sequence numbers: [`super::streams::padding`].
    pub padding: usize,
    /// Longest pause between two looks at an idle shard.
    pub idle: Duration,
}

impl Source {
    /// The sequence number of a position as this stream writes it.
    pub(super) fn sequence_number(&self, position: Position) -> String {
        format!("{:0>width$}", position.with_sub(0).to_string(), width = self.padding)
    }
}

/// Reads one shard.
#[derive(Debug)]
pub enum ShardReader {
    /// By asking again and again.
    Poll(Box<Poll>),
    /// By a subscription.
    Fanout(Box<Fanout>),
}

impl ShardReader {
    /// A reader of a shard from somewhere on.
    pub fn new(source: Source, shard: ShardId, unpacker: Unpacker, from: From) -> ShardReader {
        match &source.consumer {
            Some(_) => ShardReader::Fanout(Box::new(Fanout::new(source, shard, unpacker, from))),
            None => ShardReader::Poll(Box::new(Poll::new(source, shard, unpacker, from))),
        }
    }

    /// The next read. It may be empty. After the shard's end it must not be called again.
    ///
    /// # Errors
    /// `Reject` when the shard or the permission to read it is gone; throttling and broken connections
    /// are waited out.
    pub async fn next(&mut self) -> Result<Read> {
        loop {
            match self {
                ShardReader::Poll(poll) => return poll.next().await,
                ShardReader::Fanout(fanout) => match fanout.next().await {
                    Err(Error::Reject(why)) => {
                        tracing::warn!(shard = %fanout.shard(), "enhanced fan-out does not work, so the shard is polled: {why}");
                        *self = ShardReader::Poll(Box::new(fanout.polling()));
                    }
                    other => return other,
                },
            }
        }
    }
}
