//! Mails through a mail server, over a few connections at once.
//!
//! A batch is dealt out to lanes. A lane has one connection, sends its mails one after another
//! and opens a new connection when the old one is lost. Connections outlive a batch.

use std::sync::{Mutex, PoisonError};

use futures::future::join_all;
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};

use super::conversation::{End, connect, deliver};
use super::smtp_url::{Protection, Server};
use crate::error::{Error, Result};
use crate::mailer::{Mail, Sent};

/// Connections at once. A mail takes four round trips, so at 20 ms each eight lanes send a
/// hundred mails a second; providers allow ten or more connections.
const LANES: usize = 8;

/// Connections in a row that a lane may lose before it gives up: one may be one mail's fault,
/// the second in a row is the server's.
const LOST_IN_A_ROW: usize = 2;

/// A mail server.
pub struct Smtp {
    server: Server,
    tls: Option<TlsParameters>,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

/// What a lane has done: the answers it got, and why it stopped early, if it did.
struct Lane {
    answers: Vec<(usize, Sent)>,
    trouble: Option<Error>,
}

impl Smtp {
    /// Reads where the server is from `smtp://USER:PASSWORD@HOST:587`, `smtps://…` or
    /// `smtp://localhost:1025`; connects when there is something to send.
    pub fn open(url: &str) -> Result<Smtp> {
        let server = Server::parse(url)?;
        let tls = match server.protection {
            Protection::Plain => None,
            Protection::Implicit | Protection::StartTls => {
                Some(TlsParameters::new(server.host.clone()).map_err(|cause| {
                    Error::Fatal(format!(
                        "{server}: no TLS: {cause}; install the system's certificates (ca-certificates)"
                    ))
                })?)
            }
        };
        Ok(Smtp { server, tls, idle: Mutex::new(Vec::new()) })
    }

    /// Sends mails. A mail whose fate the lost connection hides is [`Sent::Later`], unless the
    /// server answered for no mail at all: then it is the server that is out of reach.
    pub async fn send(&self, mails: &[Mail]) -> Result<Vec<Sent>> {
        let lanes = LANES.min(mails.len());
        let lanes = join_all((0..lanes).map(|first| self.lane(mails, first, lanes))).await;
        let mut sent: Vec<Option<Sent>> = vec![None; mails.len()];
        let mut trouble = None;
        for lane in lanes {
            for (index, answer) in lane.answers {
                sent[index] = Some(answer);
            }
            // What a person must mend goes before what may pass.
            match lane.trouble {
                Some(fatal @ Error::Fatal(_)) => trouble = Some(fatal),
                other => trouble = trouble.or(other),
            }
        }
        match trouble {
            Some(trouble) if sent.iter().all(Option::is_none) => Err(trouble),
            trouble => {
                let why = trouble.map(|error| error.to_string()).unwrap_or_default();
                Ok(sent.into_iter().map(|answer| answer.unwrap_or_else(|| Sent::Later(why.clone()))).collect())
            }
        }
    }

    /// Sends every `step`th mail from the `first` on.
    async fn lane(&self, mails: &[Mail], first: usize, step: usize) -> Lane {
        let mut lane = Lane { answers: Vec::new(), trouble: None };
        let mut connection = self.take_idle().await;
        let mut lost = 0;
        let mut queue = (first..mails.len()).step_by(step).peekable();
        while let Some(&index) = queue.peek() {
            let mut open = match connection.take() {
                Some(open) => open,
                None => match connect(&self.server, self.tls.as_ref()).await {
                    Ok(open) => open,
                    Err(error) => {
                        lane.trouble = Some(error);
                        return lane;
                    }
                },
            };
            match deliver(&self.server, &mut open, &mails[index]).await {
                End::Answer(sent) => {
                    lane.answers.push((index, sent));
                    queue.next();
                    connection = Some(open);
                    lost = 0;
                }
                End::Unusable(error) => {
                    lane.trouble = Some(error);
                    return lane;
                }
                End::Lost { why, untouched } => {
                    lane.trouble = Some(Error::Retry(format!("{} closed the connection: {why}", self.server)));
                    lost += 1;
                    if lost == LOST_IN_A_ROW {
                        return lane;
                    }
                    // Of a mail on its way nobody knows what became; sending it at once would
                    // make two of it too often.
                    if !untouched {
                        queue.next();
                    }
                }
            }
        }
        if let Some(open) = connection {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            // Two batches at once may bring twice as many.
            if idle.len() < LANES {
                idle.push(open);
            }
        }
        lane
    }

    /// A connection that an earlier batch left and that still answers.
    async fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let answers = tokio::time::timeout(std::time::Duration::from_secs(5), idle.test_connected()).await;
            if answers == Ok(true) {
                return Some(idle);
            }
        }
    }
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Smtp").field(&self.server).finish()
    }
}
