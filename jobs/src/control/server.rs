//! The serving side: one task a connection, one request at a time on each.
//!
//! Bounds: [`MAX_CONNECTIONS`] connections; [`MAX_APPEND_BYTES`] of records in an append and
//! [`MAX_READ_BYTES`] in a read, so that all connections together hold under 0.5 GiB; a wait of at
//! most [`MAX_WAIT`]; one window that is filled at a time, of [`MAX_WINDOW_BYTES`]. A connection says
//! hello within [`HELLO_LIMIT`] or is closed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::ipc::writer::StreamWriter;
use futures::StreamExt;
use pipeline::{Error, Result};
use schemas::row::Row;
use tokio::io::AsyncReadExt;
use tokio::net::unix::WriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::access::{self, Rows};
use super::history::{self, MAX_WINDOW_BYTES};
use super::message::{Hello, Request, Response, Status};
use super::question::{self, Standing};
use super::{frame, records, socket};
use crate::node::Node;

/// Connections served at once.
const MAX_CONNECTIONS: usize = 64;
/// Bytes of records in one append.
pub const MAX_APPEND_BYTES: usize = 4 << 20;
/// Bytes of data in one read; a last block may add 2 MiB.
pub const MAX_READ_BYTES: usize = 4 << 20;
/// The longest wait for an append.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// How long a new connection may take to say hello.
const HELLO_LIMIT: Duration = Duration::from_secs(5);
/// How long a stop waits for requests that were begun.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What clients may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything: a live pipeline.
    Live,
    /// Only look: a replay, whose log follows its source and nobody else.
    ReadOnly,
}

/// A server that runs.
pub struct Server {
    dir: PathBuf,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves the node's directory until it is stopped. `command` is what clients are told runs here.
    pub fn start(node: Node, command: &str, mode: Mode) -> Result<Server> {
        let dir = node.dir().to_path_buf();
        let listener = socket::bind(&dir).map_err(|cause| Error::fatal("control socket", cause))?;
        let status = Status {
            command: command.to_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            writable: mode == Mode::Live,
        };
        let stop = watch::Sender::new(false);
        let task = tokio::spawn(accept(
            listener,
            Arc::new(Service { node, status, fills: Semaphore::new(1) }),
            stop.subscribe(),
        ));
        Ok(Server { dir, stop, task })
    }

    /// Takes no more requests, lets those that were begun end, and removes the socket.
    pub async fn stop(mut self) {
        // New commands must find the directory, not a socket that will not answer.
        if let Err(cause) = socket::remove(&self.dir) {
            tracing::warn!(%cause, "the control socket cannot be removed");
        }
        self.stop.send_replace(true);
        if tokio::time::timeout(STOP_LIMIT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

async fn accept(listener: UnixListener, service: Arc<Service>, stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stopped = stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        while connections.try_join_next().is_some() {}
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(cause) => {
                // Out of file handles, most likely: let others end first.
                tracing::warn!(%cause, "a control connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let place = places.clone().try_acquire_owned();
        let (service, stop) = (service.clone(), stop.clone());
        connections.spawn(async move {
            let outcome = match place {
                Ok(_place) => converse(stream, &service, stop).await,
                Err(_) => refuse(stream).await,
            };
            if let Err(error) = outcome {
                tracing::debug!(%error, "a control connection ended");
            }
        });
    }
    while connections.join_next().await.is_some() {}
}

async fn refuse(mut stream: UnixStream) -> Result<()> {
    // A peer that is answered before it has spoken may see a broken pipe instead of the reason.
    let _ = tokio::time::timeout(HELLO_LIMIT, frame::receive(&mut stream)).await;
    let error = Error::Retry(format!("{MAX_CONNECTIONS} commands use this pipeline already"));
    frame::send(&mut stream, &Response::Error(error.into())).await
}

/// One connection: hello, then request and response in turn.
pub(super) async fn converse(mut stream: UnixStream, service: &Service, mut stop: watch::Receiver<bool>) -> Result<()> {
    let hello = tokio::time::timeout(HELLO_LIMIT, frame::receive_message::<Request>(&mut stream)).await;
    let Ok(hello) = hello else { return Ok(()) };
    // Our hello goes out first: a client of another version then knows what it met.
    match hello? {
        Some(Request::Hello(theirs)) => {
            frame::send(&mut stream, &Response::Hello(Hello::ours())).await?;
            theirs.check()?;
        }
        _ => return Err(Error::Reject("a control connection that does not begin with hello".into())),
    }
    loop {
        let request = tokio::select! {
            request = frame::receive_message::<Request>(&mut stream) => request?,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let Some(request) = request else { return Ok(()) };
        if let Err(error) = service.answer(request, &mut stream).await {
            frame::send(&mut stream, &Response::Error(error.into())).await?;
        }
    }
}

/// What connections share.
pub(super) struct Service {
    pub node: Node,
    pub status: Status,
    /// Windows are taken one at a time: each may be large.
    pub fills: Semaphore,
}

impl Service {
    /// Answers one request. An error is sent by the caller, before any other part of an answer or
    /// in place of the data that is due.
    async fn answer(&self, request: Request, stream: &mut UnixStream) -> Result<()> {
        let response = match request {
            Request::Hello(_) => Response::Hello(Hello::ours()),
            Request::Status => Response::Status(self.status.clone()),
            Request::Streams => Response::Streams { streams: self.node.log.streams() },
            Request::Shards { stream } => {
                Response::Shards { shards: self.node.log.shards(&stream)?.iter().map(Into::into).collect() }
            }
            Request::Append { stream: name } => {
                // The data is read in any case, so that the conversation stays in step.
                let data = frame::receive_data(stream).await?.unwrap_or_default();
                self.writable()?;
                if data.len() > MAX_APPEND_BYTES {
                    return Err(Error::Reject(format!(
                        "an append of {} bytes; send {MAX_APPEND_BYTES} at most",
                        data.len()
                    )));
                }
                let places = access::append(&self.node, &name, records::decode_appends(data)?).await?;
                Response::Appended { places: places.into_iter().map(|(shard, at)| (shard.0, at.to_string())).collect() }
            }
            Request::Read { stream: name, shard, after, max_bytes } => {
                let chunk =
                    access::read(&self.node, &name, shard, after.parse()?, max_bytes.min(MAX_READ_BYTES)).await?;
                frame::send(stream, &Response::Read { shard_end: chunk.shard_end }).await?;
                return frame::send_data(stream, &records::encode_records(&chunk.records)).await;
            }
            Request::Wait { after, timeout_ms } => {
                let limit = Duration::from_millis(timeout_ms).min(MAX_WAIT);
                Response::Waited { appends: access::wait(&self.node, after, limit).await }
            }
            Request::Sql { query } => return send_rows(access::query(&self.node, &query), stream).await,
            Request::Question { id } => {
                let Standing { row, now, current } = question::standing(&self.node, id).await?;
                frame::send(stream, &Response::Question { now: now.0, current }).await?;
                return frame::send_data(stream, &row.map(|row| row.to_bytes()).unwrap_or_default()).await;
            }
            Request::Frontier => Response::Frontier { at: history::frontier(&self.node).await?.0 },
            Request::Bets(asked) => {
                return send_rows(std::future::ready(history::bets(&self.node, asked)), stream).await;
            }
            Request::Window { name, start } => {
                let bytes = history::window(&self.node, &name, start)?;
                frame::send(stream, &Response::Window).await?;
                return frame::send_parts(stream, &bytes.unwrap_or_default()).await;
            }
            Request::Fill { name, start } => {
                let _turn = self.fills.acquire().await.map_err(|cause| Error::fatal("taking a window", cause))?;
                // The data is read in any case, so that the conversation stays in step.
                let rows = frame::receive_parts(stream, MAX_WINDOW_BYTES).await?;
                self.writable()?;
                Response::Filled { new: history::fill(&self.node, &name, start, &rows).await? }
            }
            Request::Redrive(selection) => {
                self.writable()?;
                Response::Redriven(crate::redrive::redrive(&self.node, &selection).await?)
            }
        };
        frame::send(stream, &response).await
    }

    fn writable(&self) -> Result<()> {
        if self.status.writable {
            return Ok(());
        }
        Err(Error::Reject(format!(
            "a {} runs on this directory and takes no records but its own; wait for it to end",
            self.status.command
        )))
    }
}

/// Answers with rows as long as the client is there. It says nothing before the last row, so whatever
/// comes is its end.
async fn send_rows(rows: impl Future<Output = Result<Rows>>, stream: &mut UnixStream) -> Result<()> {
    let ((mut from, mut to), mut said) = (stream.split(), [0]);
    tokio::select! {
        outcome = write_rows(rows, &mut to) => outcome,
        _ = from.read(&mut said) => Err(Error::Retry("the client is gone".into())),
    }
}

/// Writes rows as an Arrow IPC stream.
async fn write_rows(rows: impl Future<Output = Result<Rows>>, out: &mut WriteHalf<'_>) -> Result<()> {
    let mut rows = rows.await?;
    frame::send(out, &Response::Rows).await?;
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema)?;
    while let Some(batch) = rows.batches.next().await {
        writer.write(&batch?)?;
        frame::send_all(out, &std::mem::take(writer.get_mut())).await?;
    }
    writer.finish()?;
    frame::send_parts(out, writer.get_ref()).await
}
