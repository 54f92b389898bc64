//! The bets as typed Arrow batches: what the window plan reads of them, built here for ours, and kept
//! in a file for those who start from batches in memory.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Decimal128Array, FixedSizeBinaryArray, RecordBatch, TimestampMillisecondArray, UInt16Array};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use schemas::bet::Bet;

/// Bets of a batch, at least.
pub const BATCH: usize = 131_072;

pub fn schema() -> SchemaRef {
    let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("question_uuid", DataType::FixedSizeBinary(16), false),
        Field::new("outcome_index", DataType::UInt16, false),
        Field::new("odds", DataType::Decimal128(18, 6), false),
        Field::new("placed_at", utc, false),
    ]))
}

/// The columns of a batch while it is filled.
#[derive(Default)]
pub struct Columns {
    questions: Vec<u8>,
    outcomes: Vec<u16>,
    odds: Vec<i128>,
    times: Vec<i64>,
}

impl Columns {
    pub fn extend(&mut self, bets: &[Bet]) {
        for bet in bets {
            self.questions.extend_from_slice(bet.question_uuid.as_bytes());
        }
        self.outcomes.extend(bets.iter().map(|bet| bet.outcome_index));
        self.odds.extend(bets.iter().map(|bet| i128::from(bet.odds.micros())));
        self.times.extend(bets.iter().map(|bet| bet.placed_at.millis()));
    }

    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Takes the batch out.
    pub fn take(&mut self) -> RecordBatch {
        // As much again: what grows is copied, and lies in memory that was not there before.
        let next = Columns {
            questions: Vec::with_capacity(self.questions.len()),
            outcomes: Vec::with_capacity(self.outcomes.len()),
            odds: Vec::with_capacity(self.odds.len()),
            times: Vec::with_capacity(self.times.len()),
        };
        let Columns { questions, outcomes, odds, times } = std::mem::replace(self, next);
        let questions = FixedSizeBinaryArray::try_new(16, Buffer::from_vec(questions), None);
        let odds = Decimal128Array::new(odds.into(), None).with_precision_and_scale(18, 6);
        let times = TimestampMillisecondArray::new(times.into(), None).with_timezone("UTC");
        let outcomes = UInt16Array::new(outcomes.into(), None);
        let columns: [arrow::array::ArrayRef; 4] =
            [Arc::new(questions.unwrap()), Arc::new(outcomes), Arc::new(odds.unwrap()), Arc::new(times)];
        RecordBatch::try_new(schema(), columns.into()).unwrap()
    }
}

/// A file of batches while it is written.
pub struct Writer {
    file: FileWriter<File>,
    columns: Columns,
}

impl Writer {
    pub fn create(path: &Path) -> Writer {
        let file = FileWriter::try_new(File::create(path).unwrap(), &schema()).unwrap();
        Writer { file, columns: Columns::default() }
    }

    pub fn add(&mut self, bet: &Bet) {
        self.columns.extend(std::slice::from_ref(bet));
        if self.columns.len() == BATCH {
            self.file.write(&self.columns.take()).unwrap();
        }
    }

    pub fn finish(mut self) {
        self.file.write(&self.columns.take()).unwrap();
        self.file.finish().unwrap();
        self.file.get_ref().sync_all().unwrap();
    }
}

/// Reads all batches of a file into memory.
pub fn read(path: &Path) -> Vec<RecordBatch> {
    FileReader::try_new(File::open(path).unwrap(), None).unwrap().map(Result::unwrap).collect()
}
