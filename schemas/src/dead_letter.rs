//! Records that could not be processed, kept with their bytes until a person looks.

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Encoded, Event};
use crate::ids::{DeadLetterId, derive};
use crate::log_position::LogPosition;
use crate::row::Row;
use crate::text::named;
use crate::time::Timestamp;

named! {
    /// Why a record ended here.
    DeadLetterReason {
        /// It cannot be decoded, or breaks a rule of its schema.
        0 Invalid = "invalid",
        /// Its id belongs to another record with another body.
        1 Conflict = "conflict",
        /// It has more bytes than a record may have.
        2 TooLarge = "too_large",
    }
}

/// A row of `dead_letters`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeadLetter {
    /// Follows from stream, shard and position, so a replay writes the same row.
    #[n(0)]
    pub id: DeadLetterId,
    /// The stream it was read from.
    #[n(1)]
    pub stream: String,
    /// Number of the shard.
    #[n(2)]
    pub shard: u32,
    /// Position in the shard.
    #[n(3)]
    pub position: LogPosition,
    /// When the log took it.
    #[n(4)]
    pub arrived_at: Timestamp,
    /// Why it is here.
    #[n(5)]
    pub reason: DeadLetterReason,
    /// What is wrong, in words.
    #[n(6)]
    pub detail: String,
    /// The record, whole or, where `bytes_at` says so, its beginning.
    #[n(7)]
    #[cbor(with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// The object that holds the whole of a large record.
    #[n(8)]
    pub bytes_at: Option<String>,
}

impl DeadLetter {
    /// The id of the dead letter for a place in a stream.
    pub fn id_of(stream: &str, shard: u32, position: &LogPosition) -> DeadLetterId {
        let parts: [&[u8]; 3] = [stream.as_bytes(), &shard.to_be_bytes(), position.as_bytes()];
        derive("dead-letter", &parts).into()
    }
}

impl Row for DeadLetter {
    const TABLE: &'static str = "dead_letters";
}

/// What the stream `dead-letters` tells: which record went there and why. The bytes stay in the
/// table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLettered {
    /// The row's id.
    pub id: DeadLetterId,
    /// The stream the record was read from.
    pub stream: String,
    /// The shard's name.
    pub shard: String,
    /// Position in the shard.
    pub position: String,
    /// When the log took it.
    pub arrived_at: Timestamp,
    /// What kind of trouble.
    pub reason: String,
    /// What is wrong, in words.
    pub detail: String,
}

impl Event for DeadLettered {
    const STREAM: &'static str = "dead-letters";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        record.read()
    }
}
