//! Bytes of a record batch whose schema is known to its reader: Arrow IPC without the schema,
//! compressed. Window states are stored so, and whatever else is kept in columns.
//!
//! ```text
//! format u8 · length before compression u32 · xxh3 of the rest u64 · lz4( length of message u32 · message · body )
//! ```
//!
//! Little-endian throughout. A window's schema is its plan's ([`WindowPlan::state_schema`]); whoever
//! stores states stores the plan's fingerprint with them and decodes under that schema only. The hash
//! finds bytes that rotted; lengths and counts are checked as well, since Arrow's reader asserts what
//! it expects of a file.
//!
//! [`WindowPlan::state_schema`]: super::WindowPlan::state_schema

use std::collections::HashMap;

use arrow_ipc::reader::RecordBatchDecoder;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_ipc::{FieldNode, MetadataVersion, root_as_message};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use xxhash_rust::xxh3::xxh3_64;

use super::{StateError, WindowError};

/// Format of the bytes; part of every plan's fingerprint.
pub const FORMAT: u8 = 1;

/// Largest state before compression: 256 MiB is a million groups at 256 bytes each, a hundred times
/// the open groups that a window is meant for, and what a corrupt length may make us allocate.
pub const MAX_BYTES: usize = 256 << 20;

const HEADER_BYTES: usize = 1 + 4 + 8;

/// Buffers start at multiples of 8 bytes: the least that Arrow takes, so that small states are small.
const ALIGNMENT_BYTES: usize = 8;

/// Encodes a state. Equal batches give equal bytes.
pub fn encode(batch: &RecordBatch) -> Result<Vec<u8>, WindowError> {
    Ok(compress(batch)?)
}

/// Decodes a state written by [`encode`] under the schema of the plan that made it.
pub fn decode(schema: &SchemaRef, bytes: &[u8]) -> Result<RecordBatch, WindowError> {
    Ok(read(schema, &decompress(bytes)?)?)
}

/// Writes the message, compresses it and puts the header before it.
fn compress(batch: &RecordBatch) -> Result<Vec<u8>, StateError> {
    let options = IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5)?;
    let (dictionaries, encoded) = IpcDataGenerator::default().encode(
        batch,
        &mut DictionaryTracker::new(false),
        &options,
        &mut IpcWriteContext::default(),
    )?;
    if !dictionaries.is_empty() {
        let reason = "dictionary columns are not stored; cast them to plain ones";
        return Err(StateError::Arrow(ArrowError::NotYetImplemented(reason.to_owned())));
    }

    let message = encoded.ipc_message;
    let too_large = |bytes: usize| StateError::TooLarge { bytes, limit: MAX_BYTES };
    let length = 4 + message.len() + encoded.arrow_data.len();
    if length > MAX_BYTES {
        return Err(too_large(length));
    }
    let message_length = u32::try_from(message.len()).map_err(|_| too_large(length))?;
    let raw_length = u32::try_from(length).map_err(|_| too_large(length))?;

    let mut raw = Vec::with_capacity(length);
    raw.extend_from_slice(&message_length.to_le_bytes());
    raw.extend_from_slice(&message);
    raw.extend_from_slice(&encoded.arrow_data);
    let compressed = lz4_flex::block::compress(&raw);

    let mut bytes = Vec::with_capacity(HEADER_BYTES + compressed.len());
    bytes.push(FORMAT);
    bytes.extend_from_slice(&raw_length.to_le_bytes());
    bytes.extend_from_slice(&xxh3_64(&compressed).to_le_bytes());
    bytes.extend_from_slice(&compressed);
    Ok(bytes)
}

/// Reads a message and its body under a schema.
fn read(schema: &SchemaRef, raw: &[u8]) -> Result<RecordBatch, StateError> {
    let Some((length, rest)) = raw.split_first_chunk::<4>() else {
        return Err(corrupt("no message"));
    };
    let Some((message, body)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else {
        return Err(corrupt("the message is longer than the state"));
    };
    let message = root_as_message(message).map_err(|error| corrupt(&error.to_string()))?;
    let Some(batch) = message.header_as_record_batch() else {
        return Err(corrupt("the message is not a record batch"));
    };
    check_layout(&batch, schema, body.len())?;

    let body = Buffer::from(body);
    let version = message.version();
    let no_dictionaries = HashMap::new();
    let decoder = RecordBatchDecoder::try_new(&body, batch, SchemaRef::clone(schema), &no_dictionaries, &version)?;
    Ok(decoder.read_record_batch()?)
}

/// Takes header and compression off, checking both.
fn decompress(bytes: &[u8]) -> Result<Vec<u8>, StateError> {
    let truncated = StateError::Truncated { found: bytes.len(), needed: HEADER_BYTES };
    let Some((&[format], rest)) = bytes.split_first_chunk::<1>() else {
        return Err(truncated);
    };
    if format != FORMAT {
        return Err(StateError::Format { found: format, expected: FORMAT });
    }
    let Some((length, rest)) = rest.split_first_chunk::<4>() else {
        return Err(truncated);
    };
    let Some((hash, compressed)) = rest.split_first_chunk::<8>() else {
        return Err(truncated);
    };
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_BYTES {
        return Err(StateError::TooLarge { bytes: length, limit: MAX_BYTES });
    }
    if xxh3_64(compressed) != u64::from_le_bytes(*hash) {
        return Err(corrupt("its hash does not match"));
    }
    let raw = lz4_flex::block::decompress(compressed, length).map_err(|error| corrupt(&error.to_string()))?;
    if raw.len() != length {
        return Err(corrupt("it is shorter than its header says"));
    }
    Ok(raw)
}

/// Checks what Arrow's reader asserts or multiplies without looking.
fn check_layout(batch: &arrow_ipc::RecordBatch<'_>, schema: &SchemaRef, body: usize) -> Result<(), StateError> {
    if batch.compression().is_some() {
        return Err(corrupt("its buffers are compressed"));
    }
    // A row takes a bit of some buffer at least.
    let most_rows = i64::try_from(body.saturating_mul(8)).unwrap_or(i64::MAX);
    if !(0..=most_rows).contains(&batch.length()) {
        return Err(corrupt("its row count does not fit its size"));
    }
    for node in batch.nodes().into_iter().flatten() {
        let fits = (0..=most_rows).contains(&node.length()) && (0..=node.length()).contains(&node.null_count());
        if !fits {
            return Err(corrupt("a column's length does not fit its size"));
        }
    }
    for buffer in batch.buffers().into_iter().flatten() {
        let end = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok())
            .and_then(|(offset, length)| offset.checked_add(length));
        if end.is_none_or(|end| end > body) {
            return Err(corrupt("a buffer lies outside the state"));
        }
    }
    let views = schema
        .flattened_fields()
        .iter()
        .filter(|field| matches!(field.data_type(), DataType::Utf8View | DataType::BinaryView))
        .count();
    let counts = batch.variadicBufferCounts().into_iter().flatten();
    if counts.clone().any(|count| !(0..=most_rows).contains(&count)) || counts.count() != views {
        return Err(corrupt("its view columns do not match the schema"));
    }
    let mut nodes = batch.nodes().into_iter().flatten();
    let mut buffers = batch.buffers().into_iter().flatten();
    let mut counts = batch.variadicBufferCounts().into_iter().flatten();
    for field in schema.fields() {
        check_validity(field.data_type(), &mut nodes, &mut buffers, &mut counts)?;
    }
    Ok(())
}

/// Checks that a column with nulls has a bit a row to say which, and so its children. Nodes and
/// buffers are laid out as the [IPC format] says; the reader reports missing ones itself.
///
/// [IPC format]: https://arrow.apache.org/docs/format/Columnar.html#recordbatch-message
fn check_validity<'a>(
    data_type: &DataType,
    nodes: &mut impl Iterator<Item = &'a FieldNode>,
    buffers: &mut impl Iterator<Item = &'a arrow_ipc::Buffer>,
    counts: &mut impl Iterator<Item = i64>,
) -> Result<(), StateError> {
    let Some(node) = nodes.next() else {
        return Ok(());
    };
    let own = match data_type {
        DataType::Null => 0,
        DataType::Struct(_) | DataType::FixedSizeList(..) => 1,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => 3,
        DataType::ListView(_) | DataType::LargeListView(_) => 3,
        DataType::Utf8View | DataType::BinaryView => counts.next().unwrap_or(0).saturating_add(2),
        _ => 2,
    };
    for position in 0..own {
        let Some(buffer) = buffers.next() else {
            return Ok(());
        };
        let bits = buffer.length().saturating_mul(8);
        if position == 0 && node.null_count() > 0 && bits < node.length() {
            return Err(corrupt("a column does not say which of its rows are null"));
        }
    }
    match data_type {
        DataType::List(child)
        | DataType::LargeList(child)
        | DataType::ListView(child)
        | DataType::LargeListView(child)
        | DataType::FixedSizeList(child, _)
        | DataType::Map(child, _) => check_validity(child.data_type(), nodes, buffers, counts),
        DataType::Struct(children) => {
            children.iter().try_for_each(|child| check_validity(child.data_type(), nodes, buffers, counts))
        }
        _ => Ok(()),
    }
}

fn corrupt(detail: &str) -> StateError {
    StateError::Corrupt { detail: detail.to_owned() }
}
