//! Event time: milliseconds since the Unix epoch, in UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::decimal::quote;

/// A moment between 1970-01-01 and 9999-12-31, in milliseconds since the epoch.
///
/// Events carry it as an integer; people see RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why something is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Outside 1970..=9999; seconds or microseconds sent by mistake end here or in 1970.
    #[error("{0} is out of range; send milliseconds since 1970, before the year 10000")]
    OutOfRange(i128),
    /// Not a text of RFC 3339.
    #[error("{0} is not a time; write RFC 3339 such as \"2022-07-11T14:47:27.332Z\"")]
    Text(String),
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(0);
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999);

    /// From milliseconds since the epoch; `None` outside 1970..=9999.
    pub const fn from_millis(millis: i64) -> Option<Timestamp> {
        if millis >= 0 && millis <= Self::MAX.0 { Some(Timestamp(millis)) } else { None }
    }

    /// From milliseconds since the epoch, kept inside the range.
    pub fn from_millis_clamped(millis: i64) -> Timestamp {
        Timestamp(millis.clamp(0, Self::MAX.0))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment moved by `millis`, kept inside the range.
    pub fn saturating_add(self, millis: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(millis).clamp(0, Self::MAX.0))
    }

    /// Milliseconds from `earlier` to this moment; negative when it is later.
    pub const fn since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }

    /// `2022-07-11T14:47:27.332Z`: always three decimals, always `Z`.
    pub fn to_rfc3339(self) -> String {
        match DateTime::from_timestamp_millis(self.0) {
            Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
            // Chrono's years go far beyond 9999; numbers still say what the moment is.
            None => format!("{}ms", self.0),
        }
    }

    /// Reads RFC 3339 with any offset; digits below a millisecond are cut off.
    pub fn parse_rfc3339(text: &str) -> Result<Timestamp, TimeError> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| TimeError::Text(quote(text)))?;
        let millis = time.timestamp_millis();
        Timestamp::from_millis(millis).ok_or(TimeError::OutOfRange(i128::from(millis)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse_rfc3339(text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("milliseconds since 1970 as an integer")
            }

            fn visit_i64<E: de::Error>(self, millis: i64) -> Result<Timestamp, E> {
                Timestamp::from_millis(millis).ok_or_else(|| E::custom(TimeError::OutOfRange(i128::from(millis))))
            }

            fn visit_u64<E: de::Error>(self, millis: u64) -> Result<Timestamp, E> {
                i64::try_from(millis)
                    .ok()
                    .and_then(Timestamp::from_millis)
                    .ok_or_else(|| E::custom(TimeError::OutOfRange(i128::from(millis))))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<C> minicbor::Encode<C> for Timestamp {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.i64(self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Timestamp {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let millis = d.i64()?;
        Timestamp::from_millis(millis)
            .ok_or_else(|| minicbor::decode::Error::message(TimeError::OutOfRange(i128::from(millis))))
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "integer",
            "minimum": 0,
            "maximum": Timestamp::MAX.0,
            "description": "Milliseconds since 1970-01-01T00:00:00Z.",
        })
    }
}
