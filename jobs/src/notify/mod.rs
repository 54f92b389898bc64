//! Telling bettors what became of their bets.
//!
//! The way of a status change, in reading order: [`fold`] makes a row of the outbox of each
//! notification, once; [`due`] is the index of what is to be sent when; [`sender`] takes what is due,
//! a [`batch`] at a time, asks [`choose`] who gets what ([`plan`]), writes the [`letter`]s, hands them
//! to the mailer and records what became of them ([`record`]), no faster than [`rate`] allows, and on a
//! topic no faster to one person than [`burst`] allows; whom a topic does not know [`subscribe`] asks.
//!
//! Beside it: [`bounce`] reads whom SES could not reach; [`confirm`] makes and checks the links that prove
//! an address, and [`token`] is what their links and those to unsubscribe have in common.

mod batch;
pub mod bounce;
#[cfg(feature = "aws")]
pub mod bounce_queue;
pub mod burst;
pub mod choose;
pub mod confirm;
pub mod due;
pub mod fold;
pub mod letter;
mod plan;
mod rate;
mod record;
pub mod sender;
pub mod subscribe;
mod token;

use std::path::Path;

#[cfg(not(feature = "aws"))]
use pipeline::Error;
use pipeline::Result;
#[cfg(feature = "aws")]
use pipeline::adapters::aws::{
    Aws,
    ses::Ses,
    sns::{Sns, SnsOptions},
};
use pipeline::adapters::mail::{Inbox, Smtp};
use pipeline::mailer::Mailer;

/// How mails are written and sent.
#[derive(Debug, Clone)]
pub struct MailOptions {
    /// Where they go.
    pub server: MailServer,
    /// Who writes them.
    pub sender: letter::Sender,
    /// Mails of one person in an hour that come one by one; the rest of the hour is one digest.
    pub digest_after: u32,
    /// Mails a second, at most; 0 is no limit.
    pub rate: u32,
}

/// Where mails go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailServer {
    /// Files in the folder `inbox` of the data directory.
    Inbox,
    /// A mail server, by its address.
    Smtp(String),
    /// Amazon SES, in the account that the environment names.
    Ses {
        /// Says where SES reports bounces to, and more.
        configuration_set: Option<String>,
        /// What the name of the queue of bounces begins with.
        prefix: String,
    },
    /// Topics of Amazon SNS, in the account that the environment names.
    Sns {
        /// What their names begin with.
        prefix: String,
    },
}

impl MailServer {
    /// Opens it; the local inbox is this folder, `durable` where its mails are to survive a power cut.
    ///
    /// # Errors
    /// A folder that cannot be written, a server that cannot be meant.
    pub fn open(&self, inbox: &Path, durable: bool) -> Result<Mailer> {
        Ok(match self {
            MailServer::Inbox => Mailer::Inbox(Inbox::open(inbox.to_owned(), durable)?),
            MailServer::Smtp(url) => Mailer::Smtp(Smtp::open(url)?),
            #[cfg(feature = "aws")]
            MailServer::Ses { configuration_set, .. } => Mailer::Ses(Ses::new(configuration_set.clone())),
            #[cfg(feature = "aws")]
            MailServer::Sns { prefix } => Mailer::Sns(Sns::new(SnsOptions::new(prefix))),
            #[cfg(not(feature = "aws"))]
            MailServer::Ses { .. } | MailServer::Sns { .. } => {
                return Err(Error::Reject("this build has neither SES nor SNS; build it with `--features aws`".into()));
            }
        })
    }

    /// The same for a worker in an account, which SES sends from.
    ///
    /// # Errors
    /// As [`MailServer::open`].
    #[cfg(feature = "aws")]
    pub fn open_in(&self, aws: &Aws, inbox: &Path) -> Result<Mailer> {
        match self {
            MailServer::Ses { configuration_set, .. } => Ok(Mailer::Ses(Ses::of(aws, configuration_set.clone()))),
            _ => self.open(inbox, true),
        }
    }
}
