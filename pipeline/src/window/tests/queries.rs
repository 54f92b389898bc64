//! What a query may say, and what a plan tells of itself.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{LENGTH_MS, QUERY, Reading, batch, plan, readings, schema, spec};
use crate::window::{WINDOW_START, WindowError, WindowPlan};

const HOUR: i64 = 1_699_999_200_000;

/// Six readings of one window: (channel, value, time), ids ascending.
fn six() -> Vec<Reading> {
    let rows =
        [(1, Some(5), 30), (1, None, 10), (2, Some(-7), 20), (1, Some(2), 10), (2, Some(9), 20), (1, Some(4), 30)];
    let reading = |(id, (channel, value, time)): (usize, (u16, Option<i128>, i64))| Reading {
        sensor: 0,
        channel,
        weight: Some(1_000_000),
        value: value.map(|value| value * 1_000_000),
        event_time: HOUR + time,
        id: id as u128,
    };
    rows.into_iter().enumerate().map(reading).collect()
}

#[test]
fn queries_mean_what_sql_says() {
    // (query, rows of the result, columns by comma)
    let cases: &[(&str, &[&str])] = &[
        ("SELECT channel, count(*) FROM readings GROUP BY channel", &["1,4", "2,2"]),
        ("SELECT count(*) FROM readings", &["6"]),
        ("SELECT channel, count(value) AS n FROM readings AS r GROUP BY r.channel", &["1,3", "2,2"]),
        ("SELECT channel, sum(value) FROM readings WHERE value > 0 GROUP BY channel", &["1,11.000000", "2,9.000000"]),
        ("SELECT channel, sum(value) FROM readings WHERE value > 100 GROUP BY channel", &[]),
        ("SELECT channel, count(*) FROM readings GROUP BY channel HAVING count(*) > 2", &["1,4"]),
        ("SELECT channel, count(*) FILTER (WHERE value > 4) FROM readings GROUP BY channel", &["1,1", "2,1"]),
        (
            "SELECT k, max(v) FROM (SELECT channel + 1 AS k, value * 2 AS v FROM readings WHERE value < 9) GROUP BY k",
            &["2,10.000000", "3,-14.000000"],
        ),
        (
            "SELECT sum(value) / 2 AS half, channel AS c FROM readings GROUP BY channel",
            &["5.5000000000,1", "1.0000000000,2"],
        ),
        ("SELECT value > 4 AS big, count(*) FROM readings GROUP BY value > 4", &[",1", "false,3", "true,2"]),
        // Functions that exist only as a rewriting.
        (
            "SELECT channel, coalesce(max(value), min(weight)) FROM readings GROUP BY channel",
            &["1,5.000000", "2,9.000000"],
        ),
        ("SELECT sum(arrow_cast(nvl(channel, 0), 'Int64')) FROM readings WHERE coalesce(value > 4, true)", &["4"]),
        // Ends: ties by id, nulls are values unless ignored, and either direction.
        ("SELECT first_value(value ORDER BY event_time, id) FROM readings", &[""]),
        ("SELECT first_value(value ORDER BY event_time, id DESC) FROM readings", &["2.000000"]),
        ("SELECT first_value(value ORDER BY event_time, id) IGNORE NULLS FROM readings", &["2.000000"]),
        ("SELECT last_value(value ORDER BY event_time, id) FROM readings", &["4.000000"]),
        (
            "SELECT last_value(id ORDER BY event_time, value NULLS FIRST, id) FROM readings",
            &["00000000000000000000000000000000"],
        ),
        (
            "SELECT channel, first_value(value ORDER BY id) FILTER (WHERE value < 0) FROM readings GROUP BY channel",
            &["1,", "2,-7.000000"],
        ),
        (
            "SELECT channel, bool_or(value > 8), approx_distinct(value) FROM readings GROUP BY channel",
            &["1,false,3", "2,true,2"],
        ),
    ];
    for (sql, expected) in cases {
        check(sql, expected);
    }
}

/// Runs a query over one batch and over six, and compares the text of its rows.
fn check(sql: &str, expected: &[&str]) {
    let plan = plan(sql);
    let rows = six();
    let whole = vec![batch(&rows)];
    let single = rows.chunks(1).map(batch).collect();
    for batches in [whole, single] {
        let (mut states, mut start) = (Vec::new(), 0);
        for batch in &batches {
            for (pane, state) in plan.partial(batch).unwrap() {
                start = pane;
                states.push(state);
            }
        }
        let result = plan.finish(start, &states).unwrap();
        assert_eq!(result.schema(), plan.result_schema(), "{sql}");
        assert_eq!(text(&result), expected, "{sql} over {} batches", batches.len());
        let merged = plan.merge(&states).unwrap();
        assert_eq!(merged.schema(), plan.state_schema(), "{sql}");
        assert_eq!(text(&plan.finish(start, &[merged]).unwrap()), expected, "{sql} merged");
    }
}

fn text(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default();
    let columns: Vec<ArrayFormatter<'_>> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    let row = |row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(",");
    (0..batch.num_rows()).map(row).collect()
}

#[test]
fn windows_start_at_multiples_of_their_length() {
    let plan = plan("SELECT count(*) FROM readings");
    let times = [-1, 0, 1, LENGTH_MS - 1, LENGTH_MS, -LENGTH_MS, -LENGTH_MS - 1];
    let rows: Vec<Reading> = times.into_iter().map(|event_time| Reading { event_time, ..six()[0] }).collect();
    let states = plan.partial(&batch(&rows)).unwrap();
    let found: Vec<(i64, Vec<String>)> = states.iter().map(|(start, state)| (*start, text(state))).collect();
    let expected = [(-2, 1), (-1, 2), (0, 3), (1, 1)]
        .map(|(window, count)| (window * LENGTH_MS, vec![format!("{},{count}", window * LENGTH_MS)]));
    assert_eq!(found, expected);
}

#[test]
fn empty_input_gives_empty_output() {
    let plan = plan(QUERY);
    assert!(plan.partial(&batch(&[])).unwrap().is_empty());
    for nothing in [plan.finish(0, &[]).unwrap(), plan.finish(0, &[plan.merge(&[]).unwrap()]).unwrap()] {
        assert_eq!(nothing.num_rows(), 0);
        assert_eq!(nothing.schema(), plan.result_schema());
    }
}

#[test]
fn a_plan_reads_only_the_columns_it_names() {
    // (query, columns read, keys of the result)
    let cases: &[(&str, &[&str], &[&str])] = &[
        (QUERY, &["sensor", "channel", "weight", "value", "event_time", "id"], &["sensor", "channel"]),
        ("SELECT count(*) FROM readings", &["event_time"], &[]),
        (
            "SELECT sum(value) AS s, channel AS c FROM readings WHERE id IS NOT NULL GROUP BY channel",
            &["channel", "value", "event_time", "id"],
            &["c"],
        ),
    ];
    for (sql, columns, keys) in cases {
        let plan = plan(sql);
        assert_eq!(plan.input_columns(), *columns, "{sql}");
        assert_eq!(plan.key_columns(), *keys, "{sql}");
        assert_eq!(plan.state_schema().field(0).name(), WINDOW_START);
    }
    // The columns may come in any order, beside others.
    let plan = plan(QUERY);
    let rows = batch(&readings(9, 50, 5, false));
    let turned = rows.project(&[5, 4, 3, 2, 1, 0]).unwrap();
    assert_eq!(plan.partial(&rows).unwrap(), plan.partial(&turned).unwrap());
}

#[test]
fn fingerprints_tell_plans_apart() {
    let prints = |spec| WindowPlan::compile(&spec, schema()).unwrap().fingerprint();
    let base = spec("SELECT count(*) FROM readings");
    let mut longer = base.clone();
    (longer.length_ms, longer.hop_ms) = (longer.length_ms * 2, longer.hop_ms * 2);
    let other = spec("SELECT count(*) AS n FROM readings");
    assert_eq!(prints(base.clone()), prints(base.clone()));
    assert_ne!(prints(base.clone()), prints(longer));
    assert_ne!(prints(base), prints(other));
}

#[test]
fn batches_and_states_that_do_not_fit_are_refused() {
    let plan = plan(QUERY);
    let rows = batch(&readings(10, 400, 5, false));
    let narrow = rows.project(&[0, 1, 2, 3, 4]).unwrap();
    let early = batch(&[Reading { event_time: i64::MIN, ..six()[0] }]);
    let states: Vec<RecordBatch> = plan.partial(&rows).unwrap().into_iter().map(|(_, state)| state).collect();
    let cases: [(WindowError, &str); 4] = [
        (plan.partial(&narrow).unwrap_err(), "column 'id' is missing from the batch"),
        (plan.partial(&early).unwrap_err(), "before the first window"),
        (plan.finish(0, &states).unwrap_err(), "finish one window at a time"),
        (plan.merge(&[rows]).unwrap_err(), "rebuild the state from the log"),
    ];
    for (error, text) in cases {
        let found = error.to_string();
        assert!(found.contains(text) && found.contains("'readings-5m'"), "{found}");
    }
}

#[test]
fn a_hopping_window_is_finished_from_its_panes() {
    let sql = "SELECT count(*) AS n FROM readings";
    let hopping = crate::window::WindowSpec { hop_ms: LENGTH_MS / 5, ..spec(sql) };
    let plan = WindowPlan::compile(&hopping, schema()).unwrap();
    let times = [0, 1, LENGTH_MS / 5, LENGTH_MS - 1, LENGTH_MS, LENGTH_MS + LENGTH_MS / 5 - 1];
    let rows: Vec<Reading> = times.into_iter().map(|event_time| Reading { event_time, ..six()[0] }).collect();
    let panes = plan.partial(&batch(&rows)).unwrap();
    assert_eq!(panes.iter().map(|(pane, _)| *pane).collect::<Vec<_>>(), [0, 1, 4, 5].map(|n| n * LENGTH_MS / 5));
    for (start, count) in [(-4, "2"), (0, "4"), (1, "4"), (2, "3"), (5, "2")].map(|(n, c)| (n * LENGTH_MS / 5, c)) {
        let of = |(pane, _): &&(i64, RecordBatch)| (start..start + LENGTH_MS).contains(pane);
        let states: Vec<RecordBatch> = panes.iter().filter(of).map(|(_, state)| state.clone()).collect();
        assert_eq!(text(&plan.finish(start, &states).unwrap()), [count], "{start}");
    }
}
