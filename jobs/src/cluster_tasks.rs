//! A worker's tasks, by name: what is left of them can be told while a stop takes its time.

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline::{Error, Result};
use tokio::task::{Id, JoinSet};

/// After how long without news a stop says what it waits for.
pub const TELL: Duration = Duration::from_secs(5);

/// Tasks that run at once. They end with this.
pub struct Tasks {
    running: JoinSet<Result<()>>,
    names: BTreeMap<Id, String>,
}

impl Tasks {
    /// None yet.
    pub fn new() -> Tasks {
        Tasks { running: JoinSet::new(), names: BTreeMap::new() }
    }

    /// Begins one.
    pub fn spawn(&mut self, name: impl Into<String>, task: impl Future<Output = Result<()>> + Send + 'static) {
        let handle = self.running.spawn(task);
        self.names.insert(handle.id(), name.into());
    }

    /// Waits for the next one to end; nothing when none runs.
    pub async fn join_next(&mut self) -> Option<Result<()>> {
        let ended = self.running.join_next_with_id().await?;
        self.names.remove(&ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id));
        Some(ended.map_err(|cause| Error::fatal("a worker's task", cause)).and_then(|(_, ended)| ended))
    }

    /// Ends all of them where they are.
    pub fn abort_all(&mut self) {
        self.running.abort_all();
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Those that run, such as `mails, closing windows`.
    pub fn names(&self) -> String {
        self.names.values().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}
