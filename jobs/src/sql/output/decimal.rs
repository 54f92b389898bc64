//! Decimals as text: JSON's numbers lose digits in most readers.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use arrow::error::ArrowError;

/// The batch with its decimals as text: all of them, or only those inside lists and structures.
pub fn as_text(batch: &RecordBatch, nested_only: bool) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let mut fields: Vec<FieldRef> = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let keep = nested_only && !field.data_type().is_nested();
        let to = if keep { Arc::clone(field) } else { text_field(field) };
        columns.push(if to.data_type() == field.data_type() {
            Arc::clone(column)
        } else {
            cast(column, to.data_type())?
        });
        fields.push(to);
    }
    let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &rows)
}

/// The field with text in place of decimals, wherever in it they are.
pub fn text_field(field: &FieldRef) -> FieldRef {
    let to = match field.data_type() {
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            DataType::Utf8
        }
        DataType::List(item) => DataType::List(text_field(item)),
        DataType::LargeList(item) => DataType::LargeList(text_field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(text_field).collect::<Fields>()),
        _ => return Arc::clone(field),
    };
    Arc::new(Field::new(field.name(), to, field.is_nullable()))
}
