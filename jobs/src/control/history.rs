//! What happened so far, for backfills and exports: bets as they were decided, windows as they are
//! stored, and how far in time everything is applied.

use std::sync::Arc;

use futures::StreamExt;
use pipeline::engine::checkpoint;
use pipeline::window::results;
use pipeline::{Arrival, Result};
use schemas::columns::bet_block;
use serde::{Deserialize, Serialize};

use super::Rows;
use crate::betting;
use crate::history::{Decided, stepped};
use crate::node::Node;
use crate::sql::view::View;
use crate::windows::fill;

/// Bytes of one window's rows: a million rows compressed are about 40 MB.
pub const MAX_WINDOW_BYTES: usize = 64 << 20;

/// Which bets: times in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Asked {
    /// Those that were first decided at this time or later.
    pub since: i64,
    /// Of them, those decided at this time or later,
    pub from: i64,
    /// and before this one.
    pub to: i64,
}

/// Everything that arrived before this is applied.
pub async fn frontier(node: &Node) -> Result<Arrival> {
    Ok(checkpoint::load(&node.ports().tables, betting::LOOP).await?.frontier)
}

/// Bets in the order of their decisions, as of now, in the columns of their blocks.
pub fn bets(node: &Node, asked: Asked) -> Result<Rows> {
    let decided = Decided::of(Arc::new(View::open(node)), asked.since, asked.from..asked.to)?;
    Ok(Rows { schema: bet_block::schema(), batches: stepped(decided).boxed() })
}

/// What is stored of a window.
pub fn window(node: &Node, name: &str, start: i64) -> Result<Option<Vec<u8>>> {
    node.tables.get(pipeline::tables::system::RESULTS, &results::key(name, start))
}

/// Stores the rows of a final window, if nothing is stored of it; says whether so.
pub async fn fill(node: &Node, name: &str, start: i64, rows: &[u8]) -> Result<bool> {
    fill::fill(node, name, start, rows).await
}
