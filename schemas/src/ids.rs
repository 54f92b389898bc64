//! Identities: UUIDs by what they name, chain addresses and hashes.
//!
//! Each is a newtype, so that a bet's id cannot be passed for a question's. Text is
//! parsed at the edge; inside they are plain bytes that sort and hash as bytes.

mod derive;
mod forms;

pub use derive::{Namespace, derive};
use forms::{hex_id, uuid_id};

/// Why a text or byte string is not an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not the hyphenated 36 characters.
    #[error("{0} is not a UUID; write 36 characters such as \"6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9\"")]
    Uuid(String),
    /// Not `0x` and the right count of hex digits.
    #[error("{value} is not {what}; write 0x and {digits} hexadecimal digits")]
    Hex {
        /// The value as written, shortened.
        value: String,
        /// The kind of identity.
        what: &'static str,
        /// How many digits it has.
        digits: usize,
    },
    /// A CBOR byte string of the wrong length.
    #[error("{got} bytes are not {what}; it has {want}")]
    Length {
        /// The kind of identity.
        what: &'static str,
        /// Bytes given.
        got: usize,
        /// Bytes needed.
        want: usize,
    },
}

uuid_id!(
    /// A bet.
    BetId,
    "a bet's UUID"
);
uuid_id!(
    /// A question that people bet on.
    QuestionId,
    "a question's UUID"
);
uuid_id!(
    /// A streamer's broadcast.
    StreamId,
    "a stream's UUID"
);
uuid_id!(
    /// A game event, odds event, quote or settlement.
    EventId,
    "an event's UUID"
);
uuid_id!(
    /// One change of a bet's status, told to its bettor.
    NotificationId,
    "a notification's UUID"
);
uuid_id!(
    /// A record that could not be processed.
    DeadLetterId,
    "a dead letter's UUID"
);
hex_id!(
    /// An account or contract on chain; written in lower case.
    Address,
    20,
    "a chain address",
    "^0x[0-9a-fA-F]{40}$"
);
hex_id!(
    /// A transaction's hash.
    TxHash,
    32,
    "a transaction hash",
    "^0x[0-9a-fA-F]{64}$"
);
hex_id!(
    /// A question's id on chain, from which its condition id follows.
    ChainQuestionId,
    32,
    "an on-chain question id",
    "^0x[0-9a-fA-F]{64}$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_written_in_lower_case_and_read_in_any() {
        let address: Address = "0x00112233445566778899AABBCCDDEEFF00112233".parse().unwrap();
        assert_eq!(address.to_string(), "0x00112233445566778899aabbccddeeff00112233");
        let message = "12345".parse::<Address>().unwrap_err().to_string();
        assert_eq!(message, "\"12345\" is not a chain address; write 0x and 40 hexadecimal digits");
    }
}
