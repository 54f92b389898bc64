//! Tables on DynamoDB, as far as nothing else tries them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray, UInt64Array};
use pipeline::tables::Commit;
use pipeline::window::windows::WindowRows;
use schemas::outbox::OutboxRow;
use schemas::row::Row as _;
use tests::cluster::{Site, windows};
use tests::servers;

fn row(bets: u64, watermark: i64) -> WindowRows {
    let columns: [(&str, ArrayRef); 2] = [
        ("bets", Arc::new(UInt64Array::from(vec![bets]))),
        ("watermark", Arc::new(TimestampMillisecondArray::from(vec![watermark]))),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    WindowRows { window: "short".into(), start_ms: 0, end_ms: 2_000, rows }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_does_not_replace_a_later_one() {
    let server = servers::ministack();
    let site = Site::create(server.account(5), |_| {}).await;
    // Bets, the watermark, and the bets that are there then.
    for (bets, watermark, expected) in [(2, 2_000, 2), (1, 1_000, 2), (3, 2_000, 3), (5, 9_000, 5), (4, 8_999, 5)] {
        site.cluster.tables.put_results("odds_windows", &row(bets, watermark), &[]).await.unwrap();
        let found = windows(&site.cluster).await;
        let found: Vec<_> = found.values().map(|item| item["bets"].as_n().unwrap().as_str()).collect();
        assert_eq!(found, [expected.to_string()], "after {bets} at {watermark}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_does_not_replace_one_of_a_higher_rank() {
    let server = servers::ministack();
    let tables = Site::create(server.account(6), |_| {}).await.cluster.tables;
    let key = vec![7; 16];
    // What a commit writes, each with its rank, and what is there then.
    let steps: [(&[(&str, u64)], &str); 5] = [
        (&[("tried", 3)], "tried"),
        (&[("sent", 9)], "sent"),
        (&[("tried again, and late", 4)], "sent"),
        (&[("sent again", 9)], "sent again"),
        (&[("the first of two", 9), ("the last of two", 9)], "the last of two"),
    ];
    for (writes, expected) in steps {
        let mut commit = Commit::default();
        for (value, rank) in writes {
            commit.put_over(OutboxRow::TABLE, key.clone(), value.as_bytes().to_vec(), *rank);
        }
        tables.write_rows(commit.rows).await.unwrap();
        let stored = tables.get(OutboxRow::TABLE, std::slice::from_ref(&key)).await.unwrap();
        let stored = stored.into_iter().flatten().next().map(|row| String::from_utf8(row.bytes).unwrap());
        assert_eq!(stored.as_deref(), Some(expected), "after {writes:?}");
    }
}
