//! The asking side: typed requests over one connection, queries over one of their own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, stream};
use pipeline::log::Chunk;
use pipeline::record::{Append, Position};
use pipeline::shard::{Shard, ShardId};
use pipeline::{Arrival, Error, Result};
use schemas::ids::QuestionId;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::access::Rows;
use super::frame::{self, Frame};
use super::history::{Asked, MAX_WINDOW_BYTES};
use super::message::{Hello, Request, Response, Status};
use super::question::{self, Standing};
use super::{records, socket};
use crate::redrive::{Report, Selection};

/// A client of the process that owns a data directory.
pub struct Client {
    dir: PathBuf,
    connection: Mutex<UnixStream>,
    /// Who answers.
    pub status: Status,
}

impl Client {
    /// Connects to a directory's owner; nothing where nobody serves its socket.
    pub async fn connect(dir: &Path) -> Result<Option<Client>> {
        let Some(stream) = socket::connect(dir).await.map_err(|cause| Error::fatal("control socket", cause))? else {
            return Ok(None);
        };
        Client::greet(dir.to_path_buf(), stream).await.map(Some)
    }

    /// Says hello over a fresh connection.
    pub(super) async fn greet(dir: PathBuf, mut stream: UnixStream) -> Result<Client> {
        hello(&mut stream).await?;
        let status = match ask(&mut stream, &Request::Status).await? {
            Response::Status(status) => status,
            _ => return Err(unexpected()),
        };
        Ok(Client { dir, connection: Mutex::new(stream), status })
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every stream's name.
    pub async fn streams(&self) -> Result<Vec<String>> {
        match self.ask(&Request::Streams).await? {
            Response::Streams { streams } => Ok(streams),
            _ => Err(unexpected()),
        }
    }

    /// A stream's shards, closed ones included, by number.
    pub async fn shards(&self, stream: &str) -> Result<Vec<Shard>> {
        match self.ask(&Request::Shards { stream: stream.to_owned() }).await? {
            Response::Shards { shards } => shards.into_iter().map(Shard::try_from).collect(),
            _ => Err(unexpected()),
        }
    }

    /// Appends records, of [`super::server::MAX_APPEND_BYTES`] at most.
    pub async fn append(&self, stream: &str, batch: &[Append]) -> Result<Vec<(ShardId, Position)>> {
        let mut connection = self.connection.lock().await;
        frame::send(&mut *connection, &Request::Append { stream: stream.to_owned() }).await?;
        frame::send_data(&mut *connection, &records::encode_appends(batch)).await?;
        match response(&mut connection).await? {
            Response::Appended { places } => {
                places.into_iter().map(|(shard, position)| Ok((ShardId(shard), position.parse()?))).collect()
            }
            _ => Err(unexpected()),
        }
    }

    /// Reads a shard after a position.
    pub async fn read(&self, stream: &str, shard: ShardId, after: Position, max_bytes: usize) -> Result<Chunk> {
        let mut connection = self.connection.lock().await;
        let request = Request::Read { stream: stream.to_owned(), shard: shard.0, after: after.to_string(), max_bytes };
        match ask(&mut connection, &request).await? {
            Response::Read { shard_end } => {
                let data = frame::receive_data(&mut *connection).await?.ok_or_else(unexpected)?;
                Ok(Chunk { records: records::decode_records(data)?, shard_end })
            }
            _ => Err(unexpected()),
        }
    }

    /// Waits until the log has had more appends than `after`, or the limit is over.
    pub async fn wait(&self, after: u64, limit: Duration) -> Result<u64> {
        let timeout_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        match self.ask(&Request::Wait { after, timeout_ms }).await? {
            Response::Waited { appends } => Ok(appends),
            _ => Err(unexpected()),
        }
    }

    /// Runs a query. Its rows come over a connection of their own, as they are asked for.
    pub async fn sql(&self, query: &str) -> Result<Rows> {
        self.stream(&Request::Sql { query: query.to_owned() }).await
    }

    /// The rows that answer a request, over a connection of their own.
    async fn stream(&self, request: &Request) -> Result<Rows> {
        let gone = || Error::Retry("the pipeline stopped meanwhile".into());
        let connected = socket::connect(&self.dir).await.map_err(|cause| Error::fatal("control socket", cause))?;
        let mut stream = connected.ok_or_else(gone)?;
        hello(&mut stream).await?;
        match ask(&mut stream, request).await? {
            Response::Rows => rows(stream).await,
            _ => Err(unexpected()),
        }
    }

    /// A question as it stands.
    pub async fn question(&self, id: QuestionId) -> Result<Standing> {
        let mut connection = self.connection.lock().await;
        match ask(&mut connection, &Request::Question { id }).await? {
            Response::Question { now, current } => {
                let bytes = frame::receive_data(&mut *connection).await?.unwrap_or_default();
                let row = if bytes.is_empty() { None } else { Some(question::decode(&bytes)?) };
                Ok(Standing { row, now: Arrival(now), current })
            }
            _ => Err(unexpected()),
        }
    }

    /// Redrives dead letters.
    pub async fn redrive(&self, selection: &Selection) -> Result<Report> {
        match self.ask(&Request::Redrive(selection.clone())).await? {
            Response::Redriven(report) => Ok(report),
            _ => Err(unexpected()),
        }
    }

    /// Everything that arrived before this is applied.
    pub async fn frontier(&self) -> Result<Arrival> {
        match self.ask(&Request::Frontier).await? {
            Response::Frontier { at } => Ok(Arrival(at)),
            _ => Err(unexpected()),
        }
    }

    /// Bets in the order of their decisions, over a connection of their own.
    pub async fn bets(&self, asked: Asked) -> Result<Rows> {
        self.stream(&Request::Bets(asked)).await
    }

    /// What is stored of a window.
    pub async fn window(&self, name: &str, start: i64) -> Result<Option<Vec<u8>>> {
        let mut connection = self.connection.lock().await;
        match ask(&mut connection, &Request::Window { name: name.to_owned(), start }).await? {
            Response::Window => {
                let bytes = frame::receive_parts(&mut *connection, MAX_WINDOW_BYTES).await?;
                Ok((!bytes.is_empty()).then_some(bytes))
            }
            _ => Err(unexpected()),
        }
    }

    /// Stores the rows of a final window, if nothing is stored of it; says whether so.
    pub async fn fill(&self, name: &str, start: i64, rows: &[u8]) -> Result<bool> {
        let mut connection = self.connection.lock().await;
        frame::send(&mut *connection, &Request::Fill { name: name.to_owned(), start }).await?;
        frame::send_parts(&mut *connection, rows).await?;
        match response(&mut connection).await? {
            Response::Filled { new } => Ok(new),
            _ => Err(unexpected()),
        }
    }

    async fn ask(&self, request: &Request) -> Result<Response> {
        ask(&mut *self.connection.lock().await, request).await
    }
}

async fn hello(stream: &mut UnixStream) -> Result<()> {
    match ask(stream, &Request::Hello(Hello::ours())).await? {
        Response::Hello(theirs) => theirs.check(),
        _ => Err(unexpected()),
    }
}

async fn ask(stream: &mut UnixStream, request: &Request) -> Result<Response> {
    frame::send(stream, request).await?;
    response(stream).await
}

async fn response(stream: &mut UnixStream) -> Result<Response> {
    match frame::receive_message(stream).await? {
        Some(Response::Error(error)) => Err(error.into()),
        Some(response) => Ok(response),
        None => Err(Error::Retry("the pipeline closed the control connection".into())),
    }
}

fn unexpected() -> Error {
    Error::Reject("the running pipeline gave an answer to another question; use the same program for both".into())
}

/// The rows of an Arrow IPC stream that comes in data frames.
async fn rows(stream: UnixStream) -> Result<Rows> {
    let mut incoming = Incoming { stream, decoder: StreamDecoder::new(), buffer: Buffer::default(), ended: false };
    // The schema comes before any row; a first batch may come with it.
    let mut first = None;
    while first.is_none() && incoming.decoder.schema().is_none() && !incoming.ended {
        first = incoming.step().await?;
    }
    let schema = incoming.decoder.schema().ok_or_else(unexpected)?;
    let head = stream::iter(first.map(Ok));
    let tail = stream::try_unfold(incoming, |mut incoming| async move {
        while !incoming.ended {
            if let Some(batch) = incoming.step().await? {
                return Ok(Some((batch, incoming)));
            }
        }
        Ok(None)
    });
    Ok(Rows { schema, batches: head.chain(tail).boxed() })
}

struct Incoming {
    stream: UnixStream,
    decoder: StreamDecoder,
    buffer: Buffer,
    ended: bool,
}

impl Incoming {
    /// Decodes what is there, or takes one more frame.
    async fn step(&mut self) -> Result<Option<RecordBatch>> {
        if self.buffer.is_empty() {
            match frame::receive(&mut self.stream).await? {
                Some(Frame::Data(bytes)) => self.buffer = Buffer::from_vec(bytes),
                Some(Frame::End) => {
                    self.ended = true;
                    self.decoder.finish()?;
                    return Ok(None);
                }
                Some(Frame::Message(payload)) => match frame::parse(&payload)? {
                    Response::Error(error) => return Err(error.into()),
                    _ => return Err(unexpected()),
                },
                None => return Err(Error::Retry("the pipeline stopped before the last row".into())),
            }
        }
        Ok(self.decoder.decode(&mut self.buffer)?)
    }
}
