//! The text of single cells.
//!
//! Scalars are written as SQL writes them; lists and structures as JSON.

use std::fmt::Write;
use std::io;

use arrow::array::Array;
use arrow::datatypes::{DataType, FieldRef};
use arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::io_error;

/// A column whose cells are written one by one.
pub struct Cells<'a> {
    array: &'a dyn Array,
    text: Text<'a>,
}

enum Text<'a> {
    Plain(ArrayFormatter<'a>),
    Json(NullableEncoder<'a>),
}

/// Options shared by every column.
pub struct Options {
    plain: FormatOptions<'static>,
    json: EncoderOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options { plain: FormatOptions::new(), json: EncoderOptions::default().with_explicit_nulls(true) }
    }
}

impl<'a> Cells<'a> {
    /// The cells of a column.
    pub fn of(field: &'a FieldRef, array: &'a dyn Array, options: &'a Options) -> io::Result<Cells<'a>> {
        let text = if field.data_type().is_nested() {
            Text::Json(make_encoder(field, array, &options.json).map_err(io_error)?)
        } else {
            Text::Plain(ArrayFormatter::try_new(array, &options.plain).map_err(io_error)?)
        };
        Ok(Cells { array, text })
    }

    /// Adds a cell's text; nothing is added, and false comes back, where it is null.
    pub fn write(&mut self, row: usize, out: &mut String) -> io::Result<bool> {
        if self.array.is_null(row) || *self.array.data_type() == DataType::Null {
            return Ok(false);
        }
        match &mut self.text {
            Text::Plain(formatter) => write!(out, "{}", formatter.value(row)).map_err(io::Error::other)?,
            Text::Json(encoder) => {
                let mut json = Vec::new();
                encoder.encode(row, &mut json);
                out.push_str(&String::from_utf8_lossy(&json));
            }
        }
        Ok(true)
    }
}

/// Whether a column's cells are numbers, which align by their last digit.
pub fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}
