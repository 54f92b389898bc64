//! A message of ours as a person reads it in a terminal: its headers, and its plain form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// From, To, Subject and Date, an empty line, and the plain text of a message that
/// [`Letter::to_bytes`](super::Letter::to_bytes) made.
pub fn readable(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let unfolded = head.replace("\n ", " ");
    let mut out = String::new();
    for name in ["From", "To", "Subject", "Date"] {
        let value = unfolded.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        if let Some(value) = value {
            out.push_str(&format!("{name:<8} {}\n", decode_words(value)));
        }
    }
    out.push('\n');
    out.push_str(&plain_part(body));
    out
}

/// The first part is the plain one.
fn plain_part(body: &str) -> String {
    let Some((boundary, rest)) = body.trim_start_matches('\n').split_once('\n') else { return body.to_owned() };
    let part = rest.split(boundary).next().unwrap_or_default();
    let (head, text) = part.split_once("\n\n").unwrap_or(("", part));
    let text = if head.contains("quoted-printable") { unquote(text) } else { text.to_owned() };
    format!("{}\n", text.trim_end())
}

/// The inverse of quoted-printable.
fn unquote(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *byte == b'=').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Encoded words of UTF-8 in base64, which follow each other without the blank between them.
fn decode_words(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("=?UTF-8?B?") {
        let Some((word, tail)) = after.split_once("?=") else { break };
        if !before.trim().is_empty() || out.is_empty() {
            out.push_str(before);
        }
        out.push_str(&String::from_utf8_lossy(&STANDARD.decode(word).unwrap_or_default()));
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_reads_as_it_was() {
        let message = "From: a@b\r\nTo: \"Ada\" <a@c>\r\nSubject: =?UTF-8?B?w4RwZmVs?=\r\n =?UTF-8?B?IMO8YmVy?=\r\nX: 1\r\n\r\n\
                       \r\n--=_x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                       Gr=C3=BC=\r\n=C3=9Fe =3D 1\r\n\r\n--=_x\r\nContent-Type: text/html\r\n\r\n<p>\r\n--=_x--\r\n";
        let expected = "From     a@b\nTo       \"Ada\" <a@c>\nSubject  Äpfel über\n\nGrüße = 1\n";
        assert_eq!(readable(message.as_bytes()), expected);
    }
}
