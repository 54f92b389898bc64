//! How commands reach a data directory: over its owner's socket, or by opening it themselves.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};
use pipeline::log::Chunk;
use pipeline::record::{Append, Position};
use pipeline::shard::{Shard, ShardId};
use pipeline::{Arrival, Clock, Error, Result};
use schemas::ids::QuestionId;

use super::client::Client;
use super::history;
use super::question::{self, Standing};
use super::socket;
use crate::config::Config;
use crate::node::Node;
use crate::redrive::{self, Report, Selection};

/// A process that has just locked the directory needs a moment to serve it, and a short command a
/// moment to let it go: so often, so far apart, one that finds it locked tries again.
const ATTEMPTS: u32 = 20;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// A way to a data directory.
pub enum Access {
    /// This process has opened it; no job runs.
    Local(Box<Node>),
    /// Another process owns it and answers.
    Remote(Client),
}

/// What to do where there is no directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Create it: for commands that write.
    Create,
    /// Say so: for commands that read.
    Refuse,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("there is no data directory {0}; `oddsmill run` or `oddsmill replay` creates it, --data-dir names another")]
    Missing(String),
    /// Another process holds it.
    #[error(
        "data directory {0} is in use by another process that serves no socket there; wait for it to end, or stop it"
    )]
    Busy(String),
    /// A pipeline runs there, and the command needs the directory for itself.
    #[error(
        "data directory {dir}: an oddsmill {command} runs on it (process {pid}); stop it, or choose another directory with --data-dir"
    )]
    Running {
        /// The directory.
        dir: String,
        /// What runs.
        command: String,
        /// Its process.
        pid: u32,
    },
    /// It cannot be opened.
    #[error("data directory {dir}: {cause}")]
    Unusable {
        /// The directory.
        dir: String,
        /// Why.
        cause: Error,
    },
}

/// The outcome of reaching a directory.
pub type Opened<T> = std::result::Result<T, OpenError>;

/// A query's rows, as they come.
pub struct Rows {
    /// Their columns.
    pub schema: SchemaRef,
    /// Batches of them.
    pub batches: Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>,
}

impl Access {
    /// Reaches the configured directory: its owner's socket if one answers, else the directory.
    pub async fn open(config: &Config, missing: Missing) -> Opened<Access> {
        let dir = &config.data_dir;
        for _ in 0..ATTEMPTS {
            if let Some(client) = connect(config).await? {
                return Ok(Access::Remote(client));
            }
            if missing == Missing::Refuse && !exists(dir) {
                return Err(OpenError::Missing(dir.display().to_string()));
            }
            match open_node(config, Clock::System) {
                Err(OpenError::Busy(_)) => tokio::time::sleep(BETWEEN_ATTEMPTS).await,
                outcome => return outcome.map(|node| Access::Local(Box::new(node))),
            }
        }
        Err(OpenError::Busy(dir.display().to_string()))
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        match self {
            Access::Local(node) => node.dir(),
            Access::Remote(client) => client.dir(),
        }
    }

    /// Every stream's name.
    pub async fn streams(&self) -> Result<Vec<String>> {
        match self {
            Access::Local(node) => Ok(node.log.streams()),
            Access::Remote(client) => client.streams().await,
        }
    }

    /// A stream's shards, closed ones included, by number.
    pub async fn shards(&self, stream: &str) -> Result<Vec<Shard>> {
        match self {
            Access::Local(node) => node.log.shards(stream),
            Access::Remote(client) => client.shards(stream).await,
        }
    }

    /// Appends records in order, of [`super::server::MAX_APPEND_BYTES`] at most; returns once they
    /// are durable.
    pub async fn append(&self, stream: &str, records: Vec<Append>) -> Result<Vec<(ShardId, Position)>> {
        match self {
            Access::Local(node) => append(node, stream, records).await,
            Access::Remote(client) => client.append(stream, &records).await,
        }
    }

    /// Reads a shard after a position, up to about `max_bytes` of data.
    pub async fn read(&self, stream: &str, shard: ShardId, after: Position, max_bytes: usize) -> Result<Chunk> {
        match self {
            Access::Local(node) => read(node, stream, shard.0, after, max_bytes).await,
            Access::Remote(client) => client.read(stream, shard, after, max_bytes).await,
        }
    }

    /// Waits until the log has had more appends than `after`, for `limit` at most; returns how
    /// many it has had. A count of 0 asks for the number as it is.
    pub async fn wait(&self, after: u64, limit: Duration) -> Result<u64> {
        match self {
            Access::Local(node) => Ok(wait(node, after, limit).await),
            Access::Remote(client) => client.wait(after, limit).await,
        }
    }

    /// Runs a query of the read-only SQL surface.
    pub async fn sql(&self, text: &str) -> Result<Rows> {
        match self {
            Access::Local(node) => query(node, text).await,
            Access::Remote(client) => client.sql(text).await,
        }
    }

    /// A question as it stands.
    pub async fn question(&self, id: QuestionId) -> Result<Standing> {
        match self {
            Access::Local(node) => question::standing(node, id).await,
            Access::Remote(client) => client.question(id).await,
        }
    }

    /// Everything that arrived before this is applied.
    pub async fn frontier(&self) -> Result<Arrival> {
        match self {
            Access::Local(node) => history::frontier(node).await,
            Access::Remote(client) => client.frontier().await,
        }
    }

    /// Bets in the order of their decisions, as they are stored.
    pub async fn bets(&self, asked: history::Asked) -> Result<Rows> {
        match self {
            Access::Local(node) => history::bets(node, asked),
            Access::Remote(client) => client.bets(asked).await,
        }
    }

    /// What is stored of a window.
    pub async fn window(&self, name: &str, start: i64) -> Result<Option<Vec<u8>>> {
        match self {
            Access::Local(node) => history::window(node, name, start),
            Access::Remote(client) => client.window(name, start).await,
        }
    }

    /// Stores the rows of a final window, if nothing is stored of it; says whether so.
    pub async fn fill(&self, name: &str, start: i64, rows: &[u8]) -> Result<bool> {
        match self {
            Access::Local(node) => history::fill(node, name, start, rows).await,
            Access::Remote(client) => client.fill(name, start, rows).await,
        }
    }

    /// Appends dead letters to their streams again.
    pub async fn redrive(&self, selection: &Selection) -> Result<Report> {
        match self {
            Access::Local(node) => redrive::redrive(node, selection).await,
            Access::Remote(client) => client.redrive(selection).await,
        }
    }
}

/// Opens a directory for a command that needs it for itself, such as `run` and `replay`.
pub async fn open_alone(config: &Config, clock: Clock) -> Opened<Node> {
    let dir = &config.data_dir;
    for _ in 0..ATTEMPTS {
        if let Some(client) = connect(config).await? {
            let (dir, status) = (dir.display().to_string(), client.status);
            return Err(OpenError::Running { dir, command: status.command, pid: status.pid });
        }
        match open_node(config, clock.clone()) {
            Err(OpenError::Busy(_)) => tokio::time::sleep(BETWEEN_ATTEMPTS).await,
            outcome => return outcome,
        }
    }
    Err(OpenError::Busy(dir.display().to_string()))
}

/// Whether a directory holds a store.
pub fn exists(dir: &Path) -> bool {
    dir.join("store").is_dir()
}

fn open_node(config: &Config, clock: Clock) -> Opened<Node> {
    Node::open(config.node_options(false), clock).map_err(|error| match error {
        Error::Reject(text) if text.contains("in use") => OpenError::Busy(config.data_dir.display().to_string()),
        cause => unusable(config, cause),
    })
}

async fn connect(config: &Config) -> Opened<Option<Client>> {
    Client::connect(&config.data_dir).await.map_err(|cause| unusable(config, cause))
}

fn unusable(config: &Config, cause: Error) -> OpenError {
    OpenError::Unusable { dir: config.data_dir.display().to_string(), cause }
}

/// Appends on a thread that may block: the call waits for the disk.
pub(super) async fn append(node: &Node, stream: &str, records: Vec<Append>) -> Result<Vec<(ShardId, Position)>> {
    let (log, stream) = (node.log.clone(), stream.to_owned());
    blocking(move || log.append(&stream, &records)).await
}

pub(super) async fn read(node: &Node, stream: &str, shard: u32, after: Position, max_bytes: usize) -> Result<Chunk> {
    let (log, stream) = (node.log.clone(), stream.to_owned());
    blocking(move || log.read(&stream, ShardId(shard), after, max_bytes)).await
}

pub(super) async fn wait(node: &Node, after: u64, limit: Duration) -> u64 {
    let mut appends = node.log.watch();
    // A closed channel or a timeout both leave the count as it is.
    let _ = tokio::time::timeout(limit, appends.wait_for(|count| *count > after)).await;

    *appends.borrow()
}

/// Runs a query of the read-only SQL surface on a node.
pub async fn query(node: &Node, text: &str) -> Result<Rows> {
    let (schema, batches) = crate::sql::query(node, text).await.map_err(|error| Error::Reject(error.to_string()))?;
    let batches = batches.map(|batch| batch.map_err(|cause| Error::Reject(format!("query: {cause}")))).boxed();
    Ok(Rows { schema, batches })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|cause| Err(Error::fatal("a task of the control socket", cause)))
}

/// The socket that this process would serve, for banners.
pub fn socket_path(node: &Node) -> std::path::PathBuf {
    socket::path(node.dir())
}
