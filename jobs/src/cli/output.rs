//! Printing: rows in the format asked for, on standard output.

use std::io::{BufWriter, Stdout, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use clap::ValueEnum;
use futures::{StreamExt, stream};

use super::exit::Failure;
use crate::control::Rows;
use crate::sql::output::{Format, writer};

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Aligned columns, for people.
    Table,
    /// One JSON array.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

impl From<OutputFormat> for Format {
    fn from(format: OutputFormat) -> Format {
        match format {
            OutputFormat::Table => Format::Table,
            OutputFormat::Json => Format::Json,
            OutputFormat::Jsonl => Format::Jsonl,
            OutputFormat::Csv => Format::Csv,
        }
    }
}

/// Standard output in large pieces.
pub fn stdout() -> BufWriter<Stdout> {
    BufWriter::with_capacity(64 << 10, std::io::stdout())
}

/// Prints rows as they come.
pub async fn print(rows: Rows, format: OutputFormat) -> Result<(), Failure> {
    let mut batches = rows.batches;
    let mut out = writer(format.into(), rows.schema, Box::new(stdout()))?;
    while let Some(batch) = batches.next().await {
        out.write(&batch?)?;
    }
    out.finish()?;
    Ok(())
}

/// Prints texts as rows: for what does not come from SQL.
pub async fn print_texts<const N: usize>(
    names: [&str; N],
    rows: Vec<[String; N]>,
    format: OutputFormat,
) -> Result<(), Failure> {
    let schema = Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Utf8, false)).to_vec()));
    let column = |n: usize| Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row[n].as_str()))) as ArrayRef;
    let batch = RecordBatch::try_new(schema.clone(), (0..N).map(column).collect())?;
    print(Rows { schema, batches: stream::iter([Ok(batch)]).boxed() }, format).await
}

/// Prints a JSON value on lines of its own.
pub fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && place % 3 == head {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 record`, `2 records`.
pub fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in
            [(0, "0"), (12, "12"), (999, "999"), (1000, "1,000"), (12345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!((counted(1, "bet").as_str(), counted(2000, "bet").as_str()), ("1 bet", "2,000 bets"));
    }
}
