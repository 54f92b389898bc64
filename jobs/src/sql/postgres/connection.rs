//! A conversation with one client: messages in their order, each within its time.
//!
//! An error in a simple query ends the query; in the extended protocol, what follows is ignored up
//! to the next Sync. An interrupted statement (time, cancellation, stop) is dropped where it waits,
//! and what was sent of it stays a whole number of messages.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BufMut;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{sleep, timeout};

use super::super::declared::tables;
use super::cancel::Ticket;
use super::catalog::Session;
use super::extended::Prepared;
use super::lex;
use super::message::{Message, Target};
use super::portal::Portal;
use super::refusal::{CANCELLED, LIMIT, Refusal, STOPPING, TOO_MANY_CONNECTIONS};
use super::server::Service;
use super::settings::{REPORTED, Settings};
use super::startup::{Arrival, arrive};
use super::wire::{Ready, Wire};
use crate::config::duration::show_millis;

/// How long a client may take to say what it came for.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(10);
/// How long a client that does not read has to hear why its statement ended.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Statements in one message.
const MAX_STATEMENTS: usize = 100;

/// Why a message was not answered.
#[derive(Debug)]
pub enum Trouble {
    /// The client is told.
    Refused(Refusal),
    /// The client is gone.
    Gone(io::Error),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        Trouble::Refused(refusal)
    }
}

impl From<io::Error> for Trouble {
    fn from(cause: io::Error) -> Trouble {
        Trouble::Gone(cause)
    }
}

/// A message that was answered, or why not.
pub type Done = Result<(), Trouble>;

/// Speaks with a client until either side ends it.
pub async fn converse(
    stream: TcpStream,
    service: Arc<Service>,
    stop: watch::Receiver<bool>,
    arriving: OwnedSemaphorePermit,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = Wire::new(stream);
    let Ok(arrival) = timeout(ARRIVAL_LIMIT, arrive(&mut wire)).await else { return Ok(()) };
    let refusal = match arrival? {
        Ok(Arrival::Gone) => return Ok(()),
        Ok(Arrival::Cancel { number, secret }) => {
            service.cancels.cancel(number, secret);
            return Ok(());
        }
        Ok(Arrival::Session { user, database, settings }) => match service.sessions.clone().try_acquire_owned() {
            Ok(_place) => {
                drop(arriving);
                return Connection::new(wire, service, stop, (user, database, settings)).run().await;
            }
            Err(_) => Refusal::fatal(
                TOO_MANY_CONNECTIONS,
                format!(
                    "{} sessions are open, as many as sql.connections allows; close some",
                    service.options.connections
                ),
            ),
        },
        Err(refusal) => refusal,
    };
    wire.refuse(&refusal);
    wire.flush().await
}

/// A session: its connection, and what it has begun.
pub struct Connection {
    pub(super) wire: Wire,
    pub(super) service: Arc<Service>,
    pub(super) session: Session,
    pub(super) ready: Ready,
    pub(super) prepared: BTreeMap<String, Prepared>,
    pub(super) portals: BTreeMap<String, Portal>,
    stop: watch::Receiver<bool>,
    ticket: Ticket,
    /// Whether messages are ignored up to the next Sync.
    ignoring: bool,
}

impl Connection {
    fn new(
        wire: Wire,
        service: Arc<Service>,
        stop: watch::Receiver<bool>,
        (user, database, settings): (String, String, Settings),
    ) -> Connection {
        let ticket = service.cancels.enter();
        let session =
            Session { user, database, settings, number: ticket.number, declared: tables(&service.node).collect() };
        let (prepared, portals) = (BTreeMap::new(), BTreeMap::new());
        Connection { wire, service, stop, ticket, session, ready: Ready::Idle, prepared, portals, ignoring: false }
    }

    async fn run(mut self) -> io::Result<()> {
        self.greet().await?;
        loop {
            let mut stop = self.stop.clone();
            let message = tokio::select! {
                message = self.wire.message() => message?,
                _ = stop.wait_for(|stop| *stop) => Some(Err(stopping())),
            };
            let message = match message {
                None => return Ok(()),
                Some(Ok((tag, body))) => Message::read(tag, body),
                Some(Err(refusal)) => Err(refusal),
            };
            let outcome = match message {
                Ok(Message::Terminate) => return Ok(()),
                Ok(message) => self.hear(message).await,
                Err(refusal) => Err(refusal.into()),
            };
            match outcome {
                Ok(()) => {}
                Err(Trouble::Gone(cause)) => return Err(cause),
                Err(Trouble::Refused(refusal)) => {
                    self.wire.refuse(&refusal);
                    let said = timeout(LAST_WORDS, self.wire.flush()).await;
                    return said.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
    }

    async fn greet(&mut self) -> io::Result<()> {
        self.wire.send(b'R', |out| out.put_u32(0));
        for name in REPORTED {
            let value = if name == "session_authorization" { Some(self.session.user.as_str()) } else { None };
            let value = value.or_else(|| self.session.settings.get(name)).unwrap_or_default();
            self.wire.setting(name, value);
        }
        let (number, secret) = (self.ticket.number, self.ticket.secret);
        self.wire.send(b'K', |out| {
            out.put_u32(number);
            out.put_u32(secret);
        });
        self.wire.ready(self.ready);
        self.wire.flush().await
    }

    /// Answers a message; an error is one that ends the connection.
    async fn hear(&mut self, message: Message) -> Done {
        if matches!(message, Message::Sync) {
            self.ignoring = false;
            self.end_of_series();
            self.wire.ready(self.ready);
            return Ok(self.wire.flush().await?);
        }
        if self.ignoring && message.is_extended() {
            return Ok(());
        }
        let (extended, flushes) = (message.is_extended(), matches!(message, Message::Query(_) | Message::Flush));
        match self.answer(message).await {
            Ok(()) => {}
            Err(Trouble::Refused(refusal)) if !refusal.fatal => {
                if self.ready == Ready::Transaction {
                    self.ready = Ready::Failed;
                }
                self.wire.refuse(&refusal);
                self.ignoring = extended;
            }
            Err(trouble) => return Err(trouble),
        }
        if !extended {
            self.end_of_series();
            self.wire.ready(self.ready);
        }
        if flushes {
            // A client that does not read its answer's end is not waited for.
            let flushed = timeout(self.limit().max(LAST_WORDS), self.wire.flush()).await;
            flushed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        }
        Ok(self.wire.flush_if_full().await?)
    }

    /// Outside of a transaction, portals end with the series of messages that made them.
    fn end_of_series(&mut self) {
        if self.ready == Ready::Idle {
            self.portals.clear();
        }
    }

    fn limit(&self) -> Duration {
        let limit = Duration::from_millis(u64::try_from(self.service.options.timeout_ms).unwrap_or(0));
        self.session.settings.timeout(limit)
    }

    /// What ends the work on a statement before it is done.
    fn interruption(&self) -> impl Future<Output = Refusal> + use<> {
        let (cancelled, mut stop, limit) = (self.ticket.cancelled.clone(), self.stop.clone(), self.limit());
        async move {
            tokio::select! {
                () = cancelled.notified() => Refusal::new(CANCELLED, "the statement was cancelled on request"),
                () = sleep(limit) => out_of_time(limit),
                _ = stop.wait_for(|stop| *stop) => stopping(),
            }
        }
    }

    async fn answer(&mut self, message: Message) -> Done {
        if let Message::Query(text) = message {
            return self.query(&text).await;
        }
        let interruption = self.interruption();
        tokio::select! {
            outcome = self.extended(message) => outcome,
            refusal = interruption => Err(refusal.into()),
        }
    }

    async fn extended(&mut self, message: Message) -> Done {
        match message {
            Message::Parse(parse) => self.parse(parse).await,
            Message::Bind(bind) => self.bind(bind),
            Message::Describe(target) => self.describe(&target),
            Message::Execute { portal, rows } => self.execute(&portal, rows).await,
            Message::Close(target) => {
                match target {
                    Target::Statement(name) => drop(self.prepared.remove(&name)),
                    Target::Portal(name) => drop(self.portals.remove(&name)),
                }
                self.wire.bare(b'3');
                Ok(())
            }
            Message::Query(_) | Message::Flush | Message::Sync | Message::Terminate | Message::Copy => Ok(()),
        }
    }

    async fn query(&mut self, text: &str) -> Done {
        let statements = lex::statements(text);
        if statements.is_empty() {
            self.wire.bare(b'I');
        }
        if statements.len() > MAX_STATEMENTS {
            let problem = format!("{} statements in one message; send {MAX_STATEMENTS} at most", statements.len());
            return Err(Refusal::new(LIMIT, problem).into());
        }
        for (at, statement) in statements {
            // Each has its time, which the one before may have set.
            let interruption = self.interruption();
            let outcome = tokio::select! {
                outcome = self.simple(statement) => outcome,
                refusal = interruption => Err(refusal.into()),
            };
            if let Err(Trouble::Refused(mut refusal)) = outcome {
                let before = text[..at].chars().count();
                refusal.position = refusal.position.map(|position| before + position);
                return Err(refusal.into());
            }
            outcome?;
        }
        Ok(())
    }

    async fn simple(&mut self, text: &str) -> Done {
        let Some(command) = self.command(text)? else { return Ok(()) };
        let columns = self.columns_of(&command, None)?;
        let mut portal = Portal::new(text, Vec::new(), Vec::new(), columns);
        self.perform(&command, &mut portal, 0, true).await
    }
}

fn out_of_time(limit: Duration) -> Refusal {
    let limit = show_millis(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
    let problem = format!(
        "the statement took longer than {limit}, which sql.timeout (or the session's statement_timeout) allows; narrow it with WHERE or LIMIT, or raise sql.timeout"
    );
    Refusal::new(CANCELLED, problem)
}

fn stopping() -> Refusal {
    Refusal::fatal(STOPPING, "the node stops, and this connection with it; connect again when it runs")
}
