//! Telling bettors what became of their bets.
//!
//! The way of a status change, in reading order: [`fold`] makes a row of the outbox of each
//! notification, once; [`due`] is the index of what is to be sent when; [`sender`] takes what is due,
//! a [`batch`] at a time, asks [`choose`] who gets what ([`plan`]), writes the [`letter`]s, hands them
//! to the mailer and records what became of them ([`record`]), no faster than [`rate`] allows.

mod batch;
pub mod choose;
pub mod due;
pub mod fold;
pub mod letter;
mod plan;
mod rate;
mod record;
pub mod sender;

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
}
