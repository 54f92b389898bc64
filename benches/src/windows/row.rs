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
pub fn write(out: &mut impl Write, (question, outcome): Market, window_start: i64, sums: &Sums, average: u64) {
    let mut line = Line { bytes: [b'-'; 160], length: 36 };
    for (byte, at) in question.as_bytes().iter().zip(PLACES) {
        line.bytes[at..at + 2].copy_from_slice(&HEX[usize::from(*byte)]);
    }
    let mut number = itoa::Buffer::new();
    let start = window_start as u64;
    for value in [outcome.into(), start, sums.bets, sums.sum, sums.min, sums.max, average] {
        line.add(b",");
        line.add(number.format(value).as_bytes());
    }
    line.add(b"\n");
    out.write_all(&line.bytes[..line.length]).unwrap();
}

/// Where the digits of a UUID's bytes stand between its hyphens.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The two digits of each byte.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut hex = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        hex[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    hex
};

/// A line while it is made: 36 characters of the question, and seven numbers of 17 at most here.
struct Line {
    bytes: [u8; 160],
    length: usize,
}

impl Line {
    #[inline]
    fn add(&mut self, text: &[u8]) {
        self.bytes[self.length..self.length + text.len()].copy_from_slice(text);
        self.length += text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let sums = Sums { bets: 2, sum: 4_000_001, min: 1_500_000, max: 2_500_001 };
        let market = (QuestionId::from_bytes([7; 16]), 2);
        let mut line = Vec::new();
        write(&mut line, market, 300_000, &sums, sums.average());
        let row = Row { market, window_start: 300_000, sums, average: 2_000_000 };
        assert_eq!(of_csv(&line), Some(row));
        assert_eq!(of_csv(b"question_uuid,outcome_index"), None);
    }
}
