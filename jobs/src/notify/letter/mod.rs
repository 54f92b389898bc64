//! Letters: a notification, or many of one person, as a mail that reads well.
//!
//! Pure: the same notification, question, recipient and sender give the same bytes, so a mail
//! sent again is the same mail. Reading order: [`people`] says who writes to whom; [`words`] and
//! [`digest`](mod@digest) turn what happened into a [`page`]; [`text`] and [`html`] are its two
//! forms; [`mime`] makes one message of them.
//!
//! Names and questions come from strangers. [`show::line`] takes out what could start a new line
//! or turn the reading direction, [`html`] escapes, and [`mime`] encodes, so nothing in them can
//! become a header, a tag or a part of its own.

mod people;
mod show;

mod page;

mod digest;
mod words;

mod html;
mod text;

mod encode;
mod mime;
mod read;

pub mod unsubscribe;

#[cfg(test)]
mod tests;

use schemas::notification::Notification;
use schemas::question::QuestionSpec;
use schemas::time::Timestamp;

pub use read::readable;

pub use people::{LetterError, Recipient, Sender};

/// A mail, before it is put into bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// The plain form.
    pub text: String,
    /// The same in HTML.
    pub html: String,
    /// `<id@domain>`, the same whenever the same is told.
    pub message_id: String,
    /// When what it tells of happened: the mail's date.
    pub at: Timestamp,
    /// The page that stops these mails (RFC 8058), when the sender has one.
    pub unsubscribe: Option<String>,
}

/// A notification and what is known of its question.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// What happened.
    pub notification: &'a Notification,
    /// What was asked; without it, the letter names ids.
    pub question: Option<&'a QuestionSpec>,
}

/// The letter about one notification.
pub fn letter(item: Item<'_>, to: &Recipient, sender: &Sender) -> Letter {
    let id = item.notification.notification_id.to_string();
    finish(words::page(item, to, sender), &id, item.notification.at, to, sender)
}

/// One letter about many notifications of one person, at least one; the same `id` is the same
/// letter. A notification takes under 700 bytes of HTML, so a hundred stay below the 102 KB after
/// which Gmail cuts a mail off.
pub fn digest(items: &[Item<'_>], id: &str, to: &Recipient, sender: &Sender) -> Letter {
    let latest = items.iter().map(|item| item.notification.at).max().unwrap_or(Timestamp::EPOCH);
    finish(digest::page(items, to, sender), id, latest, to, sender)
}

impl Letter {
    /// The message of RFC 5322, its lines ended by CRLF.
    pub fn to_bytes(&self, to: &Recipient, sender: &Sender) -> Vec<u8> {
        mime::message(self, to, sender)
    }
}

fn finish(mut page: page::Page, id: &str, at: Timestamp, to: &Recipient, sender: &Sender) -> Letter {
    page.unsubscribe = sender.unsubscribe_link(to);
    let plain = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let id: String = id.chars().filter(plain).collect();
    Letter {
        text: text::render(&page, sender),
        html: html::render(&page, sender),
        message_id: format!("<{id}@{}>", sender.domain()),
        at,
        subject: page.subject,
        unsubscribe: page.unsubscribe,
    }
}
