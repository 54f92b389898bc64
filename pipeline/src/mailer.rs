//! The mailer port: hand over mails, learn what became of each.
//!
//! Guarantee: at-least-once, and a mail sent again is the same mail. Its bytes carry one
//! Message-ID, which lets the reader's mail program show it once; no mail server promises more.
//! Into the local inbox a mail goes exactly once: its id and time name its file. SES alone replaces the
//! Message-ID, so a repeat is seen there; [`Mailer::batch`] keeps them few.
//!
//! A mail's life: the caller keeps it → [`Mailer::send`] → [`Sent::Delivered`], and the caller
//! forgets it; or [`Sent::Later`], and it comes again; or [`Sent::Bounced`] or [`Sent::Refused`],
//! and it never comes again.

#[cfg(feature = "aws")]
use crate::adapters::aws::{ses::Ses, sns::Sns};
use crate::adapters::mail::{Inbox, Smtp};
use crate::clock::Arrival;
use crate::error::Result;

/// Longest id of a mail, in bytes: with the time before it and `.eml` after it, a file name has
/// less than half of the 255 bytes that file systems allow.
pub const MAX_ID_BYTES: usize = 96;

/// A mail, ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The same id is the same mail. Letters, digits, `-`, `_` and `.`, as it names a file.
    pub id: String,
    /// The sender's address, without a name.
    pub from: String,
    /// The reader's address, without a name.
    pub to: String,
    /// When what it tells of happened.
    pub at: Arrival,
    /// The message of RFC 5322, its lines ended by CRLF.
    pub message: Vec<u8>,
    /// The same for a topic, where the mailer publishes ([`Mailer::publishes`]).
    pub notice: Option<Notice>,
}

/// What a topic is told, for whoever listens: words for people, data for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whom it is about. Subscriptions of people let nothing else pass.
    pub person: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// JSON; empty where programs get the text as well.
    pub data: String,
    /// What else subscribers may filter by: names and values.
    pub attributes: Vec<(&'static str, String)>,
}

impl Mail {
    /// Why the id cannot name a file, if so.
    pub fn id_problem(&self) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let good = (1..=MAX_ID_BYTES).contains(&self.id.len())
            && self.id.bytes().all(plain)
            // Not hidden, and neither `.` nor `..`.
            && !self.id.starts_with('.');
        (!good)
            .then(|| format!("mail id {:?} names no file; use 1 to {MAX_ID_BYTES} letters, digits, - and _", self.id))
    }
}

/// What became of a mail. The texts say what the other side answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The mail server took it, or it stands in the inbox.
    Delivered,
    /// Not now: send it again later.
    Later(String),
    /// There is nobody at this address: send nothing there any more.
    Bounced(String),
    /// This mail is not taken; another to the same address may be.
    Refused(String),
}

/// The mailer chosen at start-up.
#[derive(Debug)]
pub enum Mailer {
    /// Files in a folder of this machine.
    Inbox(Inbox),
    /// A mail server.
    Smtp(Smtp),
    /// Amazon SES, through its API.
    #[cfg(feature = "aws")]
    Ses(Ses),
    /// Topics of Amazon SNS.
    #[cfg(feature = "aws")]
    Sns(Sns),
}

impl Mailer {
    /// Sends mails; one outcome a mail, in their order.
    ///
    /// `Err` says that nothing was sent because the mailer itself is the trouble:
    /// [`Retry`](crate::Error::Retry) when it is out of reach, [`Fatal`](crate::Error::Fatal)
    /// when it will not work as it is set up. What was on its way by then may have arrived.
    pub async fn send(&self, mails: &[Mail]) -> Result<Vec<Sent>> {
        match self {
            Mailer::Inbox(inbox) => inbox.send(mails).await,
            Mailer::Smtp(smtp) => smtp.send(mails).await,
            #[cfg(feature = "aws")]
            Mailer::Ses(ses) => ses.send(mails).await,
            #[cfg(feature = "aws")]
            Mailer::Sns(sns) => sns.send(mails).await,
        }
    }

    /// Asks a person to subscribe, where the mailer tells a topic: it sends a link to this address. Asked
    /// again while that is not confirmed, it sends the link again.
    ///
    /// # Errors
    /// `Reject` where nobody more can subscribe; else as [`Mailer::send`].
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "only topics have subscribers"))]
    pub async fn subscribe(&self, person: &str, email: &str) -> Result<()> {
        match self {
            #[cfg(feature = "aws")]
            Mailer::Sns(sns) => sns.subscribe(person, email).await.map(|_| ()),
            Mailer::Inbox(_) | Mailer::Smtp(_) => Ok(()),
            #[cfg(feature = "aws")]
            Mailer::Ses(_) => Ok(()),
        }
    }

    /// Ends the subscriptions of an address, where there are any.
    ///
    /// # Errors
    /// As [`Mailer::subscribe`].
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "only topics have subscribers"))]
    pub async fn unsubscribe(&self, email: &str) -> Result<()> {
        match self {
            #[cfg(feature = "aws")]
            Mailer::Sns(sns) => sns.unsubscribe(email).await.map(|_| ()),
            Mailer::Inbox(_) | Mailer::Smtp(_) => Ok(()),
            #[cfg(feature = "aws")]
            Mailer::Ses(_) => Ok(()),
        }
    }

    /// How many mails to hand over at once, at most: what a crash before their outcome is recorded sends
    /// again.
    pub fn batch(&self) -> usize {
        match self {
            Mailer::Inbox(_) | Mailer::Smtp(_) => usize::MAX,
            #[cfg(feature = "aws")]
            Mailer::Ses(ses) => ses.batch(),
            #[cfg(feature = "aws")]
            Mailer::Sns(_) => usize::MAX,
        }
    }

    /// Whether it tells a topic instead of writing letters: it needs a mail's notice, and no address.
    pub fn publishes(&self) -> bool {
        match self {
            Mailer::Inbox(_) | Mailer::Smtp(_) => false,
            #[cfg(feature = "aws")]
            Mailer::Ses(_) => false,
            #[cfg(feature = "aws")]
            Mailer::Sns(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_leave_the_folder_is_no_id() {
        let long = "a".repeat(MAX_ID_BYTES + 1);
        for (id, good) in [("a", true), ("6f1e2d3c-4b5a.v1_x", true), ("", false), ("..", false), (".a", false)]
            .into_iter()
            .chain([("a/b", false), ("a\\b", false), ("a\0", false), ("ä", false), (&long, false)])
        {
            let (from, to) = (String::new(), String::new());
            let mail = Mail { id: id.into(), from, to, at: Arrival(0), message: vec![], notice: None };
            assert_eq!(mail.id_problem().is_none(), good, "{id:?}");
        }
    }
}
