//! Retention: what is applied and old enough leaves the log.
//!
//! Age counts back from a stream's newest record and not from the wall clock, so a log that stands
//! still, such as a replay of last year's match, loses nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline::engine::checkpoint;
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

/// Trims every stream again and again, until the task is aborted. `loops` are those that run.
pub async fn keep(node: Node, retention: Retention, loops: Vec<&'static str>) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = trim(&node, retention, &loops).await {
            tracing::warn!(%error, "old records were not removed; the next try is in a minute");
        }
    }
}

async fn trim(node: &Node, retention: Retention, loops: &[&'static str]) -> Result<()> {
    let mut progress = BTreeMap::new();
    for name in loops {
        progress.insert(*name, checkpoint::load(&node.ports().tables, name).await?.shards);
    }
    for stream in node.log.streams() {
        let shards = node.log.shards(&stream)?;
        let newest = shards.iter().map(|shard| shard.last_arrival).max().unwrap_or(Arrival::MIN);
        let before = newest.plus_ms(retention.of(&stream).saturating_neg());
        let readers: Vec<_> = readers(&stream).iter().filter_map(|name| progress.get(name)).collect();
        for shard in shards {
            let at = (stream.clone(), shard.id);
            let applied = readers.iter().map(|shards| shards.get(&at).map(|at| at.position).unwrap_or_default()).min();
            // What no job reads here is kept for its age alone.
            let removed = node.log.trim(&stream, shard.id, before, applied.unwrap_or(shard.last))?;
            if removed > 0 {
                tracing::info!(%stream, shard = %shard.id, blocks = removed, "old records removed");
            }
        }
    }
    Ok(())
}

/// The loops that read a stream, where they run.
fn readers(stream: &str) -> &'static [&'static str] {
    match stream {
        "bets" => &[betting::LOOP],
        "game-events" => &[betting::LOOP, vision::LOOP],
        "frames" => &[vision::LOOP],
        "notifications" => &[fold::LOOP],
        _ => &[],
    }
}
