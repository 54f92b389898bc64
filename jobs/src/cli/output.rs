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
    let column = |n: usize| rows.iter().map(|row| row[n].as_str()).collect();
    print(text_rows(&names, (0..N).map(column).collect())?, format).await
}

/// Columns of texts as rows.
pub fn text_rows(names: &[&str], columns: Vec<Vec<&str>>) -> Result<Rows, Failure> {
    let schema = Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect::<Vec<_>>());
    let columns = columns.into_iter().map(|cells| Arc::new(StringArray::from_iter_values(cells)) as ArrayRef);
    let batch = RecordBatch::try_new(Arc::new(schema), columns.collect())?;
    Ok(Rows { schema: batch.schema(), batches: stream::iter([Ok(batch)]).boxed() })
}

/// Whether a verb that shows what happens, or says it in lines, is asked for JSON lines.
pub fn wants_json_lines(verb: &str, output: Option<OutputFormat>) -> Result<bool, Failure> {
    match output {
        None => Ok(false),
        Some(OutputFormat::Jsonl) => Ok(true),
        Some(format) => Err(Failure::Usage(format!(
            "-o {} needs an end, and {verb} goes on: use -o jsonl, or leave -o out",
            format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        ))),
    }
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

    #[test]
    fn what_goes_on_prints_json_lines_only() {
        for (output, expected) in [
            (None, Ok(false)),
            (Some(OutputFormat::Jsonl), Ok(true)),
            (Some(OutputFormat::Csv), Err("-o csv needs an end, and top goes on: use -o jsonl, or leave -o out")),
        ] {
            match (wants_json_lines("top", output), expected) {
                (Ok(wants), Ok(expected)) => assert_eq!(wants, expected),
                (Err(Failure::Usage(text)), Err(expected)) => assert_eq!(text, expected),
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        }
    }
}
