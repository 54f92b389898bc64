//! Parameters: from what clients bind to values that a query is planned with.

use arrow::datatypes::DataType;
use bytes::{Buf, Bytes};
use datafusion::common::ScalarValue;

use super::encode::BINARY;
use super::refusal::{BAD_TEXT, NOT_SUPPORTED, Refusal};
use super::types::{Scalar, planned_type};
use super::{numeric, times};

/// A value that a client has bound.
#[derive(Debug, Clone)]
pub struct Param {
    /// The type's number; 0 where the client does not say.
    pub oid: u32,
    /// Text or binary.
    pub format: i16,
    /// The value; nothing is NULL.
    pub value: Option<Bytes>,
}

impl Param {
    /// The value as text; nothing for NULL.
    pub fn text(&self, place: usize) -> Result<Option<String>, Refusal> {
        let Some(bytes) = &self.value else { return Ok(None) };
        let wrong = || {
            let name = Scalar::of_oid(self.oid).map_or_else(|| self.oid.to_string(), |s| s.facts().shown.to_owned());
            Refusal::new(BAD_TEXT, format!("the value of ${place} is no {name}"))
        };
        if self.format != BINARY || self.oid == 0 {
            return String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| wrong());
        }
        let Some(scalar) = Scalar::of_oid(self.oid) else {
            let problem = format!("${place} is of type {}, which is not taken in binary; send it as text", self.oid);
            return Err(Refusal::new(NOT_SUPPORTED, problem));
        };
        of_binary(scalar, bytes).map(Some).ok_or_else(wrong)
    }

    /// The value for a plan that expects `wanted`, or whatever fits.
    pub fn scalar(&self, place: usize, wanted: Option<&DataType>) -> Result<ScalarValue, Refusal> {
        let given = Scalar::of_oid(self.oid).map(planned_type);
        let target = wanted.cloned().or(given).unwrap_or(DataType::Utf8);
        let wrong = |text: &str| {
            let message = format!("the value {text:?} of ${place} is no {target}; cast the parameter in the query");
            Refusal::new(BAD_TEXT, message)
        };
        match self.text(place)? {
            None => ScalarValue::try_from(&target).map_err(|_| wrong("NULL")),
            Some(text) => ScalarValue::try_from_string(text.clone(), &target).map_err(|_| wrong(&text)),
        }
    }
}

/// A value in binary as text; nothing for bytes that are no such value.
fn of_binary(scalar: Scalar, bytes: &Bytes) -> Option<String> {
    let mut bytes = &bytes[..];
    let text = match scalar {
        Scalar::Bool => (bytes.try_get_u8().ok()? != 0).to_string(),
        Scalar::Int2 => bytes.try_get_i16().ok()?.to_string(),
        Scalar::Int4 => bytes.try_get_i32().ok()?.to_string(),
        Scalar::Int8 => bytes.try_get_i64().ok()?.to_string(),
        Scalar::Oid => bytes.try_get_u32().ok()?.to_string(),
        Scalar::Float4 => bytes.try_get_f32().ok()?.to_string(),
        Scalar::Float8 => bytes.try_get_f64().ok()?.to_string(),
        Scalar::Numeric => return numeric::read(bytes),
        Scalar::Date => times::day(bytes.try_get_i32().ok()?.checked_add(times::EPOCH_DAYS)?)?,
        Scalar::Timestamp | Scalar::TimestampTz => {
            let micros = bytes.try_get_i64().ok()?.checked_add(times::EPOCH_MICROS)?;
            times::moment(micros, scalar == Scalar::TimestampTz)?
        }
        Scalar::Uuid => return Some(uuid::Uuid::from_slice(bytes).ok()?.to_string()),
        Scalar::Text | Scalar::Varchar | Scalar::Name | Scalar::Json => {
            return String::from_utf8(bytes.to_vec()).ok();
        }
        Scalar::Bytea | Scalar::Time | Scalar::Interval => return None,
    };
    bytes.is_empty().then_some(text)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    fn param(oid: u32, format: i16, value: &[u8]) -> Param {
        Param { oid, format, value: Some(Bytes::copy_from_slice(value)) }
    }

    #[test]
    fn values_become_what_the_plan_expects() {
        let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        for (given, wanted, expected) in [
            (param(0, 0, b"0xaa"), Some(DataType::Utf8), "0xaa"),
            (param(0, 0, b"12"), Some(DataType::Int64), "12"),
            (param(21, BINARY, &[0, 12]), Some(DataType::Int64), "12"),
            (param(20, BINARY, &12i64.to_be_bytes()), None, "12"),
            (param(0, 0, b"t"), Some(DataType::Boolean), "true"),
            (param(0, 0, b"2.5"), Some(DataType::Decimal128(38, 6)), "2.500000"),
            (param(0, 0, b"2023-11-14 22:15:00+00"), Some(utc.clone()), "1700000100000"),
            (
                param(1184, BINARY, &(1_700_000_100_000_000 - times::EPOCH_MICROS).to_be_bytes()),
                Some(utc),
                "1700000100000",
            ),
            (param(0, 0, b"anything"), None, "anything"),
        ] {
            let shown = given.scalar(1, wanted.as_ref()).unwrap().to_string();
            assert!(shown.starts_with(expected), "{shown} {expected}");
        }
        let null = Param { oid: 0, format: 0, value: None };
        assert!(null.scalar(1, Some(&DataType::Int64)).unwrap().is_null());
        let refused = param(0, 0, b"many").scalar(2, Some(&DataType::Int64)).unwrap_err();
        assert_eq!(refused.code, BAD_TEXT);
        assert!(refused.message.contains("\"many\" of $2 is no Int64"), "{}", refused.message);
        assert_eq!(param(1007, BINARY, b"x").scalar(1, None).unwrap_err().code, NOT_SUPPORTED);
    }
}
