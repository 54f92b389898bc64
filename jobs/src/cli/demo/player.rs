//! Plays a day: every line is appended when its time has come by the node's clock.

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline::record::Append;
use pipeline::{Arrival, Error, Result};

use crate::node::Node;
use crate::sources::generate::{Line, MatchDay};

/// How often lines are appended, in real time.
const EVERY: Duration = Duration::from_millis(20);
/// Lines of an append. When the player is behind, it catches up by as much at a time.
const BATCH: usize = 5_000;

/// See the module.
pub struct Player {
    node: Node,
    lines: Box<dyn Iterator<Item = Line> + Send>,
    next: Option<Line>,
}

impl Player {
    /// A day, and all that follow it.
    pub fn new(node: Node, day: MatchDay) -> Player {
        Player { node, lines: Box::new(day.days()), next: None }
    }

    /// Plays until it is aborted.
    pub async fn run(mut self) -> Result<()> {
        loop {
            let batch = self.due();
            let full = batch.values().map(Vec::len).sum::<usize>() >= BATCH;
            for (stream, records) in batch {
                let log = self.node.log.clone();
                let appended = tokio::task::spawn_blocking(move || log.append(stream, &records));
                appended.await.map_err(|cause| Error::fatal("the demo's producer", cause))??;
            }
            if !full {
                tokio::time::sleep(EVERY).await;
            }
        }
    }

    /// The lines whose time has come, by stream. The log itself stamps them.
    fn due(&mut self) -> BTreeMap<&'static str, Vec<Append>> {
        let now = self.node.clock.now();
        let mut batch = BTreeMap::<_, Vec<Append>>::new();
        for _ in 0..BATCH {
            let Some(line) = self.next.take().or_else(|| self.lines.next()) else { break };
            if Arrival(line.at.millis()) > now {
                self.next = Some(line);
                break;
            }
            let record = Append::new(line.partition_key, line.bytes);
            // A bad line that is over the log's limits never arrives.
            if record.check().is_ok() {
                batch.entry(line.stream).or_default().push(record);
            }
        }
        batch
    }
}
