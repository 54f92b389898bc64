//! A picture of a broadcast, as the stream `frames` carries it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::codec::{DecodeError, Encoded, Event};
use crate::ids::StreamId;
use crate::text::{MAX_SENTENCE_BYTES, check_optional, named};
use crate::time::Timestamp;

named! {
    /// How the picture is compressed.
    FrameEncoding {
        /// JPEG.
        0 Jpeg = "jpeg",
        /// PNG.
        1 Png = "png",
    }
}

impl FrameEncoding {
    /// How a picture is compressed, by its first bytes; nothing where they are neither's.
    pub const fn of(bytes: &[u8]) -> Option<FrameEncoding> {
        match bytes {
            [0xFF, 0xD8, ..] => Some(FrameEncoding::Jpeg),
            [0x89, b'P', b'N', b'G', ..] => Some(FrameEncoding::Png),
            _ => None,
        }
    }
}

/// One frame, with its bytes or with the object that holds them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// The broadcast.
    pub stream_uuid: StreamId,
    /// Grows with every frame of the broadcast.
    pub sequence: u64,
    /// When the frame was captured.
    pub captured_at: Timestamp,
    /// How the picture is compressed.
    pub encoding: FrameEncoding,
    /// The picture itself: base64 in JSON, a byte string in CBOR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<FrameBytes>,
    /// The object that holds the picture, when it is too large to send along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A compressed picture.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FrameBytes(pub Vec<u8>);

impl Event for Frame {
    const STREAM: &'static str = "frames";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        record.read()
    }

    fn check(&self) -> Result<(), DecodeError> {
        check_optional("reference", self.reference.as_ref(), MAX_SENTENCE_BYTES)?;
        match (&self.bytes, &self.reference) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (None, None) => Err(DecodeError::Missing { field: "bytes".into() }),
            (Some(_), Some(_)) => Err(DecodeError::field("reference", "given beside bytes; send one of the two")),
        }
    }
}

impl fmt::Debug for FrameBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameBytes({} bytes)", self.0.len())
    }
}

impl Serialize for FrameBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for FrameBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = FrameBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a picture's bytes, in base64 where the format is text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<FrameBytes, E> {
                STANDARD.decode(text).map(FrameBytes).map_err(|error| E::custom(format!("not base64: {error}")))
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<FrameBytes, E> {
                Ok(FrameBytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for FrameBytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FrameBytes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "contentEncoding": "base64" })
    }
}
