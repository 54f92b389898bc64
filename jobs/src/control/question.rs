//! A question as it stands: its whole row, of which SQL shows a part, and how far that can be trusted.

use pipeline::engine::checkpoint;
use pipeline::{Arrival, Error, Result};
use schemas::codec::Event;
use schemas::game_event::GameEvent;
use schemas::ids::QuestionId;
use schemas::question::QuestionRow;
use schemas::row::Row;

use crate::betting;
use crate::node::Node;

/// What there is to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The row; nothing where there is no such question.
    pub row: Option<QuestionRow>,
    /// The pipeline's time.
    pub now: Arrival,
    /// Whether every game event in the log is applied, so that the row says how it stands.
    pub current: bool,
}

/// Reads a question's row.
pub async fn standing(node: &Node, id: QuestionId) -> Result<Standing> {
    // Before the row: what is applied meanwhile makes it newer than is said.
    let applied = checkpoint::load(&node.ports().tables, betting::LOOP).await?;
    let current = node.log.shards(GameEvent::STREAM)?.iter().all(|shard| {
        let reached = applied.shards.get(&(GameEvent::STREAM.to_owned(), shard.id));
        reached.map(|checkpoint| checkpoint.position).unwrap_or_default() >= shard.last
    });
    let row = node.tables.get(QuestionRow::TABLE, id.as_bytes())?;
    Ok(Standing { row: row.as_deref().map(decode).transpose()?, now: node.clock.now(), current })
}

/// Reads a row's bytes.
pub fn decode(bytes: &[u8]) -> Result<QuestionRow> {
    QuestionRow::from_bytes(bytes).map_err(Error::corrupt)
}
