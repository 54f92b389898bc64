//! The forms that every amount has: text, JSON, CBOR, stored rows and JSON Schema.

use std::fmt;
use std::marker::PhantomData;

use schemars::Schema;
use serde::{Deserialize, Deserializer, Serializer, de};
use serde_json::value::RawValue;

use super::{AmountError, DecimalText, Micros, ONE, parse, quote};

/// Amounts travel as text, in JSON and in CBOR alike.
pub(crate) fn serialize<T: Micros, S: Serializer>(value: T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(DecimalText::of(value.wide()).as_str())
}

/// Accepts text, an integer, and in JSON any number, read from its own text.
///
/// JSON goes through `RawValue`: the number's characters reach [`parse_micros`]
/// untouched. This needs a serde_json deserializer; types that buffer (internally
/// tagged enums) cannot hold amounts, which is why game events are decoded in two steps.
pub(crate) fn deserialize<'de, T: Micros, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    if !deserializer.is_human_readable() {
        return deserializer.deserialize_any(CborAmount(PhantomData));
    }
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    from_json_token(raw.get()).map_err(de::Error::custom)
}

fn from_json_token<T: Micros>(token: &str) -> Result<T, AmountError> {
    match token.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(token).map_err(|_| AmountError::NotDecimal(quote(token)))?;
            parse(&text)
        }
        Some(b'-' | b'0'..=b'9') => parse(token),
        _ => Err(AmountError::WrongType(token.chars().take(40).collect())),
    }
}

struct CborAmount<T>(PhantomData<T>);

impl<T: Micros> CborAmount<T> {
    fn whole<E: de::Error>(units: i128) -> Result<T, E> {
        units
            .checked_mul(ONE)
            .and_then(T::from_wide)
            .ok_or_else(|| E::custom(AmountError::OutOfRange { value: units.to_string(), range: T::RANGE }))
    }
}

impl<'de, T: Micros> de::Visitor<'de> for CborAmount<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal text such as \"12.5\" or an integer")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        parse(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, units: u64) -> Result<T, E> {
        Self::whole(i128::from(units))
    }

    fn visit_i64<E: de::Error>(self, units: i64) -> Result<T, E> {
        Self::whole(i128::from(units))
    }

    fn visit_f64<E: de::Error>(self, float: f64) -> Result<T, E> {
        Err(E::custom(AmountError::Float(float.to_string())))
    }
}

/// JSON Schema of an amount: decimal text, or a number read from its text.
pub(crate) fn json_schema(description: &str, pattern: &str) -> Schema {
    schemars::json_schema!({
        "description": description,
        "anyOf": [
            { "type": "string", "pattern": pattern },
            { "type": "number" },
        ],
    })
}

/// Implements text, serde, row and schema forms of a type that is [`Micros`].
macro_rules! amount_forms {
    ($type:ident, $name:literal, $description:literal, $pattern:literal) => {
        impl $type {
            /// Reads an exact decimal text; see [`crate::decimal::parse_micros`].
            pub fn parse(text: &str) -> Result<Self, $crate::decimal::AmountError> {
                $crate::decimal::parse(text)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::decimal::AmountError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad($crate::decimal::DecimalText::of($crate::decimal::Micros::wide(*self)).as_str())
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($type))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::decimal::serialize(*self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::decimal::deserialize(deserializer)
            }
        }

        impl<C> minicbor::Encode<C> for $type {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                let micros = $crate::decimal::Micros::wide(*self);
                // The bytes are the same; the narrow way is quicker.
                match i64::try_from(micros) {
                    Ok(narrow) => e.i64(narrow)?.ok(),
                    Err(_) => e.i128(micros)?.ok(),
                }
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $type {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let micros = d.i128()?;
                $crate::decimal::Micros::from_wide(micros)
                    .ok_or_else(|| minicbor::decode::Error::message(format!("{micros} is out of range for {}", $name)))
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::decimal::json_schema($description, $pattern)
            }
        }
    };
}
pub(crate) use amount_forms;
