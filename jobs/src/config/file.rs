//! The configuration file as a flat list of keys, each with its line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;

/// A key of the file with its value's text.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The dotted key: `log.durability`.
    pub key: String,
    /// The value's text.
    pub text: String,
    /// The line it stands in, from 1.
    pub line: usize,
}

/// Reads a file's text.
pub fn entries(path: &str, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| syntax(path, text, &error))?;
    let mut entries = Vec::new();
    collect("", table.get_ref(), path, text, &mut entries)?;
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

/// The error of a text that is no TOML.
pub fn syntax(path: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    ConfigError::Syntax { place: format!("{path}:{line}"), problem: error.message().to_owned() }
}

fn collect(
    prefix: &str,
    table: &DeTable<'_>,
    path: &str,
    text: &str,
    entries: &mut Vec<Entry>,
) -> Result<(), ConfigError> {
    for (name, value) in table.iter() {
        let key = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
        match value.get_ref() {
            // Declarations, which are no settings: see `window`.
            _ if key == "window" => {}
            DeValue::Table(inner) => collect(&key, inner, path, text, entries)?,
            _ => entries.push(entry(key, name.span().start, value, path, text)?),
        }
    }
    Ok(())
}

fn entry(key: String, at: usize, value: &Spanned<DeValue<'_>>, path: &str, text: &str) -> Result<Entry, ConfigError> {
    let line = line_of(text, at);
    let value_text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        other => {
            let problem =
                format!("{key} is of type {}; settings are texts, whole numbers, true or false", other.type_str());
            return Err(ConfigError::Syntax { place: format!("{path}:{line}"), problem });
        }
    };
    Ok(Entry { key, text: value_text, line })
}

/// The line of a byte of the text, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}
