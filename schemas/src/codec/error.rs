//! Why bytes are not an event, in words for the person who sent them.

/// One error type for all events. The text is what a dead letter shows as its detail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No bytes, or only blanks.
    #[error("the record is empty; send a JSON object or a CBOR map")]
    Empty,
    /// More bytes than a record may have.
    #[error("the record has {bytes} bytes; at most 1048576 are accepted")]
    TooLarge {
        /// Bytes of the record.
        bytes: usize,
    },
    /// The first byte begins neither encoding.
    #[error("byte 0x{byte:02x} begins neither a JSON object nor a CBOR map")]
    Unrecognised {
        /// The first byte.
        byte: u8,
    },
    /// The bytes break JSON's or CBOR's own grammar.
    #[error("the record is not valid {encoding}: {problem}")]
    Malformed {
        /// `JSON` or `CBOR`.
        encoding: &'static str,
        /// What is wrong and where.
        problem: String,
    },
    /// A field that must be there is not.
    #[error("{field}: missing; this field is required")]
    Missing {
        /// The field's path, such as `question.outcomes`.
        field: String,
    },
    /// A field's value is wrong.
    #[error("{field}: {problem}")]
    Field {
        /// The field's path, such as `question.outcomes[2]`.
        field: String,
        /// The value and what would be right.
        problem: String,
    },
}

impl DecodeError {
    /// A wrong value in a field.
    pub fn field(field: impl Into<String>, problem: impl ToString) -> DecodeError {
        DecodeError::Field { field: field.into(), problem: problem.to_string() }
    }

    /// From serde's message about the value at `path`, which is empty at the top.
    pub(super) fn from_serde(path: &str, message: &str) -> DecodeError {
        let within = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        if let Some(name) = between_ticks(message, "missing field `") {
            return DecodeError::Missing { field: within(name) };
        }
        if let Some(name) = between_ticks(message, "duplicate field `") {
            return DecodeError::field(within(name), "given twice; send it once");
        }
        match path {
            "" => DecodeError::field("record", message),
            path => DecodeError::field(path, message),
        }
    }
}

fn between_ticks<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    message.strip_prefix(start)?.split('`').next()
}
