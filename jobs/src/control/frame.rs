//! Frames: a length (four bytes, big-endian, of what follows), a kind (one byte), a payload.

use pipeline::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::message::Response;

/// Bytes of a frame, kind included, at most. The largest is a read of several blocks of records.
pub const MAX_FRAME_BYTES: usize = 16 << 20;

/// Bytes of a data frame that is a part of something longer.
pub const PART_BYTES: usize = 1 << 20;

const MESSAGE: u8 = 0;
const DATA: u8 = 1;
const END: u8 = 2;

/// A frame's content.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A request or a response, in JSON.
    Message(Vec<u8>),
    /// Bulk: records, or a piece of an Arrow IPC stream.
    Data(Vec<u8>),
    /// The end of a sequence of data frames.
    End,
}

/// Writes a message.
pub async fn send(out: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> Result<()> {
    let payload = serde_json::to_vec(message).map_err(|cause| Error::fatal("control message", cause))?;
    write(out, MESSAGE, &payload).await
}

/// Writes a data frame.
pub async fn send_data(out: &mut (impl AsyncWrite + Unpin), payload: &[u8]) -> Result<()> {
    write(out, DATA, payload).await
}

/// Writes the end of a sequence of data frames.
pub async fn send_end(out: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
    write(out, END, &[]).await
}

/// Reads a frame; nothing where the peer closed between two frames.
pub async fn receive(input: &mut (impl AsyncRead + Unpin)) -> Result<Option<Frame>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length).await {
        Ok(_) => {}
        Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(cause) => return Err(lost(cause)),
    }
    let length = u32::from_be_bytes(length) as usize;
    if length == 0 || length > MAX_FRAME_BYTES {
        return Err(Error::Reject(format!("a control frame of {length} bytes; frames have 1 to {MAX_FRAME_BYTES}")));
    }
    let kind = input.read_u8().await.map_err(lost)?;
    // Read as it comes, so that a length alone allocates nothing.
    let mut payload = Vec::new();
    input.take(length as u64 - 1).read_to_end(&mut payload).await.map_err(lost)?;
    if payload.len() + 1 != length {
        return Err(lost("the connection ended within a frame"));
    }
    match kind {
        MESSAGE => Ok(Some(Frame::Message(payload))),
        DATA => Ok(Some(Frame::Data(payload))),
        END => Ok(Some(Frame::End)),
        other => Err(Error::Reject(format!("a control frame of kind {other}; this program knows 0 to 2"))),
    }
}

/// Reads a message of a type; nothing where the peer closed.
pub async fn receive_message<T: DeserializeOwned>(input: &mut (impl AsyncRead + Unpin)) -> Result<Option<T>> {
    match receive(input).await? {
        None => Ok(None),
        Some(Frame::Message(payload)) => parse(&payload).map(Some),
        Some(_) => Err(Error::Reject("control data where a message was due".into())),
    }
}

/// Reads the data frame that belongs to the message before it, or the error sent instead.
pub async fn receive_data(input: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>> {
    match receive(input).await? {
        Some(Frame::Data(payload)) => Ok(Some(payload)),
        Some(Frame::End) => Ok(None),
        Some(Frame::Message(payload)) => match parse(&payload)? {
            Response::Error(error) => Err(error.into()),
            _ => Err(Error::Reject("a control message where data was due".into())),
        },
        None => Err(lost("the connection ended before all data came")),
    }
}

/// Writes bytes of any length as data frames.
pub async fn send_all(out: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<()> {
    for part in bytes.chunks(PART_BYTES) {
        send_data(out, part).await?;
    }
    Ok(())
}

/// The same, and their end.
pub async fn send_parts(out: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<()> {
    send_all(out, bytes).await?;
    send_end(out).await
}

/// Reads what [`send_parts`] wrote, of `limit` bytes at most.
pub async fn receive_parts(input: &mut (impl AsyncRead + Unpin), limit: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(part) = receive_data(input).await? {
        if bytes.len() + part.len() > limit {
            return Err(Error::Reject(format!("over {limit} bytes in one piece on the control socket")));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// Reads a message's JSON.
pub fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T> {
    serde_json::from_slice(payload)
        .map_err(|cause| Error::Reject(format!("a control message that cannot be read: {cause}")))
}

async fn write(out: &mut (impl AsyncWrite + Unpin), kind: u8, payload: &[u8]) -> Result<()> {
    let length = u32::try_from(payload.len() + 1).ok().filter(|length| *length as usize <= MAX_FRAME_BYTES);
    let length = length.ok_or_else(|| Error::Reject(format!("{} bytes do not fit a control frame", payload.len())))?;
    let mut head = [0; 5];
    head[..4].copy_from_slice(&length.to_be_bytes());
    head[4] = kind;
    out.write_all(&head).await.map_err(lost)?;
    out.write_all(payload).await.map_err(lost)?;
    out.flush().await.map_err(lost)
}

fn lost(cause: impl std::fmt::Display) -> Error {
    Error::Retry(format!("the control socket: {cause}"))
}
