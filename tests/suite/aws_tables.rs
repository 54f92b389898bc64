//! Tables on DynamoDB, as far as nothing else tries them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray, UInt64Array};
use pipeline::window::windows::WindowRows;
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
