//! Tables as SQL shows them: every sample row fits its schema, and reads as expected.

use arrow::json::LineDelimitedWriter;
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use super::samples;
use crate::columns::users::UserLists;
use crate::columns::{self, ColumnError, bet_block};
use crate::transaction::TransactionRow;

/// The first row of a batch as JSON.
fn first(batch: &RecordBatch) -> Value {
    let mut bytes = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut bytes);
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    serde_json::from_str(std::str::from_utf8(&bytes).unwrap().lines().next().unwrap()).unwrap()
}

#[test]
fn bets_show_the_product_s_names() {
    let rows = samples::bet_rows();
    let batch = columns::bets::to_sql(&bet_block::build(&rows).unwrap()).unwrap();
    assert_eq!(batch.schema(), columns::bets());
    assert_eq!(batch.num_rows(), 3);
    let shown = first(&batch.slice(2, 1));
    assert_eq!(shown["bet_uuid"], "6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9");
    assert_eq!(shown["bettor"], "0x00112233445566778899aabbccddeeff00112233");
    assert_eq!(shown["status"], "rejected");
    assert_eq!(shown["reject_reason"], "betting_closed");
    assert_eq!(shown["active"], false);
    assert_eq!(shown["shard"], "shardId-000000000003");
    assert_eq!(shown["position"], "49545115243490985018280067714.2");
}

#[test]
fn users_carry_their_lists() {
    let TransactionRow { transaction, .. } = samples::transaction_row();
    let lists = UserLists { bets: vec![samples::bet().bet_uuid], deposits: vec![transaction; 2], withdrawals: vec![] };
    let rows = [samples::user_row(), samples::user_row()];
    let batch = columns::users::to_sql(&rows, &[lists]).unwrap();
    assert_eq!(batch.schema(), columns::users());
    let shown = first(&batch);
    assert_eq!(shown["bets"], json!(["6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"]));
    assert_eq!(shown["deposits"][1]["date"], 1_657_550_847);
    assert_eq!(shown["withdrawals"], json!([]));
    assert_eq!(first(&batch.slice(1, 1))["bets"], json!([]));
}

#[test]
fn every_other_table_fits_its_schema() {
    let built = [
        (columns::questions::to_sql(&[samples::question_row()], &[]).unwrap(), columns::questions()),
        (columns::streamers::to_sql(&[samples::streamer_row()]).unwrap(), columns::streamers()),
        (columns::streams::to_sql(&[samples::stream_row()]).unwrap(), columns::streams()),
        (columns::outbox::to_sql(&[samples::outbox_row()]).unwrap(), columns::outbox()),
        (columns::dead_letters::to_sql(&[samples::dead_letter()]).unwrap(), columns::dead_letters()),
        (columns::settlements::to_sql(&[samples::settlement_row()]).unwrap(), columns::settlements()),
        (columns::audit::to_sql(&[samples::audit_row()]).unwrap(), columns::audit()),
    ];
    for (batch, schema) in built {
        assert_eq!((batch.schema(), batch.num_rows()), (schema, 1));
    }
    let quotes = columns::quotes::to_sql(&[samples::quote()]).unwrap();
    assert_eq!((quotes.schema(), quotes.num_rows()), (columns::quotes(), 2));
}

#[test]
fn tables_may_be_empty() {
    assert_eq!(columns::bets::to_sql(&bet_block::build(&[]).unwrap()).unwrap().num_rows(), 0);
    assert_eq!(columns::users::to_sql(&[], &[]).unwrap().num_rows(), 0);
    assert_eq!(columns::questions::to_sql(&[], &[]).unwrap().num_rows(), 0);
    assert_eq!(columns::dead_letters::to_sql(&[]).unwrap().num_rows(), 0);
}

#[test]
fn a_block_says_what_is_wrong_with_it() {
    let other = columns::streams::to_sql(&[samples::stream_row()]).unwrap();
    assert!(matches!(bet_block::row(&other, 0), Err(ColumnError::Shape("bet_uuid"))));
}
