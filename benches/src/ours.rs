//! Our side: the log is filled first, then the betting loop drains it.

use jobs::bets::odds;
use jobs::node::{Node, NodeOptions};
use pipeline::record::Append;
use pipeline::tables::Tables;
use pipeline::window::results;
use pipeline::{Arrival, Clock};
use schemas::row::Row;
use schemas::user::UserRow;

use crate::usage::{Meter, Report};
use crate::{Answer, Work};

/// Bets of one append while the log is filled.
const CHUNK: usize = 4096;

pub fn run(work: &Work) -> (Report, Answer) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir_in(".").unwrap();
    let options = NodeOptions { data_dir: Some(dir.path().into()), notify: false, ..NodeOptions::default() };
    let clock = Clock::manual(Arrival(0));
    let node = Node::open(options, clock.clone()).unwrap();
    let last = fill(&node, work);
    // Reading starts cold, as after a restart.
    clock.advance_to(Arrival(last + 3_600_000));
    runtime.block_on(async {
        let meter = Meter::start();
        node.start(true).task.await.unwrap().unwrap();
        let report = meter.stop(work.count);
        let answer = answer(&node).await;
        (report, answer)
    })
}

/// Appends every line at its own time; returns the last one's.
pub fn fill(node: &Node, work: &Work) -> i64 {
    let mut last = 0;
    let mut chunk: Vec<Append> = Vec::with_capacity(CHUNK);
    let mut stream = "game-events";
    for line in work.lines() {
        if line.stream != stream || chunk.len() == CHUNK {
            node.log.append(stream, &chunk).unwrap();
            chunk.clear();
            stream = line.stream;
        }
        last = line.at.millis();
        chunk.push(Append::new(line.partition_key, line.bytes).arrived(Arrival(last)));
    }
    node.log.append(stream, &chunk).unwrap();
    last
}

async fn answer(node: &Node) -> Answer {
    let mut answer = Answer::default();
    for (_, row) in node.tables.scan("users", &[]).unwrap() {
        let profile = UserRow::from_bytes(&row).unwrap().profile;
        answer.accepted += profile.bets_placed;
        answer.staked_micros += i128::from(profile.staked.micros());
    }
    let tables = Tables::Embedded(node.tables.clone());
    let mut in_windows = 0;
    for window in results::load_all(&tables, odds::NAME, odds::LENGTH_MS, &node.windows[0].plan).await.unwrap() {
        answer.windows += 1;
        answer.window_rows += window.rows.num_rows() as u64;
        in_windows += odds::events(&window).unwrap().iter().map(|event| event.stake.micros()).sum::<i128>();
    }
    assert_eq!(in_windows, answer.staked_micros, "windows and profiles must agree");
    answer
}
