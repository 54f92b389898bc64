//! Queries that have no answer, and what they are told.

use super::*;
use crate::sql::STACK_BYTES;

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_the_thing_and_the_way_out() {
    let node = node().await;
    for (sql, expected) in CASES {
        let error = answer(&node, sql, Format::Csv, None).await.expect_err(sql).to_string();
        assert!(error.contains(expected), "{sql}\n  says {error}\n  not  {expected}");
    }
}

const CASES: &[(&str, &str)] = &[
    ("", "0 statements were given"),
    (" ; ", "0 statements were given"),
    ("SELECT 1; SELECT 2", "2 statements were given; run one at a time"),
    ("SELEC 1", "syntax error: Expected"),
    ("SELECT * FROM bet", "there is no table bet, did you mean bets?; the tables are bets, users"),
    ("SELECT * FROM oddswindows", "did you mean odds_windows?"),
    ("SELECT * FROM nothing_like_it", "there is no table nothing_like_it; the tables are bets"),
    (
        "SELECT stke FROM odds_windows",
        "there is no column stke, did you mean stake?; the columns here are window_name, window_start",
    ),
    ("SELECT nope(1)", "nope"),
    ("SELECT sum(bettor) FROM bets", "No function matches the given name and argument types 'sum(Utf8)'"),
    ("INSERT INTO bets SELECT * FROM bets", "INSERT is not possible: this surface is read-only"),
    ("delete from bets", "DELETE is not possible"),
    ("UPDATE bets SET odds = 2", "UPDATE is not possible"),
    ("CREATE TABLE t AS SELECT 1", "CREATE is not possible"),
    ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "CREATE is not possible"),
    ("COPY bets TO '/tmp/bets.csv'", "COPY is not possible"),
    ("SET datafusion.execution.batch_size = 1", "SET is not possible"),
    ("DROP TABLE bets", "DROP is not possible"),
    ("SELECT * INTO t FROM bets", "writing with SELECT is not possible: this surface is read-only"),
    ("EXPLAIN DELETE FROM bets", "DELETE is not possible"),
    ("SELECT * FROM '/etc/passwd'", "there is no table /etc/passwd"),
    ("SELECT 1 / 0", "ivide by zero"),
    ("SELECT CAST('x' AS INT)", "x"),
];

#[test]
fn queries_too_deep_for_a_stack_are_refused_and_shorter_ones_run() {
    let check = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build();
        runtime.unwrap().block_on(deep_queries());
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(check).unwrap().join().unwrap();
}

/// Chains of operators: what a query starts with, what is repeated, what it ends with, and how
/// many operators one repetition has.
const CHAINS: [(&str, &str, &str, usize); 7] = [
    ("SELECT 1", " + 1", "", 1),
    ("SELECT 'a'", " || 'a'", "", 1),
    ("SELECT 1", " UNION ALL SELECT 1", "", 1),
    ("SELECT true", " OR 1 = 2", "", 2),
    ("SELECT true", " = true", "", 1),
    ("SELECT buy_amount", " + odds", " FROM bets", 1),
    ("SELECT count(*) FROM bets WHERE odds > 0", " AND buy_amount + odds <> 9", "", 3),
];

async fn deep_queries() {
    let node = node().await;
    for (first, again, last, operators) in CHAINS {
        let chain = |count: usize| format!("{first}{}{last}", again.repeat(count));
        let error = answer(&node, &chain(20_000), Format::Csv, None).await.expect_err(again).to_string();
        assert!(error.contains("operators, at most 300 are taken"), "{error}");
        let text = answer(&node, &chain(297 / operators), Format::Csv, None).await;
        assert!(text.is_ok(), "{again}: {text:?}");
    }
    let error = answer(&node, &format!("SELECT '{}'", "x".repeat(2 << 20)), Format::Csv, None).await.expect_err("long");
    assert!(error.to_string().contains("bytes, at most 1048576"), "{error}");
}
