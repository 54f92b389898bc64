//! The bytes of a connection: messages in, messages out, both bounded.
//!
//! Nothing is lost when a read or a flush is given up half-way: what has come stays in one buffer,
//! and what has not gone in the other.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::refusal::{LIMIT, PROTOCOL, Refusal};
use super::types::Column;

/// The longest message taken: a query of 1 MiB, or as much of parameters, and then some.
const MAX_MESSAGE: usize = 2 << 20;
/// The longest first message; PostgreSQL takes as much.
const MAX_STARTUP: usize = 10_000;
/// Bytes that wait to be sent before they are; a row more may come on top.
pub const FLUSH_BYTES: usize = 64 << 10;
/// Bytes of either buffer that are kept while nothing is in it.
const KEPT_BYTES: usize = 256 << 10;

/// How a conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// Outside of a transaction.
    Idle,
    /// Inside of one.
    Transaction,
    /// Inside of one that has failed.
    Failed,
}

/// A connection's bytes.
pub struct Wire {
    stream: TcpStream,
    input: BytesMut,
    out: BytesMut,
}

impl Wire {
    /// A new connection's.
    pub fn new(stream: TcpStream) -> Wire {
        Wire { stream, input: BytesMut::new(), out: BytesMut::new() }
    }

    /// The first message, which has no type; nothing when the client is gone.
    pub async fn startup(&mut self) -> io::Result<Option<Bytes>> {
        let Some(length) = self.length(0, MAX_STARTUP).await? else { return Ok(None) };
        let Ok(length) = length else { return Err(io::ErrorKind::InvalidData.into()) };
        self.body(4, length).await
    }

    /// The next message's type and body; nothing when the client is gone.
    pub async fn message(&mut self) -> io::Result<Option<Result<(u8, Bytes), Refusal>>> {
        let length = match self.length(1, MAX_MESSAGE).await? {
            None => return Ok(None),
            Some(Err(refusal)) => return Ok(Some(Err(refusal))),
            Some(Ok(length)) => length,
        };
        let tag = self.input.first().copied().unwrap_or_default();
        Ok(self.body(5, length).await?.map(|body| Ok((tag, body))))
    }

    /// The length of the body that follows a length field at `at`.
    async fn length(&mut self, at: usize, most: usize) -> io::Result<Option<Result<usize, Refusal>>> {
        while self.input.len() < at + 4 {
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
        let length = (&self.input[at..]).get_u32() as usize;
        let body = length.checked_sub(4);
        Ok(Some(match body {
            Some(body) if body <= most => Ok(body),
            Some(body) => Err(Refusal::fatal(
                LIMIT,
                format!("a message of {body} bytes; at most {most} are taken, so the connection ends"),
            )),
            None => Err(Refusal::fatal(PROTOCOL, "a message without a length; the connection ends")),
        }))
    }

    async fn body(&mut self, head: usize, length: usize) -> io::Result<Option<Bytes>> {
        while self.input.len() < head + length {
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
        self.input.advance(head);
        let body = self.input.split_to(length).freeze();
        if self.input.is_empty() && length > KEPT_BYTES {
            self.input = BytesMut::new();
        }
        Ok(Some(body))
    }

    /// Sends all that waits.
    pub async fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            if self.stream.write_buf(&mut self.out).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        if self.out.capacity() > KEPT_BYTES {
            self.out = BytesMut::new();
        }
        Ok(())
    }

    /// Sends what waits if it is much.
    pub async fn flush_if_full(&mut self) -> io::Result<()> {
        if self.out.len() < FLUSH_BYTES { Ok(()) } else { self.flush().await }
    }

    /// A byte of its own, as the answer to a wish for encryption.
    pub fn byte(&mut self, byte: u8) {
        self.out.put_u8(byte);
    }

    /// A message without a body.
    pub fn bare(&mut self, tag: u8) {
        self.send(tag, |_| {});
    }

    /// A message; `body` writes what it says.
    pub fn send(&mut self, tag: u8, body: impl FnOnce(&mut BytesMut)) {
        self.out.put_u8(tag);
        let at = self.out.len();
        self.out.put_u32(0);
        body(&mut self.out);
        let length = (self.out.len() - at) as u32;
        self.out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// A row, which `body` writes; nothing of it is sent if that fails.
    pub fn row<E>(&mut self, body: impl FnOnce(&mut BytesMut) -> Result<(), E>) -> Result<(), E> {
        let before = self.out.len();
        let mut outcome = Ok(());
        self.send(b'D', |out| outcome = body(out));
        if outcome.is_err() {
            self.out.truncate(before);
        }
        outcome
    }

    /// The name and value of a setting that clients want to know.
    pub fn setting(&mut self, name: &str, value: &str) {
        self.send(b'S', |out| {
            text(out, name);
            text(out, value);
        });
    }

    /// What a statement did.
    pub fn complete(&mut self, tag: &str) {
        self.send(b'C', |out| text(out, tag));
    }

    /// The end of an answer.
    pub fn ready(&mut self, ready: Ready) {
        let status = match ready {
            Ready::Idle => b'I',
            Ready::Transaction => b'T',
            Ready::Failed => b'E',
        };
        self.send(b'Z', |out| out.put_u8(status));
    }

    /// The columns of rows to come, written as `formats` say.
    pub fn columns(&mut self, columns: &[Column], formats: &[i16]) {
        self.send(b'T', |out| {
            out.put_u16(columns.len() as u16);
            for (place, column) in columns.iter().enumerate() {
                text(out, &column.name);
                // Of no stored table's column, as far as clients need to know.
                out.put_u32(0);
                out.put_u16(0);
                out.put_u32(column.kind.oid());
                out.put_i16(column.kind.length());
                out.put_i32(column.kind.modifier);
                out.put_i16(format_of(formats, place));
            }
        });
    }

    /// The types of a statement's parameters.
    pub fn parameters(&mut self, types: &[u32]) {
        self.send(b't', |out| {
            out.put_u16(types.len() as u16);
            types.iter().for_each(|oid| out.put_u32(*oid));
        });
    }

    /// Why something was not done.
    pub fn refuse(&mut self, refusal: &Refusal) {
        let severity = if refusal.fatal { "FATAL" } else { "ERROR" };
        let mut fields = vec![(b'S', severity), (b'V', severity), (b'C', refusal.code), (b'M', &refusal.message)];
        let position = refusal.position.map(|position| position.to_string());
        fields.extend(position.as_deref().map(|position| (b'P', position)));
        self.send(b'E', |out| {
            for (field, said) in fields {
                out.put_u8(field);
                text(out, said);
            }
            out.put_u8(0);
        });
    }
}

/// The format of a column or a value: none for text, one for all, or one each.
pub fn format_of(formats: &[i16], place: usize) -> i16 {
    match formats {
        [one] => *one,
        each => each.get(place).copied().unwrap_or(0),
    }
}

/// A text and its end. A text with a zero byte would end early, and nobody means it to.
pub fn text(out: &mut BytesMut, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}
