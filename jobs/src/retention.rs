//! Retention: what is applied and old enough leaves the log.
//!
//! Age counts back from a stream's newest record and not from the wall clock, so a log that stands
//! still, such as a replay of last year's match, loses nothing.

use std::time::Duration;

use pipeline::engine::checkpoint;
use pipeline::{Arrival, Result};
use schemas::codec::Event;
use schemas::notification::Notification;

use crate::betting;
use crate::node::Node;
use crate::notify::fold;

/// How often old blocks are looked for.
const EVERY: Duration = Duration::from_secs(60);

/// Trims every stream again and again, until the task is aborted.
pub async fn keep(node: Node, retention_ms: i64) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = trim(&node, retention_ms).await {
            tracing::warn!(%error, "old records were not removed; the next try is in a minute");
        }
    }
}

async fn trim(node: &Node, retention_ms: i64) -> Result<()> {
    let tables = node.ports().tables;
    let mut progress = checkpoint::load(&tables, betting::LOOP).await?;
    // Where no mails are sent nobody reads the notifications.
    let told = checkpoint::load(&tables, fold::LOOP).await?;
    let mails = !told.shards.is_empty();
    progress.shards.extend(told.shards);
    for stream in node.log.streams() {
        let shards = node.log.shards(&stream)?;
        let newest = shards.iter().map(|shard| shard.last_arrival).max().unwrap_or(Arrival::MIN);
        let before = newest.plus_ms(retention_ms.saturating_neg());
        for shard in shards {
            // What no job reads here is kept for its age alone.
            let applied = progress.shards.get(&(stream.clone(), shard.id)).map(|checkpoint| checkpoint.position);
            let consumed = if reads(&stream, mails) { applied.unwrap_or_default() } else { shard.last };
            let removed = node.log.trim(&stream, shard.id, before, consumed)?;
            if removed > 0 {
                tracing::info!(%stream, shard = %shard.id, blocks = removed, "old records removed");
            }
        }
    }
    Ok(())
}

/// Whether a job reads a stream.
fn reads(stream: &str, mails: bool) -> bool {
    matches!(stream, "bets" | "game-events") || (mails && stream == Notification::STREAM)
}
