//! Rows for people, gathered to be laid out.
//!
//! Widths come from the first rows, [`GATHERED_ROWS`] or [`GATHERED_BYTES`] of them, whichever is
//! reached first; later rows are written under the same header in chunks of that size, each
//! keeping to the widths where its cells fit. On a terminal the widest columns are cut until a
//! row fits, and cut cells end in `…`; where too little would be left of them, each row stands by
//! itself.
//!
//! Zeros at the end of decimals are left out, control characters are shown as escapes, and a
//! cell of several lines (a query plan) takes several lines.

use std::io;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};

use super::Out;
use super::cell::{Cells, Options, is_number};
use super::sheet::Sheet;

/// Rows gathered to align them.
const GATHERED_ROWS: usize = 10_000;
/// Bytes of cells gathered to align them.
const GATHERED_BYTES: usize = 16 << 20;

/// Writes rows under a header.
pub struct Table {
    sheet: Sheet,
    options: Options,
    /// Rows that wait: each has a text a column.
    rows: Vec<Vec<String>>,
    bytes: usize,
}

impl Table {
    /// A table as wide as its cells, or as `width`.
    pub fn new(schema: &SchemaRef, out: Out, width: Option<usize>) -> Table {
        let columns = schema.fields().iter().map(|field| (field.name().clone(), is_number(field.data_type())));
        let sheet = Sheet::new(columns, out, width);
        Table { sheet, options: Options::default(), rows: Vec::new(), bytes: 0 }
    }

    /// Gathers a batch's rows, and writes them once there are enough.
    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let mut columns =
            columns.map(|(field, array)| Column::of(field, array, &self.options)).collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter_mut().map(|column| column.text(row)).collect::<io::Result<Vec<_>>>()?;
            self.bytes += cells.iter().map(String::len).sum::<usize>();
            self.rows.push(cells);
            if self.rows.len() >= GATHERED_ROWS || self.bytes >= GATHERED_BYTES {
                self.sheet.write(&mut self.rows)?;
                self.bytes = 0;
            }
        }
        Ok(())
    }

    /// Writes what is left and how many rows there were.
    pub fn finish(mut self, rows: u64) -> io::Result<()> {
        self.sheet.write(&mut self.rows)?;
        self.sheet.finish(&format!("{rows} {}", if rows == 1 { "row" } else { "rows" }))
    }
}

/// A column's cells as a table shows them.
struct Column<'a> {
    array: &'a dyn Array,
    cells: Cells<'a>,
}

impl<'a> Column<'a> {
    fn of(field: &'a arrow::datatypes::FieldRef, array: &'a dyn Array, options: &'a Options) -> io::Result<Column<'a>> {
        Ok(Column { array, cells: Cells::of(field, array, options)? })
    }

    fn text(&mut self, row: usize) -> io::Result<String> {
        if let Some(text) = self.readable(row) {
            return Ok(printable(text));
        }
        let mut text = String::new();
        self.cells.write(row, &mut text)?;
        if matches!(self.array.data_type(), DataType::Decimal128(_, 1..) | DataType::Decimal256(_, 1..)) {
            text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
        }
        Ok(printable(&text))
    }

    /// Bytes that are text, such as those of most dead letters, are shown as it.
    fn readable(&self, row: usize) -> Option<&str> {
        let bytes = self.array.as_binary_opt::<i32>().filter(|bytes| bytes.is_valid(row))?;
        std::str::from_utf8(bytes.value(row)).ok()
    }
}

/// The text without what would move the cursor.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}
