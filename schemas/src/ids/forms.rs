//! The forms that every identity has: text, JSON, CBOR, stored rows and JSON Schema.

/// Serde, row and schema forms shared by every identity. Text in JSON and CBOR; a CBOR
/// byte string of the right length is accepted too.
macro_rules! identity_forms {
    ($name:ident, $bytes:literal, $what:literal, $schema:tt) => {
        impl $name {
            /// From raw bytes; any value is an identity.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self::from_array(bytes)
            }

            fn from_slice(bytes: &[u8]) -> Result<Self, $crate::ids::IdError> {
                let exact = bytes.try_into().map_err(|_| $crate::ids::IdError::Length {
                    what: $what,
                    got: bytes.len(),
                    want: $bytes,
                })?;
                Ok(Self::from_bytes(exact))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.text().as_str())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::IdError;

            fn from_str(text: &str) -> Result<Self, $crate::ids::IdError> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.text().as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!($what, " as text"))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }

                    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        $name::from_slice(bytes).map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(self.as_bytes())?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                $name::from_slice(d.bytes()?).map_err(minicbor::decode::Error::message)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// Wraps a UUID made elsewhere, such as by [`derive`].
            pub const fn new(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }

            const fn from_array(bytes: [u8; 16]) -> Self {
                Self(uuid::Uuid::from_bytes(bytes))
            }

            /// The sixteen bytes, in the order of the text.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            pub(crate) fn text(&self) -> $crate::hex::Text<36> {
                $crate::hex::uuid_text(self.as_bytes())
            }

            /// The UUID inside.
            pub const fn uuid(self) -> uuid::Uuid {
                self.0
            }

            /// Reads the hyphenated form, in any case.
            pub fn parse(text: &str) -> Result<Self, $crate::ids::IdError> {
                $crate::hex::parse_uuid(text.as_bytes())
                    .map(Self::from_bytes)
                    .ok_or_else(|| $crate::ids::IdError::Uuid($crate::decimal::quote(text)))
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }
        }

        $crate::ids::forms::identity_forms!($name, 16, $what, { "type": "string", "format": "uuid", "description": $what });
    };
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            const fn from_array(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            pub(crate) fn text(&self) -> $crate::hex::Text<{ 2 + 2 * $bytes }> {
                $crate::hex::prefixed_text(&self.0)
            }

            /// Reads `0x` and hex digits of any case.
            pub fn parse(text: &str) -> Result<Self, $crate::ids::IdError> {
                $crate::hex::parse_prefixed(text.as_bytes())
                    .map(Self)
                    .ok_or_else(|| $crate::ids::IdError::Hex { value: $crate::decimal::quote(text), what: $what, digits: 2 * $bytes })
            }
        }

        $crate::ids::forms::identity_forms!($name, $bytes, $what, { "type": "string", "pattern": $pattern, "description": $what });
    };
}
pub(crate) use identity_forms;
pub(super) use {hex_id, uuid_id};
