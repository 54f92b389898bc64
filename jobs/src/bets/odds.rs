//! The odds fold: five-minute tumbling windows over accepted bets, as SQL.
//!
//! Sums are exact (decimals of the table's scale), so partial sums of any split of the bets merge
//! to the same bits; averages divide once, rounded half to even. `first` and `last` order by
//! `placed_at`, then by id, so that ties have one answer.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Decimal128Type, Int64Type, UInt16Type, UInt32Type};
use pipeline::record::Append;
use pipeline::window::times::{Late, WindowSettings};
use pipeline::window::windows::WindowRows;
use pipeline::window::{WindowPlan, WindowSpec};
use pipeline::{Error, Result};
use schemas::codec::Event;
use schemas::columns::bet_block;
use schemas::ids::QuestionId;
use schemas::money::Total;
use schemas::odds::Odds;
use schemas::odds_event::OddsEvent;
use schemas::time::Timestamp;

/// The name of the window job, and of its rows in `odds_windows`.
pub const NAME: &str = "odds";
/// Five minutes.
pub const LENGTH_MS: i64 = 5 * 60 * 1000;

/// The aggregate, over the accepted rows of `bets`.
pub const SQL: &str = "\
SELECT question_uuid, outcome_index,
       count(*) AS bets,
       sum(buy_amount) AS stake,
       sum(odds) AS sum_odds,
       exact_div(sum(odds), count(*)) AS avg_odds,
       exact_div(sum(odds * buy_amount), sum(buy_amount)) AS weighted_odds,
       min(odds) AS min_odds,
       max(odds) AS max_odds,
       first_value(odds ORDER BY placed_at, bet_uuid) AS first_odds,
       last_value(odds ORDER BY placed_at, bet_uuid) AS last_odds
FROM bets
GROUP BY question_uuid, outcome_index";

/// Compiles the odds window.
pub fn settings(disorder_ms: i64, lateness_ms: i64) -> Result<WindowSettings> {
    let spec = WindowSpec {
        name: NAME.into(),
        table: "bets".into(),
        sql: SQL.into(),
        time_column: "placed_at".into(),
        length_ms: LENGTH_MS,
        hop_ms: LENGTH_MS,
    };
    let plan = Arc::new(WindowPlan::compile(&spec, bet_block::counted())?);
    Ok(WindowSettings { spec, plan, disorder_ms, lateness_ms, late: Late::Update, early_ms: None, parquet: true })
}

/// The events of new and revised rows, one a row.
pub fn events(window: &WindowRows) -> Result<Vec<OddsEvent>> {
    let columns = Columns::of(&window.rows)?;
    let time =
        |ms| Timestamp::from_millis(ms).ok_or_else(|| Error::Fatal(format!("window time {ms} ms is out of range")));
    let (start, end) = (time(window.start_ms)?, time(window.end_ms)?);
    (0..window.rows.num_rows())
        .map(|row| {
            let (question_uuid, outcome_index) = (columns.question(row)?, columns.outcome.value(row));
            let revision = columns.revision.value(row);
            Ok(OddsEvent {
                event_uuid: OddsEvent::id_of(&window.window, start, question_uuid, outcome_index, revision),
                window_name: window.window.clone(),
                window_start: start,
                window_end: end,
                question_uuid,
                outcome_index,
                bets: u64::try_from(columns.bets.value(row)).unwrap_or(0),
                stake: columns.total(0, row)?,
                sum_odds: columns.total(1, row)?,
                avg_odds: columns.odds(2, row)?,
                weighted_odds: columns.odds(3, row)?,
                min_odds: columns.odds(4, row)?,
                max_odds: columns.odds(5, row)?,
                first_odds: columns.odds(6, row)?,
                last_odds: columns.odds(7, row)?,
                revision,
                is_final: columns.is_final.value(row),
            })
        })
        .collect()
}

/// The same as records of the stream `odds`, keyed by question.
pub fn records(window: &WindowRows) -> Result<Vec<(&'static str, Append)>> {
    let record = |event: OddsEvent| (OddsEvent::STREAM, Append::new(event.question_uuid.to_string(), event.to_json()));
    Ok(events(window)?.into_iter().map(record).collect())
}

const DECIMALS: [&str; 8] =
    ["stake", "sum_odds", "avg_odds", "weighted_odds", "min_odds", "max_odds", "first_odds", "last_odds"];

struct Columns<'a> {
    question: &'a arrow::array::FixedSizeBinaryArray,
    outcome: &'a arrow::array::UInt16Array,
    bets: &'a arrow::array::Int64Array,
    decimals: Vec<&'a arrow::array::Decimal128Array>,
    revision: &'a arrow::array::UInt32Array,
    is_final: &'a arrow::array::BooleanArray,
}

impl<'a> Columns<'a> {
    fn of(rows: &'a RecordBatch) -> Result<Columns<'a>> {
        let column = |name: &str| rows.column_by_name(name).ok_or_else(|| lacks(name));
        let decimal = |name: &&str| column(name)?.as_primitive_opt::<Decimal128Type>().ok_or_else(|| lacks(name));
        Ok(Columns {
            question: column("question_uuid")?.as_fixed_size_binary_opt().ok_or_else(|| lacks("question_uuid"))?,
            outcome: column("outcome_index")?.as_primitive_opt::<UInt16Type>().ok_or_else(|| lacks("outcome_index"))?,
            bets: column("bets")?.as_primitive_opt::<Int64Type>().ok_or_else(|| lacks("bets"))?,
            decimals: DECIMALS.iter().map(decimal).collect::<Result<_>>()?,
            revision: column("revision")?.as_primitive_opt::<UInt32Type>().ok_or_else(|| lacks("revision"))?,
            is_final: column("final")?.as_boolean_opt().ok_or_else(|| lacks("final"))?,
        })
    }

    fn question(&self, row: usize) -> Result<QuestionId> {
        let bytes = self.question.value(row).try_into().map_err(|_| lacks("question_uuid"))?;
        Ok(QuestionId::from_bytes(bytes))
    }

    fn total(&self, column: usize, row: usize) -> Result<Total> {
        let micros = self.decimals[column].value(row);
        Total::from_micros(micros)
            .ok_or_else(|| Error::Fatal(format!("{} of {micros} micro-units is out of range", DECIMALS[column])))
    }

    fn odds(&self, column: usize, row: usize) -> Result<Odds> {
        let micros = self.decimals[column].value(row);
        let odds = u64::try_from(micros).ok().and_then(Odds::from_micros);
        odds.ok_or_else(|| Error::Fatal(format!("{} of {micros} micro-odds is out of range", DECIMALS[column])))
    }
}

fn lacks(column: &str) -> Error {
    Error::Fatal(format!("results of window {NAME} lack column {column}, or it has another type"))
}
