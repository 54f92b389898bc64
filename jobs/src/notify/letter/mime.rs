//! A letter as the bytes of a message: RFC 5322, with both forms in a multipart/alternative.

use super::encode::{folded, is_plain, quoted_printable, words};
use super::people::{Recipient, Sender};
use super::{Letter, show};

/// Longest line that goes as it is; RFC 5322 ends them at 998.
const MAX_LINE: usize = 900;

/// Longest line of a header with an encoded word.
const MAX_HEADER_LINE: usize = 76;

/// The message. Header values are made of checked addresses, our own words, and strangers' texts
/// that [`phrase`] or [`unstructured`] reduced to one harmless line.
pub(super) fn message(letter: &Letter, to: &Recipient, sender: &Sender) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 + letter.text.len() + letter.html.len() * 5 / 4);
    let mut header = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    };
    header("From", &mailbox(sender.name.as_deref(), &sender.email));
    header("To", &mailbox(to.name.as_deref(), &to.email));
    header("Subject", &unstructured(&letter.subject, "Subject: ".len()));
    header("Date", &show::date_header(letter.at, to.zone));
    header("Message-ID", &letter.message_id);
    if let Some(link) = &letter.unsubscribe {
        // Both are needed for the button that mail programs show.
        header("List-Unsubscribe", &format!("<{link}>"));
        header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
    }
    // Keeps holiday replies away.
    header("Auto-Submitted", "auto-generated");
    header("MIME-Version", "1.0");
    let boundary = boundary(&letter.message_id);
    header("Content-Type", &format!("multipart/alternative;\r\n boundary=\"{boundary}\""));
    // Readers take the last form that they understand.
    for (kind, text) in [("plain", &letter.text), ("html", &letter.html)] {
        out.extend_from_slice(format!("\r\n--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n").as_bytes());
        body(text, &mut out);
    }
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    out
}

/// A line that starts with `--=_` cannot stand in a part: what holds `=_` is quoted, which writes
/// every `=` as `=3D`.
fn boundary(message_id: &str) -> String {
    let id = message_id.trim_start_matches('<').split('@').next().unwrap_or_default();
    // RFC 2046 allows 70 characters.
    format!("=_{}", &id[..id.len().min(60)])
}

fn body(text: &str, out: &mut Vec<u8>) {
    let plain = text.is_ascii() && !text.contains("=_") && text.split('\n').all(|line| line.len() <= MAX_LINE);
    if !plain {
        out.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        return quoted_printable(text, out);
    }
    out.extend_from_slice(b"Content-Transfer-Encoding: 7bit\r\n\r\n");
    for line in text.split_terminator('\n') {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// `"Ada" <ada@example.com>`; the address was checked when the person was.
fn mailbox(name: Option<&str>, email: &str) -> String {
    match name {
        None => email.to_owned(),
        Some(name) => {
            let name = phrase(&show::line(name, 64));
            let last = name.rsplit('\n').next().map_or(0, str::len);
            // `From: `, the blank and the brackets are nine more.
            let gap = if last + email.len() + 9 <= MAX_HEADER_LINE { " " } else { "\r\n " };
            format!("{name}{gap}<{email}>")
        }
    }
}

/// A name in quotation marks, or encoded.
fn phrase(name: &str) -> String {
    if !is_plain(name) {
        return words(name);
    }
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// A text as it is, folded, or encoded; `used` bytes are on its first line already.
fn unstructured(text: &str, used: usize) -> String {
    let text = show::line(text, 250);
    if is_plain(&text) { folded(&text, used) } else { words(&text) }
}
