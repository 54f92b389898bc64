//! SQL over a small node: what is in the log, what queries then say.

mod answers;
mod errors;
mod formats;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use pipeline::record::Append;
use pipeline::{Arrival, Clock};

use super::output::{Format, writer_of_width};
use super::{SqlError, query};
use crate::node::{Node, NodeOptions};

/// 2023-11-14T22:15:00Z, the start of a window.
const START: i64 = 1_700_000_100_000;
const MINUTE: i64 = 60_000;

/// The bets of the node: id, question, outcome, bettor, stake, odds, milliseconds after [`START`].
const BETS: [(u8, u8, u16, u8, &str, &str, i64); 6] = [
    (1, 1, 0, 0xaa, "10", "2", 1_000),
    (2, 1, 1, 0xbb, "5.5", "1.5", 2_000),
    (3, 1, 0, 0xaa, "20", "3.1", 3_000),
    (4, 9, 0, 0xaa, "1", "2", 4_000),
    (5, 2, 1, 0xbb, "7", "4", 5_000),
    (6, 1, 0, 0xbb, "0.000001", "2.5", 5 * MINUTE + 1_000),
];

/// Counts rows that do not end.
pub(crate) const ENDLESS: &str =
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i FROM n) SELECT count(*) AS n FROM n";

/// A node that has applied a question's first minutes; its first window is closed, its second open.
pub(crate) async fn node() -> Node {
    let clock = Clock::manual(Arrival(START));
    let options = NodeOptions { bets_shards: 1, ..NodeOptions::default() };
    let node = Node::open(options, clock.clone()).unwrap();
    let append = |stream: &str, at: i64, key: &str, data: String| {
        node.log.append(stream, &[Append::new(key, data).arrived(Arrival(START + at))]).unwrap();
    };
    for (at, event) in (0..).zip(game_events()) {
        append("game-events", at, "game", event);
    }
    for (bet, question, outcome, bettor, stake, odds, at) in BETS {
        append("bets", at, &uuid(question), bet_json(bet, question, outcome, bettor, stake, odds, at));
    }
    append("bets", 5 * MINUTE + 2_000, "bad", r#"{"bet_uuid":"no"}"#.into());
    clock.advance_to(Arrival(START + 6 * MINUTE));
    node.start(true).task.await.unwrap().unwrap();
    node
}

fn game_events() -> Vec<String> {
    let stream = uuid(0x57);
    let question = |id: u8| {
        format!(
            r#"{{"question_uuid":"{}","game":"chess","question":"Who wins?","outcomes":["white","black"],"chain_id":137,"betting_end_time":{},"stream_uuid":"{stream}"}}"#,
            uuid(id),
            START + 60 * MINUTE
        )
    };
    let ann = address(0xaa);
    let transaction = |n: u8, amount: &str| {
        format!(
            r#"{{"transaction_hash":"0x{}","date":{},"amount":"{amount}"}}"#,
            format!("{n:02x}").repeat(32),
            1_700_000_000 + u64::from(n)
        )
    };
    [
        format!(r#""type":"streamer_upserted","streamer":{{"address":"{}","username":"stan"}}"#, address(0x55)),
        format!(r#""type":"stream_started","stream":{{"stream_uuid":"{stream}","stream_url":"https://example.org/1","platform":"twitch","game":"chess","streamer":"{}"}}"#, address(0x55)),
        format!(r#""type":"question_opened","question":{}"#, question(1)),
        format!(r#""type":"question_opened","question":{}"#, question(2)),
        format!(r#""type":"account_upserted","user":{{"address":"{ann}","username":"ann","email":"ann@example.org","email_confirmed":true}}"#),
        format!(r#""type":"deposit","address":"{ann}","transaction":{}"#, transaction(2, "50")),
        format!(r#""type":"deposit","address":"{ann}","transaction":{}"#, transaction(1, "100.25")),
        format!(r#""type":"withdrawal","address":"{ann}","transaction":{}"#, transaction(3, "1")),
    ]
    .into_iter()
    .zip(0x60u8..)
    .map(|(fields, id)| format!(r#"{{"event_uuid":"{}","at":{START},{fields}}}"#, uuid(id)))
    .collect()
}

fn bet_json(bet: u8, question: u8, outcome: u16, bettor: u8, stake: &str, odds: &str, at: i64) -> String {
    format!(
        r#"{{"bet_uuid":"{}","question_uuid":"{}","outcome_index":{outcome},"bettor":"{}","buy_amount":"{stake}","odds":"{odds}","chain_id":137,"placed_at":{}}}"#,
        uuid(bet),
        uuid(question),
        address(bettor),
        START + at
    )
}

fn uuid(n: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{n:02x}")
}

fn address(n: u8) -> String {
    format!("0x{}", format!("{n:02x}").repeat(20))
}

/// A query's rows in a format.
async fn answer(node: &Node, sql: &str, format: Format, width: Option<usize>) -> Result<String, SqlError> {
    let (schema, mut batches) = query(node, sql).await?;
    let text = Text::default();
    let mut out = writer_of_width(format, schema, Box::new(text.clone()), width).unwrap();
    while let Some(batch) = batches.next().await {
        out.write(&batch?).unwrap();
    }
    out.finish().unwrap();
    let bytes = text.0.lock().unwrap().clone();
    Ok(String::from_utf8(bytes).unwrap())
}

/// What a writer wrote.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
