//! Polling a shard: as often as there is something, ever less often where there is nothing.
//!
//! Kinesis allows a shard five reads and two megabytes a second, shared by everybody who polls it. So
//! the pause after a read is what its bytes cost, at least a fifth of a second; after a refusal it
//! doubles, since others read as well; and where nothing comes it grows to the idle pause.

use std::time::Duration;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use tokio::time::{Instant, sleep, sleep_until};

use super::account_time::{Asked, Dates};
use super::error::{code, explain, is_throttle};
use super::shard_reader::{From, Read, Source};
use super::unpack::Unpacker;
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::record::Position;
use crate::shard::ShardId;

/// Shortest time between two reads: five a second.
const SHORTEST: Duration = Duration::from_millis(200);
/// Longest pause after refusals.
const LONGEST: Duration = Duration::from_secs(5);
/// Bytes a second that a shard gives.
const RATE: f64 = 2_000_000.0;
/// Data that a read aims at: half a second of a shard's rate.
const AIM_BYTES: usize = 1 << 20;
/// What a record is thought to have before any was read.
const FIRST_RECORD_BYTES: usize = 8 << 10;
/// Records a read may ask for.
const MAX_RECORDS: usize = 10_000;
/// An answer is text with base64 in it, then decoded: as much memory as three times its data.
const COPIES: usize = 3;

/// Polls one shard.
#[derive(Debug)]
pub struct Poll {
    source: Source,
    shard: ShardId,
    unpacker: Unpacker,
    from: From,
    iterator: Option<String>,
    next_at: Instant,
    /// The pause that refusals have led to.
    gap: Duration,
    /// Reads in a row that gave nothing.
    empty: u32,
    /// Bytes of a record with its data, as of late.
    record_bytes: usize,
    /// When answers were given, and when the last one was.
    dates: Dates,
    answered: Option<Arrival>,
}

impl Poll {
    /// A reader of a shard from somewhere on.
    pub fn new(source: Source, shard: ShardId, unpacker: Unpacker, from: From) -> Poll {
        Poll {
            source,
            shard,
            unpacker,
            from,
            iterator: None,
            next_at: Instant::now(),
            gap: SHORTEST,
            empty: 0,
            record_bytes: FIRST_RECORD_BYTES,
            dates: Dates::default(),
            answered: None,
        }
    }

    /// The next read; see [`super::shard_reader::ShardReader::next`].
    pub async fn next(&mut self) -> Result<Read> {
        loop {
            sleep_until(self.next_at).await;
            let limit = (AIM_BYTES / self.record_bytes).clamp(1, MAX_RECORDS);
            let held = self.source.budget.take(COPIES * limit * self.record_bytes).await?;
            let iterator = match self.iterator.take() {
                Some(iterator) => iterator,
                None => match self.begin().await? {
                    Some(iterator) => iterator,
                    None => continue,
                },
            };
            let began = Instant::now();
            let limit = i32::try_from(limit).unwrap_or(i32::MAX);
            let request = self.source.aws.kinesis.get_records().shard_iterator(&iterator).limit(limit);
            let answer = match request.customize().interceptor(self.dates.clone()).send().await {
                Ok(answer) => answer,
                Err(error) if code(&error) == Some("ExpiredIteratorException") => {
                    self.next_at = began + SHORTEST;
                    continue;
                }
                Err(error) => {
                    let throttled = is_throttle(code(&error));
                    // The iterator is as good as before.
                    self.iterator = Some(iterator).filter(|_| throttled);
                    self.put_off(explain(format!("reading {} of {}", self.shard, self.source.stream), error))?;
                    continue;
                }
            };
            self.gap = (self.gap * 3 / 4).max(SHORTEST);
            let count = answer.records.len();
            let found = self.unpacker.unpack(answer.records, self.from.after())?;
            if let Some(last) = found.last {
                self.from = From::After(last);
            }
            self.iterator = answer.next_shard_iterator;
            let behind = Duration::from_millis(answer.millis_behind_latest.unwrap_or(0).unsigned_abs());
            if let Some(bytes) = found.bytes.checked_div(count) {
                // Large ones count at once, small ones once there are several reads of them: what a read
                // gives is bounded by its records alone.
                self.record_bytes = bytes.max((self.record_bytes + bytes) / 2) + 64;
            }
            self.empty = if count == 0 && behind.is_zero() { self.empty + 1 } else { 0 };
            let cost = Duration::from_secs_f64(found.bytes as f64 / RATE);
            self.next_at = began + self.gap.max(cost).max(self.idle_pause());
            let end = self.iterator.is_none().then(|| {
                let children = answer.child_shards.unwrap_or_default();
                children.iter().filter_map(|child| child.shard_id().parse().ok()).collect()
            });
            let (at, before) = self.dates.take();
            let asked = Asked { after: std::mem::replace(&mut self.answered, at), before };
            return Ok(Read { found, behind, end, asked, held: Some(held) });
        }
    }

    /// Ever longer where nothing comes.
    fn idle_pause(&self) -> Duration {
        match self.empty {
            0 => Duration::ZERO,
            n => (SHORTEST * (1 << n.min(5))).min(self.source.idle),
        }
    }

    /// Waits out what may pass.
    fn put_off(&mut self, error: Error) -> Result<()> {
        let Error::Retry(why) = error else { return Err(error) };
        tracing::debug!("{why}");
        self.gap = (self.gap * 2).min(LONGEST);
        self.next_at = Instant::now() + self.gap;
        Ok(())
    }

    /// An iterator at the place where reading is; nothing when it must be asked for again.
    async fn begin(&mut self) -> Result<Option<String>> {
        let request = self
            .source
            .aws
            .kinesis
            .get_shard_iterator()
            .stream_name(&*self.source.stream)
            .shard_id(self.shard.to_string());
        let request = match self.from {
            From::Oldest | From::After(Position::START) => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            From::Latest => request.shard_iterator_type(ShardIteratorType::Latest),
            From::Time(at) => {
                request.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis(at.0))
            }
            // From the record itself, in case that it is an aggregate with more in it.
            From::After(position) | From::At(position) => request
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(self.source.sequence_number(position)),
        };
        match request.send().await {
            Ok(answer) => Ok(answer.shard_iterator),
            Err(error) => {
                self.put_off(explain(format!("starting to read {} of {}", self.shard, self.source.stream), error))?;
                Ok(None)
            }
        }
    }
}

/// Waits a moment before something is tried again; `attempt` counts from 0.
pub(super) async fn back_off(attempt: u32) {
    sleep((SHORTEST * (1 << attempt.min(6))).min(LONGEST)).await;
}
