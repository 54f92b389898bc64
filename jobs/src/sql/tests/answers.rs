//! Queries and their answers, as CSV without the header.

use super::*;

async fn check(node: &Node, sql: &str, expected: &[&str]) {
    let text = answer(node, sql, Format::Csv, None).await.unwrap_or_else(|error| panic!("{sql}\n{error}"));
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(rows, expected, "{sql}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_says_what_the_log_led_to() {
    let node = node().await;
    for (sql, expected) in CASES {
        check(&node, sql, expected).await;
    }
}

const CASES: &[(&str, &[&str])] = &[
    // bets
    ("SELECT count(*) FROM bets", &["6"]),
    (
        "SELECT right(bet_uuid, 2), outcome_index, buy_amount, odds, active, status, status_version, reject_reason, payout, shard, position FROM bets ORDER BY 1",
        &[
            "01,0,10.000000,2.000000,true,accepted,1,,,shardId-000000000000,1",
            "02,1,5.500000,1.500000,true,accepted,1,,,shardId-000000000000,2",
            "03,0,20.000000,3.100000,true,accepted,1,,,shardId-000000000000,3",
            "04,0,1.000000,2.000000,false,rejected,1,unknown_question,,shardId-000000000000,4",
            "05,1,7.000000,4.000000,true,accepted,1,,,shardId-000000000000,5",
            "06,0,0.000001,2.500000,true,accepted,1,,,shardId-000000000000,6",
        ],
    ),
    (
        "SELECT bet_uuid, question_uuid, chain_id, bettor, placed_at, arrived_at FROM bets WHERE bet_uuid = '00000000-0000-4000-8000-000000000002'",
        &[
            "00000000-0000-4000-8000-000000000002,00000000-0000-4000-8000-000000000001,137,0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,2023-11-14T22:15:02Z,2023-11-14T22:15:02Z",
        ],
    ),
    (
        "SELECT right(bet_uuid, 2) FROM bets WHERE bettor = '0xAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'",
        &["04", "03", "01"],
    ),
    (
        "SELECT right(bet_uuid, 2) FROM bets WHERE bettor = '0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' LIMIT 2",
        &["04", "03"],
    ),
    (
        "SELECT right(bet_uuid, 2) FROM bets WHERE bettor = '0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' AND question_uuid = '00000000-0000-4000-8000-000000000001' LIMIT 9",
        &["03", "01"],
    ),
    (
        "SELECT right(bet_uuid, 2) FROM bets WHERE bettor = '0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' AND odds > 2 ORDER BY odds",
        &["06", "05"],
    ),
    (
        "SELECT right(bet_uuid, 2) FROM bets WHERE bet_uuid IN ('00000000-0000-4000-8000-000000000005', '00000000-0000-4000-8000-000000000001', 'x')",
        &["05", "01"],
    ),
    (
        "SELECT right(bet_uuid, 2) FROM bets WHERE question_uuid = '00000000-0000-4000-8000-000000000002' OR question_uuid = '00000000-0000-4000-8000-000000000009'",
        &["05", "04"],
    ),
    ("SELECT count(*) FROM bets WHERE bet_uuid = 'not an id'", &["0"]),
    ("SELECT count(*) FROM bets WHERE bettor <> '0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", &["3"]),
    (
        "SELECT status, count(*), sum(buy_amount) FROM bets GROUP BY status ORDER BY status",
        &["accepted,5,42.500001", "rejected,1,1.000000"],
    ),
    ("SELECT right(bet_uuid, 2) FROM bets LIMIT 2", &["01", "02"]),
    // users
    (
        "SELECT username, email, email_confirmed, kyc, bets_placed, open_stake, staked, returned, profit, won, lost, voided, last_bet_at FROM users ORDER BY address",
        &[
            "ann,ann@example.org,true,,2,30.000000,30.000000,0.000000,0.000000,0,0,0,2023-11-14T22:15:03Z",
            ",,false,,3,12.500001,12.500001,0.000000,0.000000,0,0,0,2023-11-14T22:20:01Z",
        ],
    ),
    (
        "SELECT bets FROM users WHERE address = '0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
        &[
            "\"[\"\"00000000-0000-4000-8000-000000000004\"\",\"\"00000000-0000-4000-8000-000000000003\"\",\"\"00000000-0000-4000-8000-000000000001\"\"]\"",
        ],
    ),
    (
        "SELECT username, deposits, withdrawals FROM users WHERE username = 'ann'",
        &[concat!(
            "ann,\"[{\"\"transaction_hash\"\":\"\"0x0101010101010101010101010101010101010101010101010101010101010101\"\",\"\"date\"\":1700000001,\"\"amount\"\":\"\"100.250000\"\"},",
            "{\"\"transaction_hash\"\":\"\"0x0202020202020202020202020202020202020202020202020202020202020202\"\",\"\"date\"\":1700000002,\"\"amount\"\":\"\"50.000000\"\"}]\",",
            "\"[{\"\"transaction_hash\"\":\"\"0x0303030303030303030303030303030303030303030303030303030303030303\"\",\"\"date\"\":1700000003,\"\"amount\"\":\"\"1.000000\"\"}]\"",
        )],
    ),
    (
        "SELECT username, right(bet, 2) FROM (SELECT username, unnest(bets) AS bet FROM users) ORDER BY 2",
        &["ann,01", ",02", "ann,03", "ann,04", ",05", ",06"],
    ),
    ("SELECT count(*) FROM users", &["2"]),
    (
        "SELECT count(*) FROM users WHERE address IN ('0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab')",
        &["1"],
    ),
    // questions, streamers, streams
    (
        "SELECT right(question_uuid, 2), state, outcomes, stake_by_outcome, bets_by_outcome, payouts, closed_at FROM questions ORDER BY 1",
        &[
            "01,open,\"[\"\"white\"\",\"\"black\"\"]\",\"[\"\"30.000001\"\",\"\"5.500000\"\"]\",\"[3,1]\",[],",
            "02,open,\"[\"\"white\"\",\"\"black\"\"]\",\"[\"\"0.000000\"\",\"\"7.000000\"\"]\",\"[0,1]\",[],",
        ],
    ),
    ("SELECT username, active_stream, past_streams FROM streamers", &["stan,00000000-0000-4000-8000-000000000057,[]"]),
    (
        "SELECT right(bet, 2) FROM (SELECT unnest(bets) AS bet FROM questions WHERE question_uuid = '00000000-0000-4000-8000-000000000001')",
        &["06", "03", "02", "01"],
    ),
    (
        "SELECT platform, game, right(unnest(questions), 2) FROM streams WHERE stream_uuid = '00000000-0000-4000-8000-000000000057'",
        &["twitch,chess,01", "twitch,chess,02"],
    ),
    // joins over one snapshot
    (
        "SELECT u.username, sum(b.buy_amount) FROM bets b JOIN users u ON u.address = b.bettor WHERE b.active AND u.username IS NOT NULL GROUP BY 1",
        &["ann,30.000000"],
    ),
    // odds_windows: the first window is closed, the second open
    (
        "SELECT window_name, window_start, window_end, right(question_uuid, 2), outcome_index, bets, stake, sum_odds, avg_odds, weighted_odds, min_odds, max_odds, first_odds, last_odds, revision, final FROM odds_windows ORDER BY 2, 4, 5",
        &[
            "odds,2023-11-14T22:15:00Z,2023-11-14T22:20:00Z,01,0,2,30.000000,5.100000,2.550000,2.733333,2.000000,3.100000,2.000000,3.100000,1,false",
            "odds,2023-11-14T22:15:00Z,2023-11-14T22:20:00Z,01,1,1,5.500000,1.500000,1.500000,1.500000,1.500000,1.500000,1.500000,1.500000,1,false",
            "odds,2023-11-14T22:15:00Z,2023-11-14T22:20:00Z,02,1,1,7.000000,4.000000,4.000000,4.000000,4.000000,4.000000,4.000000,4.000000,1,false",
            "odds,2023-11-14T22:20:00Z,2023-11-14T22:25:00Z,01,0,1,0.000001,2.500000,2.500000,2.500000,2.500000,2.500000,2.500000,2.500000,0,false",
        ],
    ),
    ("SELECT count(*) FROM odds_windows", &["4"]),
    ("SELECT count(*) FROM odds_windows WHERE window_start >= '2023-11-14T22:20:00Z'", &["1"]),
    ("SELECT count(*) FROM odds_windows WHERE window_start = TIMESTAMP '2023-11-14T22:15:00'", &["3"]),
    (
        "SELECT count(*) FROM odds_windows WHERE window_start < '2023-11-14T22:20:00Z' AND question_uuid = '00000000-0000-4000-8000-000000000001'",
        &["2"],
    ),
    (
        "SELECT sum(bets), exact_div(sum(sum_odds), sum(bets)) FROM odds_windows WHERE outcome_index = 0",
        &["3,2.533333"],
    ),
    // dead letters and the outbox
    (
        "SELECT id, stream, shard, position, arrived_at, reason, redriven, octet_length(CAST(bytes AS VARCHAR)) FROM dead_letters",
        &["bets/0/7,bets,shardId-000000000000,7,2023-11-14T22:20:02Z,invalid,0,17"],
    ),
    ("SELECT count(*) FROM dead_letters WHERE id = 'bets/0/7'", &["1"]),
    ("SELECT count(*) FROM dead_letters WHERE id = 'bets/0/8'", &["0"]),
    ("SELECT count(*) FROM outbox", &["0"]),
    // the process
    (
        "SELECT stream, shards, open_shards, records FROM sys_streams WHERE stream IN ('bets', 'game-events')",
        &["bets,1,1,7", "game-events,1,1,8"],
    ),
    (
        "SELECT shard, hash_start, hash_end, parents, state, records, last_position, last_arrival, checkpoint, lag_records, lag_ms FROM sys_shards WHERE stream = 'bets'",
        &["shardId-000000000000,0,340282366920938463463374607431768211455,[],open,7,7,2023-11-14T22:20:02Z,7,0,0"],
    ),
    ("SELECT lag_records, checkpoint, records FROM sys_shards WHERE stream = 'frames'", &[",,0"]),
    (
        "SELECT loop, stream, shard, position FROM sys_checkpoints ORDER BY stream",
        &["betting,bets,shardId-000000000000,7", "betting,game-events,shardId-000000000000,8"],
    ),
    ("SELECT stream, checkpoint, ended FROM sys_leases ORDER BY 1", &["bets,7,false", "game-events,8,false"]),
    ("SELECT value, kind FROM sys_metrics WHERE name = 'engine.dead_letter.records'", &["1,counter"]),
    // the surface itself
    ("VALUES (1, NULL, '', 'a,\"b\"')", &["1,,\"\",\"a,\"\"b\"\"\""]),
    (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name LIKE 'o%' ORDER BY 1",
        &["odds_windows", "outbox"],
    ),
    (
        "show tables;",
        &[
            "audit",
            "bets",
            "dead_letters",
            "odds_windows",
            "outbox",
            "questions",
            "settlements",
            "streamers",
            "streams",
            "sys_checkpoints",
            "sys_leases",
            "sys_metrics",
            "sys_shards",
            "sys_streams",
            "users",
        ],
    ),
    (
        "DESCRIBE streamers",
        &["address,Utf8,NO", "username,Utf8,NO", "active_stream,Utf8,YES", "past_streams,List(Utf8),NO"],
    ),
    ("WITH big AS (SELECT * FROM bets WHERE buy_amount > 9) SELECT count(*) FROM big;", &["2"]),
];
