//! The listening side: connections taken, counted, and ended with the node.
//!
//! Bounds: so many sessions as `sql.connections` says; [`RUNNING`] statements worked on at once,
//! the others wait within their time; [`MAX_OPEN`] answers begun and not yet read to their end; one
//! memory for all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::memory_pool::MemoryPool;
use pipeline::{Error, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::cancel::Cancels;
use super::connection::converse;
use super::{Listen, SqlOptions};
use crate::node::Node;
use crate::sql::memory::memory;

/// Statements worked on at once: queries take two threads each, and the pipeline needs some too.
const RUNNING: usize = 4;
/// Answers that are begun and not read to their end.
pub const MAX_OPEN: usize = 64;
/// Connections that have not said yet what they came for, a cancellation perhaps.
const ARRIVING: usize = 32;
/// How long a stop waits for connections to be told.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Where clients look for a server when they are not told.
const HOST: &str = "127.0.0.1";
const PORT: u16 = 5432;
/// Ports tried where the first one is taken.
const PORTS: u16 = 32;

/// What connections share.
pub struct Service {
    /// Whose tables they are.
    pub node: Node,
    /// How much a statement may have.
    pub options: SqlOptions,
    /// The memory of all queries.
    pub memory: Arc<dyn MemoryPool>,
    /// Places of sessions.
    pub sessions: Arc<Semaphore>,
    /// Places of statements that are worked on.
    pub running: Semaphore,
    /// Places of answers that are begun.
    pub open: Arc<Semaphore>,
    /// Who may cancel what.
    pub cancels: Arc<Cancels>,
    arriving: Arc<Semaphore>,
}

/// An endpoint that serves.
pub struct Endpoint {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Serves the node's tables as the settings say; `near` is whether a free port is looked for
    /// where they leave it open.
    ///
    /// # Errors
    /// An address that cannot be had.
    pub async fn of(node: &Node, options: &SqlOptions, near: bool) -> Result<Option<Endpoint>> {
        match &options.postgres {
            Listen::At(address) => Endpoint::start(node.clone(), options, address).await.map(Some),
            Listen::Auto if near => Endpoint::start_near(node.clone(), options, HOST, PORT).await.map(Some),
            Listen::Auto | Listen::Off => Ok(None),
        }
    }

    /// Serves the node's tables at an address, such as `127.0.0.1:5433`.
    ///
    /// # Errors
    /// An address that cannot be had.
    pub async fn start(node: Node, options: &SqlOptions, address: &str) -> Result<Endpoint> {
        let listener = TcpListener::bind(address).await.map_err(|cause| unbound(address, &cause))?;
        Endpoint::serve(node, options, listener)
    }

    /// The same on the first free port from `port` on.
    ///
    /// # Errors
    /// No free port among the next ones.
    pub async fn start_near(node: Node, options: &SqlOptions, host: &str, port: u16) -> Result<Endpoint> {
        for port in port..port.saturating_add(PORTS) {
            match TcpListener::bind((host, port)).await {
                Ok(listener) => return Endpoint::serve(node, options, listener),
                Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => {}
                Err(cause) => return Err(unbound(&format!("{host}:{port}"), &cause)),
            }
        }
        Err(Error::Reject(format!("no port of {host} from {port} to {} is free; set sql.postgres", port + PORTS - 1)))
    }

    fn serve(node: Node, options: &SqlOptions, listener: TcpListener) -> Result<Endpoint> {
        let address = listener.local_addr().map_err(|cause| Error::fatal("the PostgreSQL endpoint", cause))?;
        let service = Service {
            node,
            memory: memory(options.memory_bytes),
            sessions: Arc::new(Semaphore::new(options.connections)),
            running: Semaphore::new(RUNNING),
            open: Arc::new(Semaphore::new(MAX_OPEN)),
            cancels: Arc::default(),
            arriving: Arc::new(Semaphore::new(ARRIVING)),
            options: options.clone(),
        };
        let stop = watch::Sender::new(false);
        let task = tokio::spawn(accept(listener, Arc::new(service), stop.subscribe()));
        Ok(Endpoint { address, stop, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How psql reaches it.
    pub fn psql(&self) -> String {
        let port = if self.address.port() == PORT { String::new() } else { format!(" -p {}", self.address.port()) };
        let host = match self.address.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            ip => ip.to_string(),
        };
        format!("psql -h {host}{port}")
    }

    /// Takes no more connections, and ends those that there are.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(STOP_LIMIT, &mut self.task).await.is_err() {
            self.task.abort();
            // A task that is aborted gives back its handles of the node only when it has ended.
            let _ = self.task.await;
        }
    }
}

fn unbound(address: &str, cause: &io::Error) -> Error {
    Error::Reject(format!("sql.postgres: cannot listen at {address}: {cause}; choose another HOST:PORT, or off"))
}

async fn accept(listener: TcpListener, service: Arc<Service>, stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut stopped = stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => take(stream, &service, &stop, &mut connections),
            Err(cause) => {
                // Out of file handles, most likely: let others end first.
                tracing::warn!(%cause, "a PostgreSQL connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn take(stream: TcpStream, service: &Arc<Service>, stop: &watch::Receiver<bool>, connections: &mut JoinSet<()>) {
    // Without a place even to say what it came for, a connection is closed unheard.
    let Ok(arriving) = service.arriving.clone().try_acquire_owned() else { return };
    let (service, stop) = (service.clone(), stop.clone());
    connections.spawn(async move {
        if let Err(cause) = converse(stream, service, stop, arriving).await {
            tracing::debug!(%cause, "a PostgreSQL connection ended");
        }
    });
}
