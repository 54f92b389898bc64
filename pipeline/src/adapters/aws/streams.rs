//! Streams and their shards, as Kinesis lists them.

use aws_sdk_kinesis::types::{Shard as Listed, StreamDescriptionSummary};

use super::Aws;
use super::error::explain;
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::lease::sync::StreamKey;
use crate::record::Position;
use crate::shard::{HashRange, Shard, ShardId};

/// Every shard of a stream that still has records, closed ones included, by number.
pub async fn shards(aws: &Aws, stream: &str) -> Result<Vec<Shard>> {
    let (mut shards, mut token) = (Vec::new(), None);
    loop {
        // A token stands for the stream; both at once are refused.
        let request = aws.kinesis.list_shards();
        let request = match token.take() {
            Some(token) => request.next_token(token),
            None => request.stream_name(stream),
        };
        let page = request.send().await.map_err(|error| explain(format!("listing the shards of {stream}"), error))?;
        shards.extend(page.shards().iter().map(shard).collect::<Result<Vec<_>>>()?);
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    shards.sort_by_key(|shard| shard.id);
    shards.dedup_by_key(|shard| shard.id);
    Ok(shards)
}

/// Digits that a stream's sequence numbers are filled up to with zeros: none on Kinesis itself; some
/// servers that speak its protocol compare them as text.
pub async fn padding(aws: &Aws, stream: &str) -> Result<usize> {
    let page = aws.kinesis.list_shards().stream_name(stream).send().await;
    let page = page.map_err(|error| explain(format!("listing the shards of {stream}"), error))?;
    let first = page.shards().first().and_then(|shard| shard.sequence_number_range());
    let number = first.map_or("", |range| range.starting_sequence_number());
    Ok(if number.starts_with('0') { number.len() } else { 0 })
}

fn shard(listed: &Listed) -> Result<Shard> {
    let bad = |what: &str| Error::Fatal(format!("shard {} is listed without {what}", listed.shard_id()));
    let range = listed.hash_key_range().ok_or_else(|| bad("its hash keys"))?;
    let parents = listed.parent_shard_id().into_iter().chain(listed.adjacent_parent_shard_id());
    let sequence = listed.sequence_number_range().ok_or_else(|| bad("its sequence numbers"))?;
    Ok(Shard {
        id: listed.shard_id().parse()?,
        range: hash_range(range.starting_hash_key(), range.ending_hash_key())?,
        parents: parents.map(str::parse).collect::<Result<Vec<ShardId>>>()?,
        closed: sequence.ending_sequence_number().is_some(),
        // Kinesis does not say: what was read does.
        last: Position::START,
        last_arrival: Arrival::MIN,
    })
}

/// A range of hash keys from its decimal texts.
pub fn hash_range(start: &str, end: &str) -> Result<HashRange> {
    let number = |text: &str| text.parse().map_err(|_| Error::Fatal(format!("{text:?} is no hash key")));
    Ok(HashRange { start: number(start)?, end: number(end)? })
}

/// What Kinesis says of a stream, if there is one of this name.
pub async fn describe(aws: &Aws, stream: &str) -> Result<Option<StreamDescriptionSummary>> {
    match aws.kinesis.describe_stream_summary().stream_name(stream).send().await {
        Ok(answer) => Ok(answer.stream_description_summary),
        Err(error) if super::error::code(&error) == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(explain(format!("describing stream {stream}"), error)),
    }
}

/// The stream as a lease table of several streams names it.
///
/// # Errors
/// `Reject` when there is no such stream.
pub async fn stream_key(aws: &Aws, stream: &str) -> Result<StreamKey> {
    let summary = describe(aws, stream).await?.ok_or_else(|| no_stream(stream))?;
    // arn:aws:kinesis:REGION:ACCOUNT:stream/NAME
    let account = summary.stream_arn().split(':').nth(4).unwrap_or_default().to_owned();
    let created = summary.stream_creation_timestamp().secs();
    Ok(StreamKey { name: stream.to_owned(), prefix: Some(format!("{account}:{stream}:{created}")) })
}

/// The error of a stream that is not there.
pub fn no_stream(stream: &str) -> Error {
    Error::Reject(format!(
        "there is no stream {stream} in this account and region; `oddsmill aws init` creates what is missing"
    ))
}
