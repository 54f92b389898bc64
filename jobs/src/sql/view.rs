//! What one query sees: the tables as of one moment.
//!
//! Every table of a query is read through the same snapshot, so a join never meets a bet whose
//! bettor is not there yet. The log's shards and the metrics are of the present: they are no
//! tables.

use std::ops::Bound;
use std::sync::Arc;

use arrow::array::RecordBatch;
use pipeline::Result;
use pipeline::adapters::embedded::EmbeddedTables;
use pipeline::tables::{RowRef, Tables};

use crate::node::Node;

/// A stored row: its key and its bytes.
pub type Stored = (Vec<u8>, Vec<u8>);

/// A node as of one moment.
pub struct View {
    /// Its clock, its log, its settings.
    pub node: Node,
    /// Its tables, as of the moment.
    pub tables: EmbeddedTables,
}

impl View {
    /// The node as it is now.
    pub fn open(node: &Node) -> View {
        View { node: node.clone(), tables: node.tables.frozen() }
    }

    /// The tables behind the engine's port.
    pub fn port(&self) -> Tables {
        Tables::Embedded(self.tables.clone())
    }

    /// A block of bets; nothing after the last one.
    pub fn block(&self, number: u64) -> Result<Option<RecordBatch>> {
        self.tables.block(&self.tables.view(), &self.node.bets, number)
    }

    /// A block of bets as it went in; nothing after the last one.
    pub fn written(&self, number: u64) -> Result<Option<RecordBatch>> {
        self.tables.written(&self.tables.view(), &self.node.bets, number)
    }

    /// How many blocks of bets to look for; the last ones may be newer than the view.
    pub fn blocks(&self) -> Result<u64> {
        self.tables.facts(self.node.bets.name)?.next_block()
    }

    /// Where the bets with an index key stand, newest first.
    pub fn find(&self, index: &str, key: &[u8], limit: usize) -> Result<Vec<RowRef>> {
        self.tables.find(&self.tables.view(), &self.node.bets, index, key, limit)
    }
}

/// The rows of a table in key order, a page at a time: at most a page is in memory.
pub struct Pages {
    view: Arc<View>,
    table: &'static str,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    size: usize,
    done: bool,
}

impl Pages {
    /// Every row whose key lies between the bounds.
    pub fn between(
        view: Arc<View>,
        table: &'static str,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
        size: usize,
    ) -> Pages {
        Pages { view, table, from, to, size: size.max(1), done: false }
    }

    /// Every row.
    pub fn all(view: Arc<View>, table: &'static str, size: usize) -> Pages {
        Pages::between(view, table, Bound::Unbounded, Bound::Unbounded, size)
    }
}

impl Iterator for Pages {
    type Item = Result<Vec<Stored>>;

    fn next(&mut self) -> Option<Result<Vec<Stored>>> {
        if self.done {
            return None;
        }
        let page = self.view.tables.range(self.table, (self.from.clone(), self.to.clone()), self.size);
        match &page {
            Ok(rows) => {
                self.done = rows.len() < self.size;
                if let Some((last, _)) = rows.last() {
                    self.from = Bound::Excluded(last.clone());
                }
            }
            Err(_) => self.done = true,
        }
        Some(page).filter(|page| !matches!(page, Ok(rows) if rows.is_empty()))
    }
}
