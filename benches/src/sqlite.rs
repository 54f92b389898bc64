//! The peer: what a team would write in an afternoon. One loop, serde structs, SQLite in WAL mode
//! with full synchronisation, one transaction a batch, upserts for profiles and windows, a unique
//! key against repeats and an index by bettor.

use std::collections::HashMap;

use rusqlite::Connection;
use serde::Deserialize;

use crate::usage::{Meter, Report};
use crate::{Answer, Work};

#[derive(Deserialize)]
struct Bet<'a> {
    bet_uuid: &'a str,
    question_uuid: &'a str,
    outcome_index: u16,
    bettor: &'a str,
    buy_amount: &'a str,
    odds: &'a str,
    placed_at: i64,
}

pub fn run(work: &Work) -> (Report, Answer) {
    let dir = tempfile::tempdir_in(".").unwrap();
    // The records are in memory, which only helps the peer: ours reads its log from the disk.
    let lines: Vec<Vec<u8>> = work.lines().filter(|line| line.stream == "bets").map(|line| line.bytes).collect();
    let mut db = Connection::open(dir.path().join("db")).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-262144;
         CREATE TABLE bets (id TEXT PRIMARY KEY, question TEXT, outcome INT, bettor TEXT, stake INT, odds INT, placed INT) WITHOUT ROWID;
         CREATE INDEX by_bettor ON bets (bettor, placed);
         CREATE INDEX by_question ON bets (question, placed);
         CREATE TABLE users (bettor TEXT PRIMARY KEY, bets INT, staked INT, last INT) WITHOUT ROWID;
         CREATE TABLE windows (start INT, question TEXT, outcome INT, bets INT, stake INT, odds INT, low INT, high INT,
                               PRIMARY KEY (start, question, outcome)) WITHOUT ROWID;",
    )
    .unwrap();
    let meter = Meter::start();
    for batch in lines.chunks(work.batch as usize) {
        apply(&mut db, batch);
    }
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let report = meter.stop(work.count);
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let answer = Answer {
        accepted: one("SELECT sum(bets) FROM users") as u64,
        staked_micros: i128::from(one("SELECT sum(staked) FROM users")),
        windows: one("SELECT count(DISTINCT start) FROM windows") as u64,
        window_rows: one("SELECT count(*) FROM windows") as u64,
    };
    (report, answer)
}

/// Bets, stake, and the sum, least and greatest of the odds.
type Sums = (i64, i64, i64, i64, i64);

fn apply(db: &mut Connection, batch: &[Vec<u8>]) {
    let tx = db.transaction().unwrap();
    {
        let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO bets VALUES (?,?,?,?,?,?,?)").unwrap();
        let mut user = tx
            .prepare_cached("INSERT INTO users VALUES (?1,?2,?3,?4) ON CONFLICT DO UPDATE SET bets=bets+?2, staked=staked+?3, last=max(last,?4)")
            .unwrap();
        let mut window = tx
            .prepare_cached(
                "INSERT INTO windows VALUES (?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT DO UPDATE SET bets=bets+?4, stake=stake+?5, odds=odds+?6, low=min(low,?7), high=max(high,?8)",
            )
            .unwrap();
        let mut users: HashMap<&str, (i64, i64, i64)> = HashMap::new();
        let mut windows: HashMap<(i64, &str, u16), Sums> = HashMap::new();
        for line in batch {
            let bet: Bet = serde_json::from_slice(line).unwrap();
            let (stake, odds) = (micros(bet.buy_amount), micros(bet.odds));
            let new = insert
                .execute((bet.bet_uuid, bet.question_uuid, bet.outcome_index, bet.bettor, stake, odds, bet.placed_at))
                .unwrap();
            if new == 0 {
                continue;
            }
            let profile = users.entry(bet.bettor).or_insert((0, 0, 0));
            *profile = (profile.0 + 1, profile.1 + stake, profile.2.max(bet.placed_at));
            let start = bet.placed_at - bet.placed_at % 300_000;
            let sums = windows.entry((start, bet.question_uuid, bet.outcome_index)).or_insert((0, 0, 0, i64::MAX, 0));
            *sums = (sums.0 + 1, sums.1 + stake, sums.2 + odds, sums.3.min(odds), sums.4.max(odds));
        }
        for (bettor, (bets, staked, last)) in users {
            user.execute((bettor, bets, staked, last)).unwrap();
        }
        for ((start, question, outcome), (bets, stake, odds, low, high)) in windows {
            window.execute((start, question, outcome, bets, stake, odds, low, high)).unwrap();
        }
    }
    tx.commit().unwrap();
}

fn micros(text: &str) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    whole.parse::<i64>().unwrap() * 1_000_000 + format!("{part:0<6}").parse::<i64>().unwrap()
}
