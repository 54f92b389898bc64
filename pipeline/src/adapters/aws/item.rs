//! Rows of columns as DynamoDB items and back: an attribute a column, ids as text, decimals as numbers.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, FixedSizeBinaryBuilder, Int64Array, PrimitiveArray,
    RecordBatch, StringArray, TimestampMillisecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Field, Int64Type, SchemaRef, TimeUnit, TimestampMillisecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use aws_sdk_dynamodb::primitives::Blob;
pub use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::error::{Error, Result};

/// An item: its attributes by name.
pub type Item = HashMap<String, Value>;

/// The largest item that is written: DynamoDB takes 400 KB, names included.
pub const MAX_ITEM_BYTES: usize = 400_000;

/// A key as people read it: 16 bytes as a UUID, 20 as an address, others in hexadecimal.
pub fn key_text(key: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match key.len() {
        16 => {
            let digits = hex(key);
            [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
        }
        20 => format!("0x{}", hex(key)),
        _ => hex(key),
    }
}

/// The inverse of [`key_text`].
pub fn key_bytes(text: &str) -> Result<Vec<u8>> {
    let bad = || Error::corrupt(format!("key {text:?}"));
    let digits: Vec<u8> = text.strip_prefix("0x").unwrap_or(text).bytes().filter(|byte| *byte != b'-').collect();
    let pair = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    if !digits.len().is_multiple_of(2) {
        return Err(bad());
    }
    digits.chunks(2).map(|digits| pair(digits).ok_or_else(bad)).collect()
}

/// Bytes that an item counts as: names and values.
pub fn size(item: &Item) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::S(text) => text.len(),
            Value::N(digits) => digits.len() / 2 + 2,
            Value::B(bytes) => bytes.as_ref().len(),
            Value::Ss(texts) => texts.iter().map(String::len).sum(),
            _ => 8,
        }
    }
    item.iter().map(|(name, value)| name.len() + of(value)).sum()
}

/// One row of a batch as attributes; nulls have none.
pub fn of_row(rows: &RecordBatch, row: usize) -> Result<Item> {
    let mut item = Item::new();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if column.is_valid(row) {
            item.insert(field.name().clone(), cell(field, column, row)?);
        }
    }
    Ok(item)
}

fn cell(field: &Field, column: &ArrayRef, row: usize) -> Result<Value> {
    fn number<T: ArrowPrimitiveType>(column: &ArrayRef, row: usize) -> Value
    where
        T::Native: std::fmt::Display,
    {
        Value::N(column.as_primitive::<T>().value(row).to_string())
    }
    Ok(match column.data_type() {
        DataType::FixedSizeBinary(16 | 20) => Value::S(key_text(column.as_fixed_size_binary().value(row))),
        DataType::FixedSizeBinary(_) => Value::B(Blob::new(column.as_fixed_size_binary().value(row))),
        DataType::Utf8 => Value::S(column.as_string::<i32>().value(row).to_owned()),
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Decimal128(_, _) => Value::N(column.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::UInt8 => number::<UInt8Type>(column, row),
        DataType::UInt16 => number::<UInt16Type>(column, row),
        DataType::UInt32 => number::<UInt32Type>(column, row),
        DataType::UInt64 => number::<UInt64Type>(column, row),
        DataType::Int64 => number::<Int64Type>(column, row),
        DataType::Timestamp(TimeUnit::Millisecond, _) => number::<TimestampMillisecondType>(column, row),
        // Of what a window's SQL may give, what has no attribute of its own is kept as it prints.
        _ => Value::S(
            arrow::util::display::array_value_to_string(column, row)
                .map_err(|cause| Error::fatal(field.name(), cause))?,
        ),
    })
}

/// Items as a batch of these columns.
pub fn to_rows<'a>(schema: &SchemaRef, items: impl Iterator<Item = &'a Item> + Clone) -> Result<RecordBatch> {
    let column = |field: &Arc<Field>| column(field, items.clone().map(|item| item.get(field.name())));
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    let count = items.clone().count();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

fn column<'a>(field: &Field, values: impl Iterator<Item = Option<&'a Value>>) -> Result<ArrayRef> {
    let bad = || Error::corrupt(format!("attribute {} has another type than its column", field.name()));
    fn numbers<'a, T: ArrowPrimitiveType>(
        values: impl Iterator<Item = Option<&'a Value>>,
        bad: impl Fn() -> Error,
    ) -> Result<PrimitiveArray<T>>
    where
        T::Native: std::str::FromStr,
    {
        let one = |value: Option<&Value>| match value {
            None => Ok(None),
            Some(Value::N(digits)) => digits.parse().map(Some).map_err(|_| bad()),
            Some(_) => Err(bad()),
        };
        values.map(one).collect()
    }
    Ok(match field.data_type() {
        DataType::FixedSizeBinary(width) => {
            let mut builder = FixedSizeBinaryBuilder::new(*width);
            for value in values {
                match value {
                    None => builder.append_null(),
                    Some(Value::S(text)) => builder.append_value(key_bytes(text)?)?,
                    Some(Value::B(bytes)) => builder.append_value(bytes)?,
                    Some(_) => return Err(bad()),
                }
            }
            Arc::new(builder.finish())
        }
        DataType::Utf8 => {
            let text = |value: Option<&'a Value>| value.map(|value| value.as_s().map_err(|_| bad())).transpose();
            Arc::new(values.map(text).collect::<Result<StringArray>>()?)
        }
        DataType::Boolean => {
            let flag =
                |value: Option<&Value>| value.map(|value| value.as_bool().copied().map_err(|_| bad())).transpose();
            Arc::new(values.map(flag).collect::<Result<BooleanArray>>()?)
        }
        DataType::Decimal128(precision, scale) => {
            let unscaled = |value: Option<&Value>| match value {
                None => Ok(None),
                Some(Value::N(digits)) => unscaled(digits, *scale).map(Some).ok_or_else(bad),
                Some(_) => Err(bad()),
            };
            let values = values.map(unscaled).collect::<Result<Decimal128Array>>()?;
            Arc::new(values.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::UInt8 => Arc::new(numbers::<UInt8Type>(values, bad)?) as Arc<UInt8Array>,
        DataType::UInt16 => Arc::new(numbers::<UInt16Type>(values, bad)?) as Arc<UInt16Array>,
        DataType::UInt32 => Arc::new(numbers::<UInt32Type>(values, bad)?) as Arc<UInt32Array>,
        DataType::UInt64 => Arc::new(numbers::<UInt64Type>(values, bad)?) as Arc<UInt64Array>,
        DataType::Int64 => Arc::new(numbers::<Int64Type>(values, bad)?) as Arc<Int64Array>,
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            let times: TimestampMillisecondArray = numbers::<TimestampMillisecondType>(values, bad)?;
            Arc::new(times.with_timezone_opt(zone.clone()))
        }
        other => return Err(Error::Fatal(format!("no attribute is read as {other}"))),
    })
}

/// The integer of a decimal's digits at a scale. DynamoDB drops zeros at the end, and writes large
/// numbers as they are.
fn unscaled(digits: &str, scale: i8) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > scale {
        return None;
    }
    format!("{whole}{fraction:0<scale$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use arrow::array::FixedSizeBinaryArray;
    use arrow::datatypes::Schema;

    use super::*;

    #[test]
    fn rows_come_back() {
        let decimals =
            Decimal128Array::from(vec![Some(10_500_000), None, Some(-1)]).with_precision_and_scale(38, 6).unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("uuid", Arc::new(FixedSizeBinaryArray::try_from_iter([[7u8; 16], [0; 16], [255; 16]].iter()).unwrap())),
            ("address", Arc::new(FixedSizeBinaryArray::try_from_iter([[7u8; 20]; 3].iter()).unwrap())),
            ("position", Arc::new(FixedSizeBinaryArray::try_from_iter([[9u8; 28]; 3].iter()).unwrap())),
            ("amount", Arc::new(decimals)),
            ("code", Arc::new(UInt8Array::from(vec![Some(1), None, Some(255)]))),
            ("at", Arc::new(TimestampMillisecondArray::from(vec![1_657_550_847_332, 0, -5]).with_timezone("UTC"))),
            ("text", Arc::new(StringArray::from(vec![Some("a"), None, Some("")]))),
            ("flag", Arc::new(BooleanArray::from(vec![true, false, true]))),
            ("count", Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1]))),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let rows =
            RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, column)| column).collect()).unwrap();
        let items: Vec<Item> = (0..3).map(|row| of_row(&rows, row).unwrap()).collect();
        assert_eq!(items[0]["uuid"], Value::S("07070707-0707-0707-0707-070707070707".into()));
        assert_eq!(items[0]["amount"], Value::N("10.500000".into()));
        assert_eq!(items[1].get("amount"), None);
        assert_eq!(to_rows(&schema, items.iter()).unwrap(), rows);
        // As DynamoDB gives numbers back.
        let mut trimmed = items.clone();
        trimmed[0].insert("amount".into(), Value::N("10.5".into()));
        assert_eq!(to_rows(&schema, trimmed.iter()).unwrap(), rows);
        for (name, value) in [("amount", "0.0000001"), ("code", "256"), ("count", "-1"), ("at", "x")] {
            let mut broken = items.clone();
            broken[0].insert(name.into(), Value::N(value.into()));
            let error = to_rows(&schema, broken.iter()).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn keys_are_text_and_back() {
        for key in [vec![], vec![1; 16], vec![0xab; 20], vec![1, 2, 3], (0..40).collect()] {
            assert_eq!(key_bytes(&key_text(&key)).unwrap(), key);
        }
        assert!(key_bytes("0x1").is_err() && key_bytes("zz").is_err());
    }
}
