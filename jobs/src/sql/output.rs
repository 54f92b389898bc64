//! Batches to text as they come: a table for people, JSON, JSON lines and CSV for programs.
//!
//! Decimals are strings in JSON, times are RFC 3339, lists are JSON arrays (in CSV and tables
//! too), bytes are hexadecimal digits. Only the table gathers rows, to align them, and no more
//! of them than [`table`] says.

mod cell;
mod csv;
pub(super) mod decimal;
mod sheet;
mod table;
mod width;

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::Writer as Json;
use arrow::json::writer::{JsonArray, LineDelimited, WriterBuilder};

use csv::Csv;
use serde_json::{Map, Value};
use table::Table;
pub use table::printable;
pub use width::terminal_width;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns, for people.
    Table,
    /// One JSON array of objects.
    Json,
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values (RFC 4180) with a header line; null is an empty cell, an empty text
    /// is `""`.
    Csv,
}

/// Where a writer puts its text.
pub type Out = Box<dyn Write + Send>;

/// Writes batches of one schema in one format.
pub struct Writer {
    inner: Inner,
    rows: u64,
}

enum Inner {
    Table(Table),
    Json(Json<Out, JsonArray>),
    Jsonl(Json<Out, LineDelimited>),
    Csv(Csv),
}

/// A writer to `out`. A table is cut to the terminal's width if standard output is one.
///
/// # Errors
/// Those of `out`.
pub fn writer(format: Format, schema: SchemaRef, out: Out) -> io::Result<Writer> {
    writer_of_width(format, schema, out, terminal_width())
}

/// The same with the width of a table given; nothing lets it be as wide as its cells.
///
/// # Errors
/// Those of `out`.
pub fn writer_of_width(format: Format, schema: SchemaRef, out: Out, width: Option<usize>) -> io::Result<Writer> {
    let json = || WriterBuilder::new().with_explicit_nulls(true);
    let inner = match format {
        Format::Table => Inner::Table(Table::new(&schema, out, width)),
        Format::Json => Inner::Json(json().build(out)),
        Format::Jsonl => Inner::Jsonl(json().build(out)),
        Format::Csv => Inner::Csv(Csv::new(&schema, out)?),
    };
    Ok(Writer { inner, rows: 0 })
}

impl Writer {
    /// Writes a batch.
    ///
    /// # Errors
    /// Those of the underlying writer, such as a broken pipe.
    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.rows += batch.num_rows() as u64;
        let text = |nested_only| decimal::as_text(batch, nested_only).map_err(io_error);
        match &mut self.inner {
            Inner::Table(table) => table.write(&text(true)?),
            Inner::Json(json) => json.write(&text(false)?).map_err(io_error),
            Inner::Jsonl(json) => json.write(&text(false)?).map_err(io_error),
            Inner::Csv(csv) => csv.write(&text(true)?),
        }
    }

    /// Writes what is left, and how many rows there were below a table; returns their number.
    ///
    /// # Errors
    /// Those of the underlying writer.
    pub fn finish(self) -> io::Result<u64> {
        match self.inner {
            Inner::Table(table) => table.finish(self.rows)?,
            Inner::Json(mut json) => {
                json.finish().map_err(io_error)?;
                let mut out = json.into_inner();
                writeln!(out)?;
                out.flush()?;
            }
            Inner::Jsonl(mut json) => {
                json.finish().map_err(io_error)?;
                json.into_inner().flush()?;
            }
            Inner::Csv(csv) => csv.finish()?,
        }
        Ok(self.rows)
    }
}

/// A batch's rows as JSON objects, written as [`Format::Json`] does.
///
/// # Errors
/// A column of a type that JSON has no form for.
pub fn objects(batch: &RecordBatch) -> io::Result<Vec<Map<String, Value>>> {
    let mut json = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    json.write(&decimal::as_text(batch, false).map_err(io_error)?).map_err(io_error)?;
    json.finish().map_err(io_error)?;
    let bytes = json.into_inner();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(io::Error::from)).collect()
}

/// Arrow's error with the operating system's error taken out of it, so that a broken pipe is seen
/// as one.
fn io_error(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, cause) => cause,
        other => io::Error::other(other),
    }
}
