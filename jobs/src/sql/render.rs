//! Stored columns as SQL shows them.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::Field;
use pipeline::{Error, Result, id_text};

/// A stored column in the type that SQL shows: ids as text, the rest by a cast that keeps the
/// value.
pub fn column(stored: &RecordBatch, shown: &Field) -> Result<ArrayRef> {
    let column = id_text::show(stored.column_by_name(shown.name()).ok_or_else(|| lacks(shown.name()))?)?;
    if column.data_type() == shown.data_type() { Ok(column) } else { Ok(cast(&column, shown.data_type())?) }
}

/// The error of a stored batch without a column that it must have.
pub fn lacks(column: &str) -> Error {
    Error::corrupt(format!("a stored batch lacks column {column}, or it has another type"))
}

/// Columns that cannot be built from rows.
pub fn unbuilt(cause: schemas::columns::ColumnError) -> Error {
    Error::fatal("rows for SQL", cause)
}
