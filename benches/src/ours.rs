//! Our side: the log is filled first, then the betting loop drains it.

use std::path::Path;
use std::process::Command;

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
    // Another process fills the log, so that reading starts cold, as after a restart.
    let program = std::env::current_exe().unwrap();
    let filled = Command::new(program).arg("fill").args(work.arguments()).arg("--dir").arg(dir.path()).status();
    assert!(filled.unwrap().success(), "the log could not be filled");
    let clock = Clock::manual(Arrival(0));
    let node = open(dir.path(), clock.clone(), work);
    clock.advance_to(Arrival(runtime.block_on(node.high_water()).unwrap().0 + 3_600_000));
    runtime.block_on(async {
        let meter = Meter::start();
        node.start(true).task.await.unwrap().unwrap();
        let report = meter.stop(work.count);
        let answer = answer(&node).await;
        (report, answer)
    })
}

/// A node with the work's limits.
pub fn open(dir: &Path, clock: Clock, work: &Work) -> Node {
    let (batch_records, buffer_bytes) = (work.batch as usize, (work.buffer as usize) << 20);
    let data_dir = Some(dir.into());
    let options = NodeOptions { data_dir, notify: false, batch_records, buffer_bytes, ..NodeOptions::default() };
    Node::open(options, clock).unwrap()
}

/// Appends every line at its own time to the log of a directory.
pub fn fill(dir: &Path, work: &Work) {
    let node = open(dir, Clock::manual(Arrival(0)), work);
    let mut chunk: Vec<Append> = Vec::with_capacity(CHUNK);
    let mut stream = "game-events";
    for line in work.lines() {
        if line.stream != stream || chunk.len() == CHUNK {
            node.log.append(stream, &chunk).unwrap();
            chunk.clear();
            stream = line.stream;
        }
        let at = Arrival(line.at.millis());
        chunk.push(Append::new(line.partition_key, line.bytes).arrived(at));
    }
    node.log.append(stream, &chunk).unwrap();
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
