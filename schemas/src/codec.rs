//! How events become bytes and bytes become events: JSON or CBOR, one schema.
//!
//! [`Event::decode`] looks at the first byte to tell the two apart. Every error is a
//! [`DecodeError`], whose text names the field, quotes the value and says what is right.

mod cbor;
mod error;
mod json;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::DecodeError;

/// Bytes a record may have; what Kinesis takes in one record.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The two encodings of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A JSON object in UTF-8.
    Json,
    /// A CBOR map with text keys.
    Cbor,
}

/// A record's bytes and what they are written in.
#[derive(Debug, Clone, Copy)]
pub struct Encoded<'a> {
    encoding: Encoding,
    bytes: &'a [u8],
}

/// An event of a stream.
pub trait Event: Serialize + Sized {
    /// The stream it travels in.
    const STREAM: &'static str;

    /// Reads the event's shape; the values are checked afterwards.
    fn read(record: Encoded<'_>) -> Result<Self, DecodeError>;

    /// The rules that the shape alone does not say.
    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }

    /// Decodes JSON or CBOR, whichever the first byte announces.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match Encoded::sniff(bytes)?.encoding {
            Encoding::Json => Self::from_json(bytes),
            Encoding::Cbor => Self::from_cbor(bytes),
        }
    }

    /// Decodes a JSON object.
    fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        checked(Encoded::json(bytes)?)
    }

    /// Decodes a CBOR map.
    fn from_cbor(bytes: &[u8]) -> Result<Self, DecodeError> {
        checked(Encoded::cbor(bytes)?)
    }

    /// Encodes as a JSON object without spaces.
    fn to_json(&self) -> Vec<u8> {
        infallible(serde_json::to_vec(self))
    }

    /// Encodes as a CBOR map.
    fn to_cbor(&self) -> Vec<u8> {
        infallible(minicbor_serde::to_vec(self))
    }
}

fn checked<E: Event>(record: Encoded<'_>) -> Result<E, DecodeError> {
    let event = E::read(record)?;
    event.check()?;
    Ok(event)
}

impl<'a> Encoded<'a> {
    /// Tells JSON from CBOR by the first byte that is not blank.
    pub fn sniff(bytes: &'a [u8]) -> Result<Encoded<'a>, DecodeError> {
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(DecodeError::TooLarge { bytes: bytes.len() });
        }
        let first = bytes.iter().copied().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        let encoding = match first {
            None => return Err(DecodeError::Empty),
            Some(b'{') => Encoding::Json,
            Some(0xa0..=0xbb | 0xbf) => Encoding::Cbor,
            Some(byte) => return Err(DecodeError::Unrecognised { byte }),
        };
        Ok(Encoded { encoding, bytes })
    }

    /// Bytes that must be a JSON object.
    pub fn json(bytes: &'a [u8]) -> Result<Encoded<'a>, DecodeError> {
        Self::only(bytes, Encoding::Json)
    }

    /// Bytes that must be a CBOR map.
    pub fn cbor(bytes: &'a [u8]) -> Result<Encoded<'a>, DecodeError> {
        Self::only(bytes, Encoding::Cbor)
    }

    fn only(bytes: &'a [u8], encoding: Encoding) -> Result<Encoded<'a>, DecodeError> {
        let record = Self::sniff(bytes)?;
        match record.encoding == encoding {
            true => Ok(record),
            false => Err(DecodeError::Unrecognised { byte: bytes[0] }),
        }
    }

    /// What the bytes are written in.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Deserialises a type, naming the field where it fails.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        match self.encoding {
            Encoding::Json => json::read(self.bytes),
            Encoding::Cbor => cbor::read(self.bytes),
        }
    }
}

/// The path to a value, such as `question.outcomes[2]`; empty at the top of the record.
fn field_path(path: &serde_path_to_error::Path) -> String {
    let text = path.to_string();
    // A question mark stands for a key that could not be read.
    match text.as_str() {
        "." | "?" => String::new(),
        path => path.trim_end_matches(".?").to_owned(),
    }
}

/// Unwraps what cannot fail: writing to a `Vec` has no I/O error, the types' `Serialize`
/// are total, and their maps have text keys. Round-trip tests cover every type.
#[expect(clippy::expect_used, reason = "a proven invariant; see above")]
pub(crate) fn infallible<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.expect("encoding into memory cannot fail")
}
