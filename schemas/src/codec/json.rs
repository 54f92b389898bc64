//! JSON into types, with the path to what is wrong.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::DecodeError;
use crate::decimal::{AmountError, quote};

/// Deserialises a whole record. Paths cost time, so they are only kept in a second
/// reading, when the first has failed.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(bytes).or_else(|_| read_tracked(bytes))
}

fn read_tracked<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| explain(&super::field_path(error.path()), error.inner(), bytes))?;
    deserializer.end().map_err(|error| explain("", &error, bytes))?;
    Ok(value)
}

fn explain(path: &str, error: &serde_json::Error, bytes: &[u8]) -> DecodeError {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    if error.classify() == Category::Data {
        return DecodeError::from_serde(path, message);
    }
    let found = word_at(bytes, error);
    if let Some(word) = found.filter(|word| is_not_finite(word)) {
        let field = if path.is_empty() { "record" } else { path };
        return DecodeError::field(field, AmountError::NotFinite(quote(word)));
    }
    let field = if path.is_empty() { String::new() } else { format!(" in field {path}") };
    DecodeError::Malformed {
        encoding: "JSON",
        problem: format!("{message} at line {} column {}{field}", error.line(), error.column()),
    }
}

/// The bare word at a syntax error, if the error stands in or just before one.
fn word_at<'a>(bytes: &'a [u8], error: &serde_json::Error) -> Option<&'a str> {
    let lines_before: usize =
        bytes.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let at = (lines_before + error.column()).min(bytes.len());
    let is_word = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'-' || *byte == b'+';
    let before = bytes[..at].iter().rev().take(16).take_while(|byte| is_word(byte)).count();
    let after = bytes[at..].iter().take(16).take_while(|byte| is_word(byte)).count();
    std::str::from_utf8(&bytes[at - before..at + after]).ok()
}

fn is_not_finite(word: &str) -> bool {
    let unsigned = word.trim_start_matches(['-', '+']);
    ["nan", "inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name))
}
