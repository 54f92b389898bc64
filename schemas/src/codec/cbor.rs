//! CBOR into types, with the path to what is wrong and a bound on nesting.

use minicbor::Decoder;
use minicbor::data::Type;
use minicbor_serde::Deserializer;
use serde::de::DeserializeOwned;

use super::DecodeError;

/// Containers within containers. Events need five; deserialising is recursive, so a
/// megabyte of opening brackets must be turned away before it meets the stack.
const MAX_DEPTH: usize = 64;

/// Deserialises a whole record. As in JSON, the path is kept in a second reading only.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    check_shape(bytes)?;
    minicbor_serde::from_slice(bytes).or_else(|_| read_tracked(bytes))
}

fn read_tracked<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut deserializer = Deserializer::new(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let text = error.inner().to_string();
        // The library's own name for messages of a type; they read better without it.
        let message = text.strip_prefix("decode error: ").unwrap_or(&text);
        DecodeError::from_serde(&super::field_path(error.path()), message)
    })
}

/// One well-formed item, not nested too deeply, and nothing after it.
fn check_shape(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let deep = walk(&mut decoder).map_err(|error| malformed(error.to_string()))?;
    if deep {
        return Err(malformed(format!("containers are nested more than {MAX_DEPTH} deep")));
    }
    match bytes.len() - decoder.position() {
        0 => Ok(()),
        rest => Err(malformed(format!("{rest} bytes follow the map"))),
    }
}

fn malformed(problem: String) -> DecodeError {
    DecodeError::Malformed { encoding: "CBOR", problem }
}

/// Walks one item without recursion; true when it is nested too deeply.
fn walk(decoder: &mut Decoder<'_>) -> Result<bool, minicbor::decode::Error> {
    // Items still to come in each open container; `None` when a break byte ends it.
    let mut open: Vec<Option<u64>> = Vec::new();
    loop {
        match decoder.datatype()? {
            Type::Break if open.last() == Some(&None) => {
                decoder.set_position(decoder.position() + 1);
                open.pop();
            }
            Type::Tag => {
                decoder.tag()?;
                continue;
            }
            Type::Array | Type::ArrayIndef => {
                open.push(decoder.array()?);
            }
            Type::Map | Type::MapIndef => {
                let items = decoder.map()?.map(|pairs| pairs.saturating_mul(2));
                open.push(items);
            }
            _ => decoder.skip()?,
        }
        if open.len() > MAX_DEPTH {
            return Ok(true);
        }
        while open.last() == Some(&Some(0)) {
            open.pop();
        }
        match open.last_mut() {
            None => return Ok(false),
            Some(Some(left)) => *left -= 1,
            Some(None) => {}
        }
    }
}
