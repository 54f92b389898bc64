//! The same rows in every format.

use super::*;

const SQL: &str = "SELECT column1 AS name, column2 AS stake, arrow_cast(column3, 'Timestamp(Millisecond, Some(\"UTC\"))') AS at, outcomes, X'0a41' AS bytes
FROM (VALUES ('ann', CAST(10.5 AS DECIMAL(18, 6)), '2023-11-14T22:15:00.5Z'), (NULL, NULL, NULL), ('two\nlines', 3, '2023-11-14T22:15:00Z'))
JOIN questions ON right(question_uuid, 2) = '01' ORDER BY 2 DESC NULLS LAST";

#[tokio::test(flavor = "multi_thread")]
async fn every_format_says_the_same() {
    let node = node().await;
    for (format, width, expected) in [
        (
            Format::Table,
            None,
            "\
name   stake  at                        outcomes           bytes
-----  -----  ------------------------  -----------------  -----
ann     10.5  2023-11-14T22:15:00.500Z  [\"white\",\"black\"]
                                                           A
two        3  2023-11-14T22:15:00Z      [\"white\",\"black\"]
lines                                                      A
                                        [\"white\",\"black\"]
                                                           A
3 rows
",
        ),
        (
            Format::Jsonl,
            None,
            r#"{"name":"ann","stake":"10.500000","at":"2023-11-14T22:15:00.500Z","outcomes":["white","black"],"bytes":"0a41"}
{"name":"two\nlines","stake":"3.000000","at":"2023-11-14T22:15:00Z","outcomes":["white","black"],"bytes":"0a41"}
{"name":null,"stake":null,"at":null,"outcomes":["white","black"],"bytes":"0a41"}
"#,
        ),
        (
            Format::Csv,
            None,
            "name,stake,at,outcomes,bytes
ann,10.500000,2023-11-14T22:15:00.500Z,\"[\"\"white\"\",\"\"black\"\"]\",0a41
\"two
lines\",3.000000,2023-11-14T22:15:00Z,\"[\"\"white\"\",\"\"black\"\"]\",0a41
,,,\"[\"\"white\"\",\"\"black\"\"]\",0a41
",
        ),
    ] {
        assert_eq!(answer(&node, SQL, format, width).await.unwrap(), expected, "{format:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_cuts_wide_cells_and_an_empty_answer_has_its_header() {
    let node = node().await;
    for (sql, format, expected) in [
        (
            "SELECT 1 AS n, 'abcdefghijklmnopqrstuvwxyz' AS text, bet_uuid FROM bets LIMIT 1",
            Format::Table,
            "n  text           bet_uuid
-  -------------  -------------
1  abcdefghijkl…  00000000-000…
1 row
",
        ),
        ("SELECT 1 AS n WHERE false", Format::Table, "n\n-\n0 rows\n"),
        ("SELECT 1 AS n WHERE false", Format::Csv, "n\n"),
        ("SELECT 1 AS n WHERE false", Format::Json, "[]\n"),
        ("SELECT 1 AS n WHERE false", Format::Jsonl, ""),
        ("SELECT 1 AS n UNION ALL SELECT 2 ORDER BY 1", Format::Json, "[{\"n\":1},{\"n\":2}]\n"),
    ] {
        assert_eq!(answer(&node, sql, format, Some(32)).await.unwrap(), expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_too_wide_for_a_terminal_stand_by_themselves() {
    let node = node().await;
    let sql = "SELECT 1 AS n, 'abcdefghijklmnopqrstuvwxyz' AS text, NULL AS nothing, 'two\nlines' AS lines, bet_uuid
    FROM bets ORDER BY bet_uuid LIMIT 2";
    let expected = "\
-- row 1 --
n         1
text      abcdefghijklmnopqrst…
nothing
lines     two lines
bet_uuid  00000000-0000-4000-8…
-- row 2 --
n         1
text      abcdefghijklmnopqrst…
nothing
lines     two lines
bet_uuid  00000000-0000-4000-8…
2 rows
";
    assert_eq!(answer(&node, sql, Format::Table, Some(31)).await.unwrap(), expected);
}
