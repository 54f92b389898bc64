//! Aligned columns for people.
//!
//! Widths come from the first rows, [`GATHERED_ROWS`] or [`GATHERED_BYTES`] of them, whichever is
//! reached first; later rows are written under the same header in chunks of that size, each
//! keeping to the widths where its cells fit. On a terminal the widest columns are cut until a
//! row fits, and cut cells end in `…`.
//!
//! Zeros at the end of decimals are left out, control characters are shown as escapes, and a
//! cell of several lines (a query plan) takes several lines.

use std::io::{self, Write};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};

use super::Out;
use super::cell::{Cells, Options, is_number};

/// Rows gathered to align them.
const GATHERED_ROWS: usize = 10_000;
/// Bytes of cells gathered to align them.
const GATHERED_BYTES: usize = 16 << 20;
/// No column is cut below this, whatever the terminal's width.
const MIN_WIDTH: usize = 8;
/// Between columns.
const GAP: usize = 2;

/// Writes rows under a header.
pub struct Table {
    schema: SchemaRef,
    out: Out,
    width: Option<usize>,
    options: Options,
    /// Rows that wait: each has a text a column.
    rows: Vec<Vec<String>>,
    bytes: usize,
    /// The columns' widths, once the header is written.
    widths: Option<Vec<usize>>,
}

impl Table {
    /// A table as wide as its cells, or as `width`.
    pub fn new(schema: SchemaRef, out: Out, width: Option<usize>) -> Table {
        Table { schema, out, width, options: Options::default(), rows: Vec::new(), bytes: 0, widths: None }
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
                flush(&self.schema, &mut self.out, self.width, &mut self.rows, &mut self.widths)?;
                self.bytes = 0;
            }
        }
        Ok(())
    }

    /// Writes what is left and how many rows there were.
    pub fn finish(mut self, rows: u64) -> io::Result<()> {
        flush(&self.schema, &mut self.out, self.width, &mut self.rows, &mut self.widths)?;
        writeln!(self.out, "{rows} {}", if rows == 1 { "row" } else { "rows" })?;
        self.out.flush()
    }
}

fn flush(
    schema: &SchemaRef,
    out: &mut Out,
    width: Option<usize>,
    rows: &mut Vec<Vec<String>>,
    widths: &mut Option<Vec<usize>>,
) -> io::Result<()> {
    let right: Vec<bool> = schema.fields().iter().map(|field| is_number(field.data_type())).collect();
    if widths.is_none() {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut found = widths_of(&names, rows);
        if let Some(width) = width {
            fit(&mut found, width);
        }
        let rule: Vec<String> = found.iter().map(|width| "-".repeat(*width)).collect();
        write_row(out, &names, &found, &right, width.is_some())?;
        write_row(out, &rule, &found, &right, false)?;
        *widths = Some(found);
    }
    let widths = widths.as_deref().unwrap_or_default();
    for row in rows.drain(..) {
        write_row(out, &row, widths, &right, width.is_some())?;
    }
    Ok(())
}

fn widths_of(names: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = names.iter().map(|name| length(name)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.lines().map(length).fold(*width, usize::max);
        }
    }
    widths
}

/// Cuts the widest columns until a row has at most `most` characters, or nothing can be cut.
fn fit(widths: &mut [usize], most: usize) {
    let gaps = widths.len().saturating_sub(1) * GAP;
    let over = |widths: &[usize]| (widths.iter().sum::<usize>() + gaps).saturating_sub(most);
    while over(widths) > 0 {
        let Some(widest) = widths.iter().copied().max().filter(|widest| *widest > MIN_WIDTH) else { return };
        let second = widths.iter().copied().filter(|width| *width < widest).max().unwrap_or(0).max(MIN_WIDTH);
        let same = widths.iter().filter(|width| **width == widest).count();
        // Each of the widest gives what is over, but none falls below the next one.
        let each = over(widths).div_ceil(same).min(widest - second).max(1);
        widths.iter_mut().filter(|width| **width == widest).for_each(|width| *width -= each);
    }
}

fn write_row(out: &mut Out, cells: &[String], widths: &[usize], right: &[bool], cut: bool) -> io::Result<()> {
    let height = cells.iter().map(|cell| cell.lines().count()).max().unwrap_or(0).max(1);
    for line in 0..height {
        let mut text = String::new();
        for (place, cell) in cells.iter().enumerate() {
            let (width, right) = (widths.get(place).copied().unwrap_or(0), right.get(place) == Some(&true));
            let part = cell.lines().nth(line).unwrap_or_default();
            let part = if cut { shortened(part, width) } else { part.into() };
            let space = " ".repeat(width.saturating_sub(length(&part)));
            if place > 0 {
                text.push_str(&" ".repeat(GAP));
            }
            let (before, after) = if right { (space.as_str(), "") } else { ("", space.as_str()) };
            text.push_str(before);
            text.push_str(&part);
            text.push_str(after);
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

fn shortened(text: &str, width: usize) -> std::borrow::Cow<'_, str> {
    if length(text) <= width {
        return text.into();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short.into()
}

fn length(text: &str) -> usize {
    text.chars().count()
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
fn printable(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_give_way() {
        for (widths, most, expected) in [
            (vec![3, 4], 80, vec![3, 4]),
            (vec![50, 20, 10], 60, vec![26, 20, 10]),
            (vec![50, 50, 10], 60, vec![23, 23, 10]),
            (vec![40, 40, 40], 20, vec![8, 8, 8]),
        ] {
            let mut fitted = widths.clone();
            fit(&mut fitted, most);
            assert_eq!(fitted, expected, "{widths:?} in {most}");
        }
    }
}
