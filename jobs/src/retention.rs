//! Retention: what is applied and old enough leaves the log.
//!
//! Age counts back from a stream's newest record and not from the wall clock, so a log that stands
//! still, such as a replay of last year's match, loses nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline::engine::checkpoint;
use pipeline::record::Position;
use pipeline::shard::ShardId;
use pipeline::{Arrival, Result};
use schemas::codec::Event;
use schemas::frame::Frame;

use crate::node::Node;
use crate::notify::fold;
use crate::{betting, vision};

/// How often old blocks are looked for.
const EVERY: Duration = Duration::from_secs(60);

/// How far streams reach back from their newest record, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Of frames, which are large.
    pub frames_ms: i64,
    /// Of every other stream.
    pub others_ms: i64,
}

impl Retention {
    fn of(&self, stream: &str) -> i64 {
        if stream == Frame::STREAM { self.frames_ms } else { self.others_ms }
    }
}

/// Trims every stream again and again, until the task is aborted.
pub async fn keep(node: Node, retention: Retention) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = trim(&node, retention).await {
            tracing::warn!(%error, "old records were not removed; the next try is in a minute");
        }
    }
}

async fn trim(node: &Node, retention: Retention) -> Result<()> {
    let applied = applied(node).await?;
    for stream in node.log.streams() {
        let shards = node.log.shards(&stream)?;
        let newest = shards.iter().map(|shard| shard.last_arrival).max().unwrap_or(Arrival::MIN);
        let before = newest.plus_ms(retention.of(&stream).saturating_neg());
        // What no job reads here, such as notifications where no mails are sent, is kept for its age alone.
        let read = matches!(&stream[..], "bets" | "game-events") || applied.keys().any(|(name, _)| *name == stream);
        for shard in shards {
            let applied = applied.get(&(stream.clone(), shard.id)).copied();
            let consumed = if read { applied.unwrap_or_default() } else { shard.last };
            let removed = node.log.trim(&stream, shard.id, before, consumed)?;
            if removed > 0 {
                tracing::info!(%stream, shard = %shard.id, blocks = removed, "old records removed");
            }
        }
    }
    Ok(())
}

/// How far every loop that reads a shard has applied it.
async fn applied(node: &Node) -> Result<BTreeMap<(String, ShardId), Position>> {
    let tables = node.ports().tables;
    let mut applied = BTreeMap::new();
    for name in [betting::LOOP, fold::LOOP, vision::LOOP] {
        for (shard, checkpoint) in checkpoint::load(&tables, name).await?.shards {
            let least = applied.entry(shard).or_insert(checkpoint.position);
            *least = checkpoint.position.min(*least);
        }
    }
    Ok(applied)
}
