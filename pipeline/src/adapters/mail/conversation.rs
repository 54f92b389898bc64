//! What is said to a mail server: the greeting, and one mail after another.
//!
//! `lettre` speaks the protocol; this says each step itself, because what an answer means depends
//! on the step: a 550 after RCPT is about the address, after the message about the message.

use std::error::Error as _;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use super::smtp_url::{Protection, Server};
use crate::error::{Error, Result};
use crate::mailer::{Mail, Sent};

type Reply = std::result::Result<lettre::transport::smtp::response::Response, lettre::transport::smtp::Error>;

/// A server that says nothing for this long is out of reach. RFC 5321 allows minutes, for
/// servers that deliver before they answer; a batch must not hang on one for that long.
const SILENCE: Duration = Duration::from_secs(60);

/// How a mail's conversation ended.
pub(super) enum End {
    /// With an answer about this mail; the connection can go on.
    Answer(Sent),
    /// With the connection. `untouched`: the server had taken nothing of the mail yet.
    Lost { why: String, untouched: bool },
    /// With an answer about the sender, which holds for every mail.
    Unusable(Error),
}

/// The step that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Rcpt,
    Message,
}

/// Connects, protects the connection and logs in.
pub(super) async fn connect(server: &Server, tls: Option<&TlsParameters>) -> Result<AsyncSmtpConnection> {
    let greeting = async {
        let implicit = tls.filter(|_| server.protection == Protection::Implicit).cloned();
        let (name, at) = (ClientId::default(), (server.host.as_str(), server.port));
        let connected = AsyncSmtpConnection::connect_tokio1(at, Some(SILENCE), &name, implicit, None).await;
        let mut connection = connected.map_err(|cause| unreachable(server, &cause))?;
        if let Some(tls) = tls.filter(|_| server.protection == Protection::StartTls) {
            if !connection.can_starttls() {
                return Err(Error::Fatal(format!(
                    "{server} offers no STARTTLS, so mails and the password would be readable on the way; \
                     use smtps://, or add ?tls=none if that is meant"
                )));
            }
            connection.starttls(tls.clone(), &name).await.map_err(|cause| unreachable(server, &cause))?;
        }
        if let Some((user, password)) = &server.login {
            let login = Credentials::new(user.clone(), password.clone());
            let answer = connection.auth(&[Mechanism::Plain, Mechanism::Login], &login).await;
            answer.map_err(|cause| login_failed(server, &cause))?;
        }
        Ok(connection)
    };
    match tokio::time::timeout(SILENCE, greeting).await {
        Ok(done) => done,
        Err(_) => Err(Error::Retry(format!("{server} did not greet within {} s", SILENCE.as_secs()))),
    }
}

fn unreachable(server: &Server, cause: &lettre::transport::smtp::Error) -> Error {
    Error::Retry(format!("{server} is out of reach: {}", words(cause)))
}

fn login_failed(server: &Server, cause: &lettre::transport::smtp::Error) -> Error {
    // A refused login does not pass by itself; one that the server cannot check now does.
    if cause.is_permanent() || cause.is_client() {
        Error::Fatal(format!("{server} refused the login: {}; check the user and password in its URL", words(cause)))
    } else {
        Error::Retry(format!("{server} cannot check the login: {}", words(cause)))
    }
}

/// Sends one mail.
pub(super) async fn deliver(server: &Server, connection: &mut AsyncSmtpConnection, mail: &Mail) -> End {
    let (from, to) = match (mail.from.parse::<Address>(), mail.to.parse::<Address>()) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(cause), _) => return End::Unusable(bad_sender(server, mail, &cause.to_string())),
        (_, Err(cause)) => return End::Answer(Sent::Bounced(format!("{:?} is no address: {cause}", mail.to))),
    };
    let mut parameters = Vec::new();
    for (needed, extension, parameter, name) in [
        // Not the bytes' form: the address itself needs it.
        (
            !mail.from.is_ascii() || !mail.to.is_ascii(),
            Extension::SmtpUtfEight,
            MailParameter::SmtpUtfEight,
            "SMTPUTF8",
        ),
        (
            !mail.message.is_ascii(),
            Extension::EightBitMime,
            MailParameter::Body(MailBodyParameter::EightBitMime),
            "8BITMIME",
        ),
    ] {
        if needed && !connection.server_info().supports_feature(extension) {
            return End::Answer(Sent::Refused(format!("{server} has no {name}, which this mail needs")));
        }
        if needed {
            parameters.push(parameter);
        }
    }
    if let Err(cause) = within(connection.command(MailFrom::new(Some(from), parameters))).await {
        return match cause {
            Stop::Code(code, text) if code >= 500 => End::Unusable(bad_sender(server, mail, &text)),
            Stop::Code(code, text) if code != 421 => End::Answer(Sent::Later(text)),
            Stop::Code(_, why) | Stop::Lost(why) => End::Lost { why, untouched: true },
        };
    }
    if let Err(cause) = within(connection.command(Rcpt::new(to, vec![]))).await {
        return after(connection, Step::Rcpt, cause).await;
    }
    if let Err(cause) = within(connection.command(Data)).await {
        return after(connection, Step::Message, cause).await;
    }
    match within(connection.message(&mail.message)).await {
        Ok(()) => End::Answer(Sent::Delivered),
        Err(cause) => after(connection, Step::Message, cause).await,
    }
}

fn bad_sender(server: &Server, mail: &Mail, why: &str) -> Error {
    Error::Fatal(format!("{server} takes no mail from {:?}: {why}; use a sender that it knows", mail.from))
}

/// The end after a refused step; the server forgets the mail, so that the next can start.
async fn after(connection: &mut AsyncSmtpConnection, step: Step, cause: Stop) -> End {
    match cause {
        Stop::Lost(why) | Stop::Code(421, why) => End::Lost { why, untouched: false },
        Stop::Code(code, text) => {
            // A connection that fails at this is found lost by the next mail.
            let _ = within(connection.command(Rset)).await;
            End::Answer(verdict(step, code, text))
        }
    }
}

/// What a refusal means. The three digits are coarse: servers say 550 both of an unknown address
/// and of a message or sender they dislike. Where the finer code of RFC 3463 is there, it
/// decides: giving up a good address is worse than one lost mail.
fn verdict(step: Step, code: u16, text: String) -> Sent {
    if code < 500 {
        return Sent::Later(text);
    }
    let gone = match finer(&text) {
        // 5.1.7 and 5.1.8 are about the sender's address.
        Some((1, detail)) => !matches!(detail, 7 | 8),
        Some((2, detail)) => detail == 1,
        // No meaning, or routing: 5.4.1 is how large hosts say that they do not know the address.
        Some((0 | 4, _)) | None => step == Step::Rcpt && matches!(code, 550 | 551 | 553),
        Some(_) => false,
    };
    if gone { Sent::Bounced(text) } else { Sent::Refused(text) }
}

/// Subject and detail of `550 5.SUBJECT.DETAIL …`.
fn finer(text: &str) -> Option<(u16, u16)> {
    let (subject, detail) = text.split_whitespace().nth(1)?.strip_prefix("5.")?.split_once('.')?;
    Some((subject.parse().ok()?, detail.parse().ok()?))
}

/// Why a step did not go on.
enum Stop {
    /// The server's refusal, and the same in words.
    Code(u16, String),
    /// Silence, a closed connection, or something that is no SMTP.
    Lost(String),
}

async fn within(step: impl Future<Output = Reply>) -> std::result::Result<(), Stop> {
    match tokio::time::timeout(SILENCE, step).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(cause)) => Err(match cause.status() {
            Some(code) => Stop::Code(code.into(), words(&cause)),
            None => Stop::Lost(words(&cause)),
        }),
        Err(_) => Err(Stop::Lost(format!("no answer within {} s", SILENCE.as_secs()))),
    }
}

/// The answer as the server wrote it, its code first; on one line, and short enough for a row.
fn words(cause: &lettre::transport::smtp::Error) -> String {
    let said = cause.source().map(ToString::to_string);
    let text = match (cause.status(), said) {
        (Some(code), said) => format!("{code} {}", said.unwrap_or_default()),
        (None, Some(said)) => said,
        (None, None) => cause.to_string(),
    };
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_about_now_the_address_or_the_mail() {
        let check = |step, text: &str, expected: fn(String) -> Sent| {
            let code = text[..3].parse().unwrap();
            assert_eq!(verdict(step, code, text.to_owned()), expected(text.to_owned()), "{text}");
        };
        check(Step::Rcpt, "450 4.2.0 greylisted", Sent::Later);
        check(Step::Message, "452 4.3.1 no space", Sent::Later);
        check(Step::Rcpt, "550 no such user", Sent::Bounced);
        check(Step::Rcpt, "551 moved", Sent::Bounced);
        check(Step::Rcpt, "553 name not allowed", Sent::Bounced);
        check(Step::Rcpt, "550 5.1.1 no such user", Sent::Bounced);
        check(Step::Rcpt, "550 5.4.1 access denied", Sent::Bounced);
        check(Step::Rcpt, "554 5.2.1 mailbox disabled", Sent::Bounced);
        check(Step::Message, "554 5.1.1 no such user", Sent::Bounced);
        check(Step::Rcpt, "550 5.7.1 your host is on a blocklist", Sent::Refused);
        check(Step::Rcpt, "552 5.2.2 mailbox full", Sent::Refused);
        check(Step::Rcpt, "554 5.7.1 relaying denied", Sent::Refused);
        check(Step::Rcpt, "550 5.1.8 bad sender", Sent::Refused);
        check(Step::Message, "550 looks like spam", Sent::Refused);
        check(Step::Message, "552 too large", Sent::Refused);
    }
}
