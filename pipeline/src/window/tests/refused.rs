//! Queries and settings that are refused, and what the error says.

use super::{schema, spec};
use crate::window::{WindowPlan, WindowSpec};

#[test]
fn queries_that_do_not_merge_are_refused() {
    // (query, what the error must say)
    let cases = [
        ("SELECT", "does not plan"),
        ("SELECT count(*) FROM elsewhere", "elsewhere"),
        ("SELECT colour, count(*) FROM readings GROUP BY colour", "colour"),
        ("SELECT channel FROM readings", "a query without an aggregate"),
        ("SELECT 1", "a query without the table"),
        ("SELECT channel, count(*) FROM readings GROUP BY channel ORDER BY channel", "ORDER BY is not supported"),
        ("SELECT channel, count(*) FROM readings GROUP BY channel LIMIT 3", "LIMIT is not supported"),
        ("SELECT DISTINCT count(*) FROM readings", "SELECT DISTINCT is not supported"),
        ("SELECT count(*) FROM readings a JOIN readings b ON a.id = b.id", "a join is not supported"),
        ("SELECT count(*) FROM readings UNION ALL SELECT count(*) FROM readings", "UNION is not supported"),
        ("SELECT channel, row_number() OVER () FROM readings", "a window function (OVER) is not supported"),
        (
            "SELECT max(n) FROM (SELECT channel, count(*) AS n FROM readings GROUP BY channel)",
            "an aggregate of an aggregate",
        ),
        ("SELECT n FROM (SELECT count(*) AS n FROM readings) t", "put GROUP BY in the outermost SELECT"),
        (
            "SELECT channel, count(*) FROM readings WHERE value > (SELECT max(value) FROM readings) GROUP BY channel",
            "reads its own table only",
        ),
        ("SELECT count(*) FROM readings WHERE event_time < now()", "same rows whenever it runs"),
        ("SELECT sum(random()) FROM readings", "same rows whenever it runs"),
        ("SELECT channel, count(*) FROM readings GROUP BY ROLLUP (channel)", "a window for each set of keys"),
        ("SELECT sum(DISTINCT value) FROM readings", "only count takes DISTINCT"),
        ("SELECT avg(value) FROM readings", "exact_div(sum(x), count(x))"),
        ("SELECT array_agg(value) FROM readings", "keeps every value seen"),
        ("SELECT stddev(value) FROM readings", "does not merge in any order"),
        ("SELECT sum(CAST(value AS DOUBLE)) FROM readings", "cast to a decimal"),
        ("SELECT first_value(value) FROM readings", "say which comes first"),
        ("SELECT last_value(value) IGNORE NULLS FROM readings", "say which comes first"),
        ("SELECT count(*) FROM readings GROUP BY channel", "or rows cannot be told apart"),
        ("SELECT count(*) AS window_start FROM readings", "choose another"),
        ("SELECT exact_div(sum(value), 2.5e0) FROM readings", "exact_div takes integers and decimals"),
        ("SELECT exact_div(sum(value)) FROM readings", "1 arguments were given"),
        ("INSERT INTO readings SELECT * FROM readings", "write SELECT"),
        ("CREATE TABLE t (x INT)", "write SELECT"),
        ("SELECT count(*) FROM readings; SELECT 1", "does not plan"),
    ];
    for (sql, text) in cases {
        check(&spec(sql), text);
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let base = spec("SELECT count(*) FROM readings");
    let cases = [
        (WindowSpec { length_ms: 0, ..base.clone() }, "a length of 0 ms is not positive"),
        (WindowSpec { length_ms: -1, ..base.clone() }, "a length of -1 ms is not positive"),
        (WindowSpec { hop_ms: 0, ..base.clone() }, "a hop of 0 ms does not divide the length of 300000 ms"),
        (WindowSpec { hop_ms: 70_000, ..base.clone() }, "a hop of 70000 ms does not divide"),
        (WindowSpec { hop_ms: 1_000, ..base.clone() }, "a row would be in 300 windows, at most 288"),
        (WindowSpec { time_column: "when".to_owned(), ..base.clone() }, "which has sensor, channel"),
        (WindowSpec { time_column: "value".to_owned(), ..base }, "a timestamp in milliseconds is needed"),
    ];
    for (spec, text) in cases {
        check(&spec, text);
    }
}

fn check(spec: &WindowSpec, text: &str) {
    match WindowPlan::compile(spec, schema()) {
        Ok(_) => panic!("compiled: {}", spec.sql),
        Err(error) => {
            let found = error.to_string();
            assert!(found.contains(text), "{}\n  {found}", spec.sql);
            assert!(found.contains("window 'readings-5m'"), "{found}");
        }
    }
}
