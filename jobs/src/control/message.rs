//! What is said on the control socket.

use pipeline::record::Position;
use pipeline::shard::{HashRange, Shard, ShardId};
use pipeline::{Arrival, Error, Result};
use schemas::ids::QuestionId;
use serde::{Deserialize, Serialize};

use super::history;
use crate::redrive::{Report, Selection};

/// What a client asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// The first frame of a connection.
    Hello(Hello),
    /// Who runs here.
    Status,
    /// The streams' names.
    Streams,
    /// A stream's shards.
    Shards {
        /// The stream.
        stream: String,
    },
    /// Appends the records of the data frame that follows.
    Append {
        /// The stream.
        stream: String,
    },
    /// Reads a shard; a data frame with the records follows the response.
    Read {
        /// The stream.
        stream: String,
        /// The shard's number.
        shard: u32,
        /// The position after which to read.
        after: String,
        /// Data bytes wanted, about.
        max_bytes: usize,
    },
    /// Waits until the log has had more appends than `after`, for `timeout_ms` at most.
    Wait {
        /// A count from an earlier answer.
        after: u64,
        /// How long, at most.
        timeout_ms: u64,
    },
    /// Runs a query; an Arrow IPC stream in data frames follows the response.
    Sql {
        /// The query.
        query: String,
    },
    /// A question as it stands; its row follows the response in a data frame, empty where there is none.
    Question {
        /// The question.
        id: QuestionId,
    },
    /// Appends dead letters to their streams again.
    Redrive(Selection),
    /// How far in time everything is applied.
    Frontier,
    /// Bets in the order of their decisions; an Arrow IPC stream in data frames follows the response.
    Bets(history::Asked),
    /// What is stored of a window; its bytes follow the response in data frames, none where there is nothing.
    Window {
        /// The window job.
        name: String,
        /// The window's start.
        start: i64,
    },
    /// Stores what the data frames that follow have of a final window, if nothing is stored of it.
    Fill {
        /// The window job.
        name: String,
        /// The window's start.
        start: i64,
    },
}

/// Who speaks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// See [`super::PROTOCOL`].
    pub protocol: u32,
    /// The program's version.
    pub version: String,
}

impl Hello {
    /// This program's.
    pub fn ours() -> Hello {
        Hello { protocol: super::PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Refuses a peer that speaks another protocol.
    pub fn check(&self) -> Result<()> {
        if self.protocol == super::PROTOCOL {
            return Ok(());
        }
        Err(Error::Reject(format!(
            "the running oddsmill {} speaks control protocol {}, this one {}; use the same program for both, or stop the running one",
            self.version,
            self.protocol,
            super::PROTOCOL
        )))
    }
}

/// What a server answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::Hello`].
    Hello(Hello),
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Streams`].
    Streams {
        /// Names.
        streams: Vec<String>,
    },
    /// To [`Request::Shards`].
    Shards {
        /// By number.
        shards: Vec<ShardInfo>,
    },
    /// To [`Request::Append`]: shard number and position of each record.
    Appended {
        /// In the order given.
        places: Vec<(u32, String)>,
    },
    /// To [`Request::Read`].
    Read {
        /// Whether the shard is closed and read to its end.
        shard_end: bool,
    },
    /// To [`Request::Wait`].
    Waited {
        /// Appends so far.
        appends: u64,
    },
    /// To [`Request::Sql`].
    Rows,
    /// To [`Request::Question`].
    Question {
        /// The pipeline's time, in milliseconds since the epoch.
        now: i64,
        /// Whether every game event in the log is applied.
        current: bool,
    },
    /// To [`Request::Redrive`].
    Redriven(Report),
    /// To [`Request::Frontier`], in milliseconds since the epoch.
    Frontier {
        /// Everything that arrived before this is applied.
        at: i64,
    },
    /// To [`Request::Window`].
    Window,
    /// To [`Request::Fill`].
    Filled {
        /// Whether nothing was stored of the window before.
        new: bool,
    },
    /// Instead of any of them.
    Error(ErrorInfo),
}

/// Who runs here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// `run` or `replay`.
    pub command: String,
    /// The process.
    pub pid: u32,
    /// Its program's version.
    pub version: String,
    /// Whether it takes appends.
    pub writable: bool,
}

/// A shard, with its numbers as texts: JSON has none of 128 bits.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShardInfo {
    id: u32,
    start: String,
    end: String,
    parents: Vec<u32>,
    closed: bool,
    last: String,
    last_arrival: i64,
}

impl From<&Shard> for ShardInfo {
    fn from(shard: &Shard) -> Self {
        ShardInfo {
            id: shard.id.0,
            start: shard.range.start.to_string(),
            end: shard.range.end.to_string(),
            parents: shard.parents.iter().map(|parent| parent.0).collect(),
            closed: shard.closed,
            last: shard.last.to_string(),
            last_arrival: shard.last_arrival.0,
        }
    }
}

impl TryFrom<ShardInfo> for Shard {
    type Error = Error;

    fn try_from(info: ShardInfo) -> Result<Shard> {
        let number = |text: &str| {
            text.parse::<u128>().map_err(|_| Error::Reject(format!("hash key {text:?} is no 128-bit number")))
        };
        Ok(Shard {
            id: ShardId(info.id),
            range: HashRange { start: number(&info.start)?, end: number(&info.end)? },
            parents: info.parents.into_iter().map(ShardId).collect(),
            closed: info.closed,
            last: info.last.parse::<Position>()?,
            last_arrival: Arrival(info.last_arrival),
        })
    }
}

/// A failure, by what the caller must do.
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// What the caller must do.
    pub kind: ErrorKind,
    /// What is wrong, and the way out.
    pub text: String,
}

/// The kinds of failure that cross the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The same request may succeed later.
    Retry,
    /// The request is wrong.
    Reject,
    /// The server cannot go on.
    Fatal,
}

impl From<Error> for ErrorInfo {
    fn from(error: Error) -> Self {
        match error {
            // Their texts as they are: the receiver's own Display says what to do.
            Error::Retry(text) => ErrorInfo { kind: ErrorKind::Retry, text },
            Error::Reject(text) => ErrorInfo { kind: ErrorKind::Reject, text },
            other => ErrorInfo { kind: ErrorKind::Fatal, text: other.to_string() },
        }
    }
}

impl From<ErrorInfo> for Error {
    fn from(info: ErrorInfo) -> Self {
        match info.kind {
            ErrorKind::Retry => Error::Retry(info.text),
            ErrorKind::Reject => Error::Reject(info.text),
            ErrorKind::Fatal => Error::Fatal(info.text),
        }
    }
}
