//! Columns of Arrow in the few forms that are sent.
//!
//! Every width of integer is one form, and so are all times: the loop over rows then has little to
//! decide.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float64Array,
    Int64Array, IntervalMonthDayNanoArray, ListArray, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};

use super::super::output::decimal::text_field;
use super::types::{Kind, Scalar};

/// A value that its type cannot hold, or a column that cannot be brought to its form.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A number or a time too large.
    #[error("{value} is out of range for type {name}; cast it in the query")]
    Range {
        /// The value.
        value: String,
        /// The type.
        name: &'static str,
    },
    /// A conversion of Arrow's.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

/// A column's values.
pub enum Cells {
    Bool(BooleanArray),
    Int(Int64Array, Scalar),
    Float(Float64Array, Scalar),
    Decimal(Decimal128Array),
    Wide(Decimal256Array),
    Text(StringArray),
    Bytes(BinaryArray),
    Day(Date32Array),
    Time(Time64MicrosecondArray),
    Moment(TimestampMicrosecondArray, bool),
    Interval(IntervalMonthDayNanoArray),
    List(ListArray, Kind, Box<Cells>),
}

impl Cells {
    /// The values of a column that is sent as `kind`.
    pub fn new(column: &ArrayRef, kind: Kind) -> Result<Cells, EncodeError> {
        let to = |data_type: &DataType| cast(column, data_type);
        if kind.list {
            let (DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) =
                column.data_type()
            else {
                return Err(ArrowError::CastError(format!("{} is no list", column.data_type())).into());
            };
            let lists = to(&DataType::List(item.clone()))?.as_list::<i32>().clone();
            let item = Kind { list: false, ..kind };
            let cells = Cells::new(lists.values(), item)?;
            return Ok(Cells::List(lists, item, Box::new(cells)));
        }
        Ok(match kind.scalar {
            Scalar::Bool => Cells::Bool(column.as_boolean().clone()),
            Scalar::Int2 | Scalar::Int4 | Scalar::Int8 | Scalar::Oid => Cells::Int(integers(column)?, kind.scalar),
            Scalar::Float4 | Scalar::Float8 => {
                Cells::Float(to(&DataType::Float64)?.as_primitive().clone(), kind.scalar)
            }
            Scalar::Numeric => match column.data_type() {
                DataType::Decimal256(..) => Cells::Wide(column.as_primitive().clone()),
                DataType::Decimal128(..) => Cells::Decimal(column.as_primitive().clone()),
                DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                    Cells::Decimal(to(&DataType::Decimal128(*precision, *scale))?.as_primitive().clone())
                }
                other => return Err(ArrowError::CastError(format!("{other} is no decimal")).into()),
            },
            Scalar::Bytea | Scalar::Uuid => Cells::Bytes(to(&DataType::Binary)?.as_binary().clone()),
            Scalar::Date => Cells::Day(to(&DataType::Date32)?.as_primitive().clone()),
            Scalar::Time => Cells::Time(to(&DataType::Time64(TimeUnit::Microsecond))?.as_primitive().clone()),
            Scalar::Timestamp | Scalar::TimestampTz => {
                let zone = match column.data_type() {
                    DataType::Timestamp(_, zone) => zone.clone(),
                    _ => None,
                };
                let micros = to(&DataType::Timestamp(TimeUnit::Microsecond, zone))?;
                Cells::Moment(micros.as_primitive().clone(), kind.scalar == Scalar::TimestampTz)
            }
            Scalar::Interval => Cells::Interval(intervals(column)?),
            Scalar::Json => Cells::Text(documents(column)?),
            Scalar::Text | Scalar::Varchar | Scalar::Name => Cells::Text(to(&DataType::Utf8)?.as_string().clone()),
        })
    }

    /// Whether a row has no value.
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Bool(values) => values.is_null(row),
            Cells::Int(values, _) => values.is_null(row),
            Cells::Float(values, _) => values.is_null(row),
            Cells::Decimal(values) => values.is_null(row),
            Cells::Wide(values) => values.is_null(row),
            Cells::Text(values) => values.is_null(row),
            Cells::Bytes(values) => values.is_null(row),
            Cells::Day(values) => values.is_null(row),
            Cells::Time(values) => values.is_null(row),
            Cells::Moment(values, _) => values.is_null(row),
            Cells::Interval(values) => values.is_null(row),
            Cells::List(values, ..) => values.is_null(row),
        }
    }
}

fn integers(column: &ArrayRef) -> Result<Int64Array, EncodeError> {
    // A cast would make NULL of what does not fit.
    if let Some(values) = column.as_primitive_opt::<arrow::datatypes::UInt64Type>() {
        let beyond = values.iter().flatten().find(|value| i64::try_from(*value).is_err());
        if let Some(value) = beyond {
            return Err(EncodeError::Range { value: value.to_string(), name: "bigint" });
        }
    }
    Ok(cast(column, &DataType::Int64)?.as_primitive().clone())
}

fn intervals(column: &ArrayRef) -> Result<IntervalMonthDayNanoArray, EncodeError> {
    let column = match column.data_type() {
        DataType::Duration(_) => &cast(column, &DataType::Duration(TimeUnit::Nanosecond))?,
        _ => column,
    };
    Ok(cast(column, &DataType::Interval(IntervalUnit::MonthDayNano))?.as_primitive().clone())
}

/// Each value as a JSON document, with decimals as texts: JSON's numbers lose digits in most readers.
fn documents(column: &ArrayRef) -> Result<StringArray, EncodeError> {
    let field = text_field(&Arc::new(Field::new("", column.data_type().clone(), true)));
    let column = cast(column, field.data_type())?;
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, &column, &options)?;
    let mut document = Vec::new();
    let documents = (0..column.len()).map(|row| {
        if encoder.is_null(row) {
            return None;
        }
        document.clear();
        encoder.encode(row, &mut document);
        Some(String::from_utf8_lossy(&document).into_owned())
    });
    Ok(documents.collect())
}
