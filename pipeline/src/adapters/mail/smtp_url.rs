//! Where a mail server is and how to talk to it, as one URL.
//!
//! | URL | what it means |
//! |---|---|
//! | `smtps://user:password@mail.example.com` | TLS from the start, port 465 |
//! | `smtp://user:password@mail.example.com` | port 587, STARTTLS required |
//! | `smtp://localhost:1025` | plain: it does not leave the machine |
//! | `smtp://relay.internal:25?tls=none` | plain, because somebody said so |

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::{Error, Result};

/// How the way to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// From the first byte.
    Implicit,
    /// Asked for at the start; a server without it gets nothing.
    StartTls,
    /// Not at all.
    Plain,
}

/// A mail server. Its `Display` form is fit for messages: it never holds the password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protection: Protection,
    /// User and password.
    pub(super) login: Option<(String, String)>,
}

impl Server {
    /// Reads the URL; an error quotes it without the password.
    pub(super) fn parse(text: &str) -> Result<Server> {
        let wrong = |problem: &str| {
            Error::Reject(format!(
                "mail server {:?} {problem}; write smtps://USER:PASSWORD@HOST, smtp://USER:PASSWORD@HOST:587 \
                 or smtp://localhost:1025",
                redacted(text)
            ))
        };
        let url = Url::parse(text).map_err(|cause| wrong(&format!("is no URL ({cause})")))?;
        let (implicit, port) = match url.scheme() {
            "smtps" => (true, 465),
            "smtp" => (false, 587),
            other => return Err(wrong(&format!("has the scheme {other}"))),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(wrong("has a path, which mail servers have not; a / in a password is written %2F"));
        }
        let mut plain = is_loopback(&host) && !implicit;
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("tls", "none") if !implicit => plain = true,
                _ => return Err(wrong(&format!("has the option {name}={value}; only smtp:// has one, tls=none"))),
            }
        }
        let protection = match (implicit, plain) {
            (true, _) => Protection::Implicit,
            (false, true) => Protection::Plain,
            (false, false) => Protection::StartTls,
        };
        let decode = |part: &str| percent_decode_str(part).decode_utf8().map(|text| text.into_owned());
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) => return Err(wrong("has a password and no user")),
            (_, None) => return Err(wrong("has a user and no password")),
            (user, Some(password)) => match (decode(user), decode(password)) {
                (Ok(user), Ok(password)) => Some((user, password)),
                _ => return Err(wrong("has a user or a password that is not UTF-8")),
            },
        };
        Ok(Server { host, port: url.port().unwrap_or(port), protection, login })
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mail server {}:{}", self.host, self.port)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self} ({:?}, {})", self.protection, if self.login.is_some() { "with a login" } else { "no login" })
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The text without what stands before its last `@`. A text with none is shown up to its first
/// `:` after the scheme: `smtp://user:password` may be one whose end was forgotten.
fn redacted(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}"),
        None if scheme.is_empty() => "…".into(),
        None => match rest.split_once(':') {
            Some((host, port)) if !port.bytes().all(|byte| byte.is_ascii_digit()) => format!("{scheme}://{host}:…"),
            _ => text.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_how() {
        let check = |text: &str, host: &str, port, protection, login: Option<(&str, &str)>| {
            let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!(Server::parse(text).unwrap(), Server { host: host.into(), port, protection, login }, "{text}");
        };
        check(
            "smtps://u%40x:p%2Fw%C3%A4@mail.example.com",
            "mail.example.com",
            465,
            Protection::Implicit,
            Some(("u@x", "p/wä")),
        );
        check("smtp://u:p@mail.example.com", "mail.example.com", 587, Protection::StartTls, Some(("u", "p")));
        check("smtp://mail.example.com:2525/", "mail.example.com", 2525, Protection::StartTls, None);
        check("smtp://localhost:1025", "localhost", 1025, Protection::Plain, None);
        check("smtp://[::1]:25", "::1", 25, Protection::Plain, None);
        check("smtp://127.0.0.1", "127.0.0.1", 587, Protection::Plain, None);
        check("smtp://relay:25?tls=none", "relay", 25, Protection::Plain, None);
        check("smtps://localhost", "localhost", 465, Protection::Implicit, None);
    }

    #[test]
    fn a_bad_url_is_explained_without_its_password() {
        let long = "smtp://user:secret";
        for (text, says) in [
            ("", "is no URL"),
            ("mail.example.com", "is no URL"),
            ("http://user:secret@h", "has the scheme http"),
            ("smtp://", "names no host"),
            ("smtp://user:se/cret@h", "…@h"),
            ("smtp://user:secret@h/x", "has a path"),
            ("smtp://user:secret@h?tls=off", "tls=off"),
            ("smtps://user:secret@h?tls=none", "tls=none"),
            ("smtp://:secret@h", "no user"),
            ("smtp://user@h", "no password"),
            ("smtp://user:%FF@h", "UTF-8"),
            ("smtp://user:secret@h:x", "is no URL"),
            (long, "is no URL"),
        ] {
            let error = Server::parse(text).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("cret"), "{text}: {error}");
            assert!(error.contains("write smtps://USER:PASSWORD@HOST"), "{error}");
        }
        let shown = Server::parse("smtp://user:secret@h").unwrap();
        assert_eq!(format!("{shown} {shown:?}"), "mail server h:587 mail server h:587 (StartTls, with a login)");
    }
}
