//! Enhanced fan-out: a subscription to a shard, two megabytes a second of its own.
//!
//! A subscription lasts five minutes; then another begins after the last record seen. The next event is
//! taken only once there was room for the one before: what is not taken holds up the connection, not
//! memory.

use std::time::Duration;

use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{
    ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEventStream as Event,
};

use super::Aws;
use super::account_time::Asked;
use super::error::{code, explain};
use super::poll::{Poll, back_off};
use super::shard_reader::{From, Read, Source};
use super::streams::{describe, no_stream};
use super::unpack::Unpacker;
use crate::error::{Error, Result};
use crate::record::Position;
use crate::shard::ShardId;

/// A second subscription within five seconds is refused.
const RESUBSCRIBE: Duration = Duration::from_secs(5);

/// How long a new consumer may take until it can be used.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The ARN of a stream's consumer of this name; it is registered if there is none.
pub async fn register(aws: &Aws, stream: &str, name: &str) -> Result<String> {
    let summary = describe(aws, stream).await?.ok_or_else(|| no_stream(stream))?;
    let arn = summary.stream_arn();
    let request = aws.kinesis.register_stream_consumer().stream_arn(arn).consumer_name(name);
    match request.send().await {
        Ok(_) => {}
        Err(error) if code(&error) == Some("ResourceInUseException") => {}
        Err(error) => return Err(explain(format!("registering consumer {name} of {stream}"), error)),
    }
    let ready = async {
        loop {
            let request = aws.kinesis.describe_stream_consumer().stream_arn(arn).consumer_name(name);
            let answer = request.send().await.map_err(|error| explain(format!("describing consumer {name}"), error))?;
            let consumer = answer.consumer_description;
            if let Some(ready) = consumer.filter(|consumer| *consumer.consumer_status() == ConsumerStatus::Active) {
                return Ok(ready.consumer_arn);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    match tokio::time::timeout(READY_WITHIN, ready).await {
        Ok(ready) => ready,
        Err(_) => {
            Err(Error::Retry(format!("consumer {name} of {stream} is not ready after {} s", READY_WITHIN.as_secs())))
        }
    }
}

/// Reads one shard by subscriptions.
#[derive(Debug)]
pub struct Fanout {
    source: Source,
    shard: ShardId,
    unpacker: Unpacker,
    from: From,
    subscription: Option<SubscribeToShardOutput>,
    attempt: u32,
}

impl Fanout {
    /// A reader of a shard from somewhere on.
    pub fn new(source: Source, shard: ShardId, unpacker: Unpacker, from: From) -> Fanout {
        Fanout { source, shard, unpacker, from, subscription: None, attempt: 0 }
    }

    /// Its shard.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// A poller that goes on from here.
    pub fn polling(&self) -> Poll {
        Poll::new(self.source.clone(), self.shard, self.unpacker.clone(), self.from)
    }

    /// The next event; see [`super::shard_reader::ShardReader::next`].
    pub async fn next(&mut self) -> Result<Read> {
        loop {
            let Some(subscription) = &mut self.subscription else {
                self.subscribe().await?;
                continue;
            };
            match subscription.event_stream.recv().await {
                Ok(Some(Event::SubscribeToShardEvent(event))) => {
                    self.attempt = 0;
                    let found = self.unpacker.unpack(event.records, self.from.after())?;
                    // One event a shard waits outside of the budget; the next stays with the connection.
                    let held = Some(self.source.budget.take(found.bytes).await?);
                    let reached = event.continuation_sequence_number;
                    // What continues after a number has nothing at or before it.
                    let last = found.last.max(reached.parse().ok());
                    if let Some(last) = last.filter(|last| *last != Position::START) {
                        self.from = From::After(last);
                    }
                    let children = event.child_shards.unwrap_or_default();
                    let ended = !children.is_empty() || reached.is_empty();
                    let end =
                        ended.then(|| children.iter().filter_map(|child| child.shard_id().parse().ok()).collect());
                    let behind = Duration::from_millis(event.millis_behind_latest.unsigned_abs());
                    // Events tell no time.
                    let asked = Asked::default();
                    return Ok(Read { found, behind, end, asked, held });
                }
                Ok(Some(_)) => {}
                // Five minutes are over.
                Ok(None) => self.subscription = None,
                Err(error) => {
                    self.subscription = None;
                    // Whatever ended this one: whether another can be had is said by who is asked for it.
                    self.put_off(Error::Retry(format!("{}: {}", self.what(), DisplayErrorContext(&error)))).await?;
                }
            }
        }
    }

    async fn subscribe(&mut self) -> Result<()> {
        let position = StartingPosition::builder();
        let position = match self.from {
            From::Oldest | From::After(Position::START) => position.r#type(ShardIteratorType::TrimHorizon),
            From::Latest => position.r#type(ShardIteratorType::Latest),
            From::Time(at) => position.r#type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis(at.0)),
            From::After(after) | From::At(after) => {
                position.r#type(ShardIteratorType::AtSequenceNumber).sequence_number(self.source.sequence_number(after))
            }
        };
        let position = position.build().map_err(|cause| Error::fatal("a starting position", cause))?;
        let consumer = self.source.consumer.clone().unwrap_or_default();
        let request = self.source.aws.kinesis.subscribe_to_shard().consumer_arn(&*consumer);
        match request.shard_id(self.shard.to_string()).starting_position(position).send().await {
            Ok(subscription) => self.subscription = Some(subscription),
            // The one before is not over yet, as Kinesis sees it.
            Err(error) if code(&error) == Some("ResourceInUseException") => tokio::time::sleep(RESUBSCRIBE).await,
            Err(error) => self.put_off(explain(self.what(), error)).await?,
        }
        Ok(())
    }

    fn what(&self) -> String {
        format!("subscribing to {} of {}", self.shard, self.source.stream)
    }

    async fn put_off(&mut self, error: Error) -> Result<()> {
        let Error::Retry(why) = error else { return Err(error) };
        tracing::debug!("{why}");
        back_off(self.attempt).await;
        self.attempt += 1;
        Ok(())
    }
}
