//! Shared pieces of text fields: closed sets of names, and bounds on free text.

use crate::codec::DecodeError;

/// Longest name, platform or kind, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 256;

/// Longest sentence or address of a page: a question, a reason, an evidence, a URL.
pub(crate) const MAX_SENTENCE_BYTES: usize = 4096;

/// Refuses text that would swell rows and mails.
pub(crate) fn check_text(field: &str, text: &str, max_bytes: usize) -> Result<(), DecodeError> {
    match text.len() {
        len if len <= max_bytes => Ok(()),
        len => Err(DecodeError::field(field, format!("{len} bytes are too long; at most {max_bytes} are stored"))),
    }
}

/// [`check_text`] where there is a text.
pub(crate) fn check_optional(field: &str, text: Option<&String>, max_bytes: usize) -> Result<(), DecodeError> {
    text.map_or(Ok(()), |text| check_text(field, text, max_bytes))
}

/// A closed set of names: text in events and SQL, a small code in stored rows.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $( $(#[$case_doc:meta])* $code:literal $case:ident = $name:literal, )+ }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
            minicbor::Encode, minicbor::Decode,
        )]
        #[cbor(index_only)]
        pub enum $type {
            $( $(#[$case_doc])* #[serde(rename = $name)] #[n($code)] $case, )+
        }

        impl $type {
            /// Every case, in the order of the codes.
            pub const ALL: &'static [$type] = &[$( $type::$case, )+];

            /// The name in events and SQL.
            pub const fn as_str(self) -> &'static str {
                match self { $( $type::$case => $name, )+ }
            }

            /// The code in stored columns.
            pub const fn code(self) -> u8 {
                match self { $( $type::$case => $code, )+ }
            }

            /// The case of a stored code.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $( $code => Some($type::$case), )+ _ => None }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::codec::DecodeError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $( $name => Ok($type::$case), )+
                    other => Err($crate::codec::DecodeError::field(
                        stringify!($type),
                        format!("{} is not one of {}", $crate::decimal::quote(other), [$($name),+].join(", ")),
                    )),
                }
            }
        }
    };
}
pub(crate) use named;
