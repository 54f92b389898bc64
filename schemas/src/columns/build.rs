//! Columns from iterators of values.

use std::fmt::{Display, Write};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Decimal128Array, ListArray, StringBuilder, StructArray, TimestampMillisecondArray, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;

use super::{ColumnError, MONEY};
use crate::decimal::{Micros, SCALE};
use crate::time::Timestamp;
use crate::transaction::Transaction;

/// Text of values that are always there.
pub(super) fn text<T: Display>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    optional_text(values.into_iter().map(Some))
}

/// Text of values, null where there is none.
pub(super) fn optional_text<T: Display>(values: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    for value in values {
        match value {
            // The builder takes the characters as they come; writing to it cannot fail.
            Some(value) => {
                let _ = write!(builder, "{value}");
                builder.append_value("");
            }
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

/// `DECIMAL(18, 6)` of amounts.
pub(super) fn money<T: Micros>(values: impl IntoIterator<Item = T>) -> Result<ArrayRef, ArrowError> {
    certain_decimals(values, 18)
}

/// `DECIMAL(18, 6)` of amounts, null where there is none.
pub(super) fn optional_money<T: Micros>(values: impl IntoIterator<Item = Option<T>>) -> Result<ArrayRef, ArrowError> {
    let micros: Decimal128Array = values.into_iter().map(|value| value.map(Micros::wide)).collect();
    Ok(Arc::new(micros.with_precision_and_scale(18, SCALE as i8)?))
}

/// `DECIMAL(38, 6)` of sums.
pub(super) fn totals<T: Micros>(values: impl IntoIterator<Item = T>) -> Result<ArrayRef, ArrowError> {
    certain_decimals(values, 38)
}

fn certain_decimals<T: Micros>(values: impl IntoIterator<Item = T>, precision: u8) -> Result<ArrayRef, ArrowError> {
    let micros = Decimal128Array::from_iter_values(values.into_iter().map(Micros::wide));
    Ok(Arc::new(micros.with_precision_and_scale(precision, SCALE as i8)?))
}

/// Times that are always there.
pub(super) fn times(values: impl IntoIterator<Item = Timestamp>) -> ArrayRef {
    let millis = TimestampMillisecondArray::from_iter_values(values.into_iter().map(Timestamp::millis));
    Arc::new(millis.with_timezone("UTC"))
}

/// Times, null where there is none.
pub(super) fn optional_times(values: impl IntoIterator<Item = Option<Timestamp>>) -> ArrayRef {
    let millis: TimestampMillisecondArray = values.into_iter().map(|value| value.map(Timestamp::millis)).collect();
    Arc::new(millis.with_timezone("UTC"))
}

/// Lists cut from `items` by their lengths.
pub(super) fn lists(lengths: impl IntoIterator<Item = usize>, items: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let offsets = OffsetBuffer::from_lengths(lengths);
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(field, offsets, items, None)?))
}

/// Lists of text, one for each of `rows` rows; rows beyond the lists' end have none.
pub(super) fn text_lists<T: Display>(lists_of: &[impl AsRef<[T]>], rows: usize) -> Result<ArrayRef, ArrowError> {
    let lengths = (0..rows).map(|row| lists_of.get(row).map_or(0, |list| list.as_ref().len()));
    lists(lengths, text(lists_of.iter().take(rows).flat_map(|list| list.as_ref())))
}

/// Lists of transactions.
pub(super) fn transaction_lists(lists_of: &[&[Transaction]]) -> Result<ArrayRef, ColumnError> {
    let items = || lists_of.iter().flat_map(|list| list.iter());
    let DataType::Struct(fields) = super::transaction() else {
        return Err(ColumnError::Shape("transaction"));
    };
    let dates: UInt64Array = items().map(|item| item.date).collect();
    let columns: Vec<ArrayRef> =
        vec![text(items().map(|item| item.transaction_hash)), Arc::new(dates), money(items().map(|item| item.amount))?];
    debug_assert_eq!(columns[2].data_type(), &MONEY);
    let structs = StructArray::try_new(fields, columns, None)?;
    Ok(lists(lists_of.iter().map(|list| list.len()), Arc::new(structs))?)
}
