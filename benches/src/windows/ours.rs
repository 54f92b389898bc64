//! Our engine: the window plan that the pipeline runs, on one partition of the bets a core.
//!
//! A partition's batches become partial states, kept by window; a window that no bet can reach any
//! more is finished from its states, and forgotten. [`from_json`] reads lines and writes lines;
//! [`from_batches`] has its batches in memory before its clock starts, and its rows are not written on it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Barrier;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Decimal128Type, Int64Type, TimestampMillisecondType, UInt16Type};
use pipeline::window::{WindowPlan, WindowSpec};
use schemas::bet::Bet;
use schemas::codec::Event;
use schemas::ids::QuestionId;

use super::batches::{self, BATCH, Columns};
use super::bets::LATENESS_MS;
use super::contestant::Report;
use super::fold::{Sums, WINDOW_MS};
use super::stages::{Laps, Seconds, Stage, sum};
use super::{lines, row};

const SQL: &str = "SELECT question_uuid, outcome_index, count(*) AS bets, sum(odds) AS sum_odds, \
     min(odds) AS min_odds, max(odds) AS max_odds, exact_div(sum(odds), count(*)) AS avg_odds \
     FROM bets GROUP BY question_uuid, outcome_index";

/// Reads the partitions, each on a thread of its own, and writes their rows into the folder `out`.
pub fn from_json(partitions: &[PathBuf], out: &Path) -> Report {
    let plan = plan();
    let laps = each(partitions, |number, partition| {
        let mut out = create(out, number);
        let mut shard = Shard::new(&plan, |start, rows: RecordBatch| write(&mut out, start, &rows));
        shard.read(partition);
        let seconds = shard.finish();
        out.flush().unwrap();
        seconds
    });
    let settings = format!("window plan, batches of {BATCH}, {} threads", partitions.len());
    Report { settings, stages: Some(sum(laps)), ..Report::own() }
}

/// Folds batches that are in memory, each partition's on a thread of its own, to rows in memory. The
/// clock stands while the rows of a window are written for the comparison.
pub fn from_batches(partitions: &[PathBuf], out: &Path) -> Report {
    let plan = plan();
    let ready = Barrier::new(partitions.len());
    let laps = each(partitions, |number, partition| {
        let batches = batches::read(&partition.with_extension("arrow"));
        let mut out = create(out, number);
        ready.wait();
        let mut shard = Shard::new(&plan, |start, rows: RecordBatch| write(&mut out, start, &rows));
        batches.iter().for_each(|batch| shard.fold(batch));
        let mut seconds = shard.finish();
        out.flush().unwrap();
        seconds[Stage::Write as usize] = 0.0;
        seconds
    });
    let pass_s = laps.iter().map(|seconds| seconds.iter().sum()).reduce(f64::max);
    let settings = format!("window plan, batches of {BATCH} in memory, {} threads", partitions.len());
    Report { settings, stages: Some(sum(laps)), pass_s, ..Report::own() }
}

/// Runs something for each partition at once.
fn each<T: Send>(partitions: &[PathBuf], run: impl Fn(usize, &Path) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let run = &run;
        let threads = partitions.iter().enumerate().map(|(number, path)| scope.spawn(move || run(number, path)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn create(out: &Path, number: usize) -> BufWriter<File> {
    BufWriter::with_capacity(1 << 18, File::create(out.join(format!("rows-{number}.csv"))).unwrap())
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
    WindowPlan::compile(&spec, batches::schema()).unwrap()
}

/// One partition: its open windows' states, and where the rows of ended ones go.
struct Shard<'a, S> {
    plan: &'a WindowPlan,
    open: BTreeMap<i64, Vec<RecordBatch>>,
    latest: i64,
    sink: S,
    laps: Laps,
}

impl<'a, S: FnMut(i64, RecordBatch)> Shard<'a, S> {
    fn new(plan: &'a WindowPlan, sink: S) -> Shard<'a, S> {
        Shard { plan, open: BTreeMap::new(), latest: 0, sink, laps: Laps::start() }
    }

    fn read(&mut self, partition: &Path) {
        let (mut bets, mut columns) = (Vec::new(), Columns::default());
        lines::for_each_block(partition, |block| {
            self.laps.end(Stage::Read);
            bets.clear();
            bets.extend(lines::of(block).map(|line| Bet::from_json(line).unwrap()));
            self.laps.end(Stage::Decode);
            columns.extend(&bets);
            let batch = (columns.len() >= BATCH).then(|| columns.take());
            self.laps.end(Stage::Batch);
            if let Some(batch) = batch {
                self.fold(&batch);
            }
        });
        self.fold(&columns.take());
    }

    fn fold(&mut self, batch: &RecordBatch) {
        for (start, state) in self.plan.partial(batch).unwrap() {
            self.open.entry(start).or_default().push(state);
        }
        let times = batch.column(3).as_primitive::<TimestampMillisecondType>();
        self.latest = times.values().iter().copied().fold(self.latest, i64::max);
        self.laps.end(Stage::Group);
        self.close(self.latest - LATENESS_MS as i64);
    }

    /// Gives the rows of the windows that ended by a time.
    fn close(&mut self, by: i64) {
        while let Some(window) = self.open.first_entry()
            && window.key().saturating_add(WINDOW_MS) <= by
        {
            let (start, states) = window.remove_entry();
            let rows = self.plan.finish(start, &states).unwrap();
            drop(states);
            self.laps.end(Stage::Finish);
            (self.sink)(start, rows);
            self.laps.end(Stage::Write);
        }
    }

    fn finish(mut self) -> Seconds {
        self.close(i64::MAX);
        self.laps.seconds
    }
}

fn write(out: &mut impl Write, start: i64, rows: &RecordBatch) {
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
        row::write(out, (question, outcomes.value(at)), start, &sums, averages.value(at) as u64);
    }
}
