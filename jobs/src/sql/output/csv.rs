//! Comma-separated values as RFC 4180 has them, lines ended by a line feed.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::Out;
use super::cell::{Cells, Options};

/// Writes a header line, then a line a row.
pub struct Csv {
    out: Out,
    options: Options,
}

impl Csv {
    /// Writes the header.
    pub fn new(schema: &Schema, mut out: Out) -> io::Result<Csv> {
        let mut line = String::new();
        for (place, field) in schema.fields().iter().enumerate() {
            separate(place, &mut line);
            push(field.name(), &mut line);
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
        Ok(Csv { out, options: Options::default() })
    }

    /// Writes a batch's rows.
    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let mut columns =
            columns.map(|(field, array)| Cells::of(field, array, &self.options)).collect::<io::Result<Vec<_>>>()?;
        let (mut line, mut cell) = (String::new(), String::new());
        for row in 0..batch.num_rows() {
            line.clear();
            for (place, column) in columns.iter_mut().enumerate() {
                separate(place, &mut line);
                cell.clear();
                if column.write(row, &mut cell)? {
                    push(&cell, &mut line);
                }
            }
            line.push('\n');
            self.out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    /// Flushes.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn separate(place: usize, line: &mut String) {
    if place > 0 {
        line.push(',');
    }
}

/// Adds a text, quoted where it has to be; an empty one is quoted, so that it is not a null.
fn push(text: &str, line: &mut String) {
    if !text.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        line.push_str(text);
        return;
    }
    line.push('"');
    line.push_str(&text.replace('"', "\"\""));
    line.push('"');
}
