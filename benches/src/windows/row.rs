//! A final row, as contestants write it: a line of CSV or a row of Parquet, all integers but the
//! question.
//!
//! `question_uuid, outcome_index, window_start, bets, sum_odds, min_odds, max_odds, avg_odds`: times
//! in milliseconds, odds in millionths, the average rounded half to even. In Parquet the question is
//! the UUID's sixteen bytes.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemas::ids::QuestionId;

use super::fold::{Market, Sums};
use super::lines;

/// A row as read from a contestant's output.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub market: Market,
    pub window_start: i64,
    pub sums: Sums,
    pub average: u64,
}

impl Row {
    fn new(question: QuestionId, numbers: [i64; 7]) -> Row {
        let [outcome, window_start, rest @ ..] = numbers;
        let [bets, sum, min, max, average] = rest.map(|number| number as u64);
        Row { market: (question, outcome as u16), window_start, sums: Sums { bets, sum, min, max }, average }
    }
}

/// Gives the rows of a file.
pub fn for_each(file: &Path, mut each: impl FnMut(Row)) {
    if file.extension().is_some_and(|extension| extension == "parquet") {
        return for_each_of_parquet(file, each);
    }
    lines::for_each(file, |line| {
        if let Some(row) = of_csv(line) {
            each(row);
        }
    });
}

/// Reads a line; `None` for a header. Columns after the eighth are not ours.
fn of_csv(line: &[u8]) -> Option<Row> {
    let line = std::str::from_utf8(line).unwrap();
    let mut columns = line.trim_end().split(',').map(|column| column.trim_matches('"'));
    let question = columns.next().unwrap();
    if question == "question_uuid" {
        return None;
    }
    let mut number = || columns.next().and_then(|text| text.parse().ok());
    let numbers = [(); 7].map(|()| number().unwrap_or_else(|| panic!("not a row of results: {line}")));
    Some(Row::new(QuestionId::parse(question).unwrap(), numbers))
}

fn for_each_of_parquet(file: &Path, mut each: impl FnMut(Row)) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    for batch in reader.build().unwrap() {
        rows_of(&batch.unwrap(), &mut each);
    }
}

fn rows_of(batch: &RecordBatch, each: &mut impl FnMut(Row)) {
    let questions = batch.column(0).as_fixed_size_binary();
    let numbers: [_; 7] = std::array::from_fn(|at| {
        let column = cast(batch.column(at + 1), &DataType::Int64).unwrap();
        assert_eq!(column.null_count(), 0, "results hold no nulls");
        column.as_primitive::<Int64Type>().clone()
    });
    for at in 0..batch.num_rows() {
        let question = QuestionId::from_bytes(questions.value(at).try_into().unwrap());
        each(Row::new(question, numbers.each_ref().map(|column| column.value(at))));
    }
}

/// Writes a row as CSV.
pub fn write(out: &mut impl Write, (question, outcome): Market, window_start: i64, sums: &Sums) {
    let mut number = itoa::Buffer::new();
    let mut line = [0_u8; 256];
    question.uuid().hyphenated().encode_lower(&mut line);
    let mut rest = &mut line[36..];
    let start = window_start as u64;
    for value in [outcome.into(), start, sums.bets, sums.sum, sums.min, sums.max, sums.average()] {
        rest.write_all(b",").unwrap();
        rest.write_all(number.format(value).as_bytes()).unwrap();
    }
    rest.write_all(b"\n").unwrap();
    let written = 256 - rest.len();
    out.write_all(&line[..written]).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let sums = Sums { bets: 2, sum: 4_000_001, min: 1_500_000, max: 2_500_001 };
        let market = (QuestionId::from_bytes([7; 16]), 2);
        let mut line = Vec::new();
        write(&mut line, market, 300_000, &sums);
        let row = Row { market, window_start: 300_000, sums, average: 2_000_000 };
        assert_eq!(of_csv(&line), Some(row));
        assert_eq!(of_csv(b"question_uuid,outcome_index"), None);
    }
}
