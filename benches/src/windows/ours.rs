//! Our engine: the window plan that the pipeline runs, on one partition of the bets a core.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    AsArray, Decimal128Array, FixedSizeBinaryBuilder, RecordBatch, TimestampMillisecondArray, UInt16Array,
};
use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema, SchemaRef, TimeUnit, UInt16Type};
use pipeline::window::{WindowPlan, WindowSpec};
use schemas::bet::Bet;
use schemas::codec::Event;
use schemas::ids::QuestionId;

use super::bets::LATENESS_MS;
use super::contestant::Report;
use super::fold::{Sums, WINDOW_MS};
use super::{lines, row};

/// Bets folded at once.
const BATCH: usize = 32_768;
const SQL: &str = "SELECT question_uuid, outcome_index, count(*) AS bets, sum(odds) AS sum_odds, \
     min(odds) AS min_odds, max(odds) AS max_odds, exact_div(sum(odds), count(*)) AS avg_odds \
     FROM bets GROUP BY question_uuid, outcome_index";

/// Reads the partitions, each on a thread of its own, and writes their rows into the folder `out`.
pub fn ours(partitions: &[PathBuf], cores: usize, out: &Path) -> Report {
    let plan = plan();
    std::thread::scope(|scope| {
        for (number, partition) in partitions.iter().enumerate() {
            let (plan, out) = (&plan, out.join(format!("rows-{number}.csv")));
            scope.spawn(move || Shard::new(plan, &out).run(partition));
        }
    });
    let settings = format!("window plan, batches of {BATCH}, {cores} threads");
    Report { settings, ..Report::own() }
}

fn plan() -> WindowPlan {
    let spec = WindowSpec {
        name: "odds".into(),
        table: "bets".into(),
        sql: SQL.into(),
        time_column: "placed_at".into(),
        length_ms: WINDOW_MS,
        hop_ms: WINDOW_MS,
    };
    WindowPlan::compile(&spec, schema()).unwrap()
}

fn schema() -> SchemaRef {
    let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("question_uuid", DataType::FixedSizeBinary(16), false),
        Field::new("outcome_index", DataType::UInt16, false),
        Field::new("odds", DataType::Decimal128(18, 6), false),
        Field::new("placed_at", utc, false),
    ]))
}

/// One partition: its open windows' states, and where its rows go.
struct Shard<'a> {
    plan: &'a WindowPlan,
    open: std::collections::BTreeMap<i64, Vec<RecordBatch>>,
    latest: i64,
    out: BufWriter<File>,
}

impl<'a> Shard<'a> {
    fn new(plan: &'a WindowPlan, out: &Path) -> Shard<'a> {
        let out = BufWriter::with_capacity(1 << 20, File::create(out).unwrap());
        Shard { plan, open: Default::default(), latest: 0, out }
    }

    fn run(mut self, partition: &Path) {
        let mut bets = Vec::with_capacity(BATCH);
        lines::for_each(partition, |line| {
            bets.push(Bet::from_json(line).unwrap());
            if bets.len() == BATCH {
                self.fold(&bets);
                bets.clear();
            }
        });
        self.fold(&bets);
        self.close(i64::MAX);
        self.out.flush().unwrap();
    }

    fn fold(&mut self, bets: &[Bet]) {
        for (start, state) in self.plan.partial(&batch(bets)).unwrap() {
            self.open.entry(start).or_default().push(state);
        }
        let latest = bets.iter().map(|bet| bet.placed_at.millis()).max().unwrap_or(0);
        self.latest = self.latest.max(latest);
        self.close(self.latest - LATENESS_MS as i64);
    }

    /// Writes the windows that ended by a time.
    fn close(&mut self, by: i64) {
        while let Some(window) = self.open.first_entry()
            && window.key().saturating_add(WINDOW_MS) <= by
        {
            let (start, states) = window.remove_entry();
            let rows = self.plan.finish(start, &states).unwrap();
            self.write(start, &rows);
        }
    }

    fn write(&mut self, start: i64, rows: &RecordBatch) {
        let questions = rows.column(0).as_fixed_size_binary();
        let outcomes = rows.column(1).as_primitive::<UInt16Type>();
        let bets = rows.column(2).as_primitive::<Int64Type>();
        let [sums, mins, maxes, averages] = [3, 4, 5, 6].map(|at| rows.column(at).as_primitive::<Decimal128Type>());
        for at in 0..rows.num_rows() {
            let question = QuestionId::from_bytes(questions.value(at).try_into().unwrap());
            let sums = Sums {
                bets: bets.value(at) as u64,
                sum: sums.value(at) as u64,
                min: mins.value(at) as u64,
                max: maxes.value(at) as u64,
            };
            assert_eq!(i128::from(sums.average()), averages.value(at), "the plan's own average");
            row::write(&mut self.out, (question, outcomes.value(at)), start, &sums);
        }
    }
}

fn batch(bets: &[Bet]) -> RecordBatch {
    let mut questions = FixedSizeBinaryBuilder::with_capacity(bets.len(), 16);
    for bet in bets {
        questions.append_value(bet.question_uuid.as_bytes()).unwrap();
    }
    let odds = Decimal128Array::from_iter_values(bets.iter().map(|bet| i128::from(bet.odds.micros())));
    let times = TimestampMillisecondArray::from_iter_values(bets.iter().map(|bet| bet.placed_at.millis()));
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(questions.finish()),
            Arc::new(UInt16Array::from_iter_values(bets.iter().map(|bet| bet.outcome_index))),
            Arc::new(odds.with_precision_and_scale(18, 6).unwrap()),
            Arc::new(times.with_timezone("UTC")),
        ],
    )
    .unwrap()
}
