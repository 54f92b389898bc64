//! Streams that change: shards split, merged, or as many as asked for.

use aws_sdk_kinesis::types::ScalingType;
use pipeline::adapters::aws::{Aws, streams};
use pipeline::shard::Shard;

use crate::cluster::until;

/// The open shards of a stream, from the lowest hash key up.
pub async fn open(aws: &Aws, stream: &str) -> Vec<Shard> {
    let all = streams::shards(aws, stream).await.unwrap();
    let mut open: Vec<Shard> = all.into_iter().filter(|shard| !shard.closed).collect();
    open.sort_by_key(|shard| shard.range.start);
    open
}

/// Splits an open shard in two; the number chooses which.
pub async fn split(aws: &Aws, stream: &str, which: u64) {
    let open = open(aws, stream).await;
    let shard = &open[which as usize % open.len()];
    let middle = shard.range.start + (shard.range.end - shard.range.start) / 2;
    let request = aws.kinesis.split_shard().stream_name(stream).shard_to_split(shard.id.to_string());
    request.new_starting_hash_key(middle.to_string()).send().await.unwrap();
    active(aws, stream).await;
}

/// Merges two open shards that are neighbours, if there are two; the number chooses which.
pub async fn merge(aws: &Aws, stream: &str, which: u64) {
    let open = open(aws, stream).await;
    let pairs: Vec<&[Shard]> = open.windows(2).collect();
    let Some([one, other]) = pairs.get(which as usize % pairs.len().max(1)) else { return };
    let request = aws.kinesis.merge_shards().stream_name(stream).shard_to_merge(one.id.to_string());
    request.adjacent_shard_to_merge(other.id.to_string()).send().await.unwrap();
    active(aws, stream).await;
}

/// Gives a stream so many shards, as far as it may in one go: to the double, or to half of them.
pub async fn resize(aws: &Aws, stream: &str, to: u32) {
    let now = open(aws, stream).await.len() as u32;
    let to = to.clamp(now.div_ceil(2), now * 2);
    if to == now {
        return;
    }
    let request = aws.kinesis.update_shard_count().stream_name(stream).target_shard_count(to as i32);
    request.scaling_type(ScalingType::UniformScaling).send().await.unwrap();
    until("the stream has so many shards", 30, async || open(aws, stream).await.len() as u32 == to).await;
    active(aws, stream).await;
}

async fn active(aws: &Aws, stream: &str) {
    until("the stream is active", 30, async || {
        let summary = streams::describe(aws, stream).await.unwrap().unwrap();
        summary.stream_status().as_str() == "ACTIVE"
    })
    .await;
}
