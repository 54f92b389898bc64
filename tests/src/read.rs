//! What tests read back from a node as text.

use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use jobs::node::Node;
use pipeline::record::{Position, Record};

/// The rows of a query, each as its cells with ` | ` between.
pub async fn rows(node: &Node, sql: &str) -> Vec<String> {
    let (_, mut batches) = jobs::sql::query(node, sql).await.unwrap();
    let (mut out, options) = (Vec::new(), FormatOptions::default());
    while let Some(batch) = batches.next().await {
        let batch = batch.unwrap();
        let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
            out.push(cells.join(" | "));
        }
    }
    out
}

/// Every record of a stream, by shard and position.
pub fn records(node: &Node, stream: &str) -> Vec<Record> {
    let read = |shard| node.log.read(stream, shard, Position::START, usize::MAX).unwrap().records;
    node.log.shards(stream).unwrap().iter().flat_map(|shard| read(shard.id)).collect()
}
