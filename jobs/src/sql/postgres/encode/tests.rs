//! Values in both formats, as PostgreSQL 15 sends them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
    IntervalMonthDayNanoArray, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, TimeUnit};

use super::super::types::Kind;
use super::*;

fn written(column: ArrayRef, row: usize, format: i16) -> Result<Option<Vec<u8>>, EncodeError> {
    let cells = Cells::new(&column, Kind::of_type(column.data_type()))?;
    let mut out = BytesMut::new();
    cells.write(row, format, &mut out)?;
    let (length, value) = out.split_at(4);
    Ok((length != [0xff; 4]).then(|| value.to_vec()))
}

/// Columns of one value, as text, and as bytes.
fn cases() -> Vec<(ArrayRef, &'static str, Vec<u8>)> {
    let decimal = Decimal128Array::from(vec![-123_456_789]).with_precision_and_scale(38, 6).unwrap();
    let moment = TimestampMicrosecondArray::from(vec![1_700_000_100_123_000]);
    let millis = cast(&moment, &DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))).unwrap();
    let moment_bytes = (1_700_000_100_123_000 - times::EPOCH_MICROS).to_be_bytes().to_vec();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(7), None])]);
    let list_bytes = [1, 1, 23, 2, 1, 4, 7, u32::MAX].iter().flat_map(|n: &u32| n.to_be_bytes()).collect();
    let interval = IntervalMonthDayNanoArray::from(vec![arrow::datatypes::IntervalMonthDayNano::new(1, 2, 3_000)]);
    let interval_bytes = [&3i64.to_be_bytes()[..], &2i32.to_be_bytes(), &1i32.to_be_bytes()].concat();
    vec![
        (Arc::new(BooleanArray::from(vec![true])), "t", vec![1]),
        (Arc::new(Int32Array::from(vec![-2])), "-2", vec![255, 255, 255, 254]),
        (Arc::new(UInt64Array::from(vec![137])), "137", vec![0, 0, 0, 0, 0, 0, 0, 137]),
        (Arc::new(Float64Array::from(vec![0.5])), "0.5", 0.5f64.to_be_bytes().to_vec()),
        (Arc::new(Float64Array::from(vec![-1e30])), "-1e30", (-1e30f64).to_be_bytes().to_vec()),
        (Arc::new(StringArray::from(vec!["ü"])), "ü", "ü".into()),
        (Arc::new(BinaryArray::from(vec![&b"\x01\xff"[..]])), "\\x01ff", vec![1, 255]),
        (Arc::new(decimal), "-123.456789", vec![0, 3, 0, 0, 64, 0, 0, 6, 0, 123, 17, 215, 34, 196]),
        (millis, "2023-11-14 22:15:00.123+00", moment_bytes),
        (Arc::new(Date32Array::from(vec![10_958])), "2000-01-02", vec![0, 0, 0, 1]),
        (Arc::new(interval), "1 mon 2 days 00:00:00.000003", interval_bytes),
        (Arc::new(lists), "{7,NULL}", list_bytes),
    ]
}

#[test]
fn values_are_written_in_both_formats() {
    for (column, text, bytes) in cases() {
        let said = written(column.clone(), 0, 0).unwrap().unwrap();
        assert_eq!(String::from_utf8(said).unwrap(), text, "{}", column.data_type());
        assert_eq!(written(column.clone(), 0, BINARY).unwrap().unwrap(), bytes, "{text}");
        let null = arrow::array::new_null_array(column.data_type(), 1);
        assert_eq!((written(null.clone(), 0, 0).unwrap(), written(null, 0, BINARY).unwrap()), (None, None));
    }
}

#[test]
fn lists_of_texts_are_quoted_where_they_must_be() {
    let items = StringArray::from(vec![Some("a"), Some(""), Some("b c"), Some("q\"\\"), Some("null"), None]);
    let field = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let lists = ListArray::new(field, arrow::buffer::OffsetBuffer::from_lengths([6, 0]), Arc::new(items), None);
    let lists: ArrayRef = Arc::new(lists);
    let text = |row| String::from_utf8(written(lists.clone(), row, 0).unwrap().unwrap()).unwrap();
    assert_eq!((text(0).as_str(), text(1).as_str()), (r#"{a,"","b c","q\"\\","null",NULL}"#, "{}"));
    let empty: Vec<u8> = [0, 0, 25].iter().flat_map(|n: &u32| n.to_be_bytes()).collect();
    assert_eq!(written(lists, 1, BINARY).unwrap().unwrap(), empty);
}

#[test]
fn what_does_not_fit_is_refused_and_what_has_no_type_is_json() {
    let large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    let error = written(large, 0, 0).unwrap_err().to_string();
    assert_eq!(error, "18446744073709551615 is out of range for type bigint; cast it in the query");
    let pair = arrow::array::StructArray::from(vec![(
        Arc::new(Field::new("n", DataType::Int32, true)),
        Arc::new(Int32Array::from(vec![1])) as ArrayRef,
    )]);
    let said = written(Arc::new(pair), 0, 0).unwrap().unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), r#"{"n":1}"#);
}
