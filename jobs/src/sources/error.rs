//! What can be wrong with a source file: always with the file and, where there
//! is one, the line and the field, and with the way out.

use thiserror::Error;

/// Why a source stopped. Nothing comes after it: a file that is wrong in one
/// place would give another history than its publisher's.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The file could not be opened.
    #[error("{file}: cannot be opened: {source}")]
    Open {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Reading or decompressing failed; a cut .gz or .bz2 file ends here.
    #[error(
        "{file}, line {line}: cannot be read: {source}; if it is a compressed file it may be cut short, fetch it again"
    )]
    Read {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The last line has no newline and is no whole JSON document.
    #[error(
        "{file}, line {line}: the file ends in the middle of this line; fetch it again, or delete the line to replay what is whole"
    )]
    Truncated {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
    },
    /// The line is not the JSON that the format asks for.
    #[error("{file}, line {line}, column {column}: {detail}")]
    Malformed {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// The column.
        column: usize,
        /// What is wrong.
        detail: String,
    },
    /// A field holds what the format does not allow.
    #[error("{file}, line {line}: {field}: {detail}")]
    Field {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// The field.
        field: String,
        /// What is wrong.
        detail: String,
    },
    /// A line longer than any real message.
    #[error("{file}, line {line}: longer than {limit} bytes; this is not a newline-delimited stream file")]
    TooLong {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// The limit, in bytes.
        limit: usize,
    },
}

/// A field's problem before the file and the line are known: the converters
/// know fields, the reader knows where it is.
#[derive(Debug)]
pub(super) struct FieldError {
    pub field: String,
    pub detail: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self { field: field.into(), detail: detail.to_string() }
    }
}
