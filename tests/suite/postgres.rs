//! The tables as PostgreSQL's clients see them: psql itself, and the protocol's every turn.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use jobs::node::{Node, NodeOptions};
use jobs::sql::STACK_BYTES;
use jobs::sql::postgres::{Endpoint, SqlOptions};
use pipeline::fault::Faults;
use tests::drive::{self, Feed};
use tests::postgres::{Client, message, statement, text};

/// Never done within a test.
const RUNAWAY: &str = "SELECT count(*) FROM bets a, bets b, bets c, bets d WHERE a.odds + b.odds > c.odds + d.odds";

/// Runs a test on threads that plan queries.
fn on_threads(test: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let task = runtime.spawn(test);
    runtime.block_on(task).unwrap();
}

/// A node with an hour of bets.
async fn node() -> Node {
    let feed = Feed { lines: drive::lines(7, 1_500), chunk: 300 };
    drive::feed(&NodeOptions::default(), &feed, Faults::none()).await.unwrap()
}

async fn serve(node: &Node, options: SqlOptions) -> Endpoint {
    Endpoint::start(node.clone(), &options, "127.0.0.1:0").await.unwrap()
}

async fn connect(endpoint: &Endpoint) -> Client {
    Client::connect(endpoint.address()).await.unwrap()
}

#[test]
fn psql_lists_and_queries_and_is_refused() {
    on_threads(async {
        let endpoint = serve(&node().await, SqlOptions { timeout_ms: 2_000, ..SqlOptions::default() }).await;
        let Some(said) = psql(endpoint.address(), "\\dt").await else {
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                b"psql is not here, so it was not tried; install it, as with apt install postgresql-client\n",
            );
            return;
        };
        assert!(said.contains("public|odds_windows|table|oddsmill"), "{said}");
        for (command, expected) in [
            ("\\d odds_windows", "stake|numeric(38,6)||not null|"),
            ("\\d+ users", "deposits|json||not null||extended"),
            ("\\l", "|oddsmill|UTF8|"),
            ("\\d nothing", "Did not find any relation named \"nothing\""),
            ("SELECT revision > 0, count(*) > 0 FROM odds_windows GROUP BY 1 ORDER BY 1", "t|t"),
            ("SELECT stake > 0, window_start FROM odds_windows ORDER BY 2 LIMIT 1", "t|20"),
            ("DELETE FROM bets", "ERROR:  25006: DELETE is not possible: this surface is read-only"),
            ("\\copy bets TO '/dev/null'", "ERROR:  25006: COPY is not possible"),
            ("SELECT * FROM bet", "ERROR:  42P01: there is no table bet, did you mean bets?"),
            ("SELECT * FORM bets", "ERROR:  42601: syntax error"),
            (RUNAWAY, "ERROR:  57014: the statement took longer than 2s, which sql.timeout"),
        ] {
            let said = psql(endpoint.address(), command).await.unwrap();
            assert!(said.contains(expected), "{command}: {said}");
        }
        endpoint.stop().await;
    });
}

/// What psql prints; nothing where there is none.
async fn psql(address: SocketAddr, command: &str) -> Option<String> {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-A", "-t", "-U", "ann", "-v", "VERBOSITY=verbose", "-h", &address.ip().to_string()]);
    psql.args(["-p", &address.port().to_string(), "-d", "db", "-c", command]);
    let output = tokio::task::spawn_blocking(move || psql.output()).await.unwrap().ok()?;
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn statements_are_prepared_bound_and_read_in_parts() {
    on_threads(async {
        let endpoint = serve(&node().await, SqlOptions::default()).await;
        let mut client = connect(&endpoint).await;
        assert!(client.settings.contains(&("server_version".into(), "15.0".into())));
        let known =
            client.query("SELECT bet_uuid, bettor, odds FROM bets WHERE odds > 2 ORDER BY bet_uuid LIMIT 1").await;
        let (id, bettor) = (
            known.texts()[0].split('|').next().unwrap().to_owned(),
            known.texts()[0].split('|').nth(1).unwrap().to_owned(),
        );

        let sql = "SELECT bet_uuid, outcome_index, odds, placed_at, reject_reason FROM bets WHERE bettor = $1 AND bet_uuid = $2 AND odds > $3";
        let found = client.series(&statement(sql, &[Some(&bettor), Some(&id), Some("1.5")], 0, 0)).await;
        assert_eq!(found.error, None);
        assert_eq!((found.parameters.as_slice(), found.rows.len()), (&[25, 25, 1700][..], 1), "{found:?}");
        let columns: Vec<u32> = found.columns.iter().map(|(_, oid)| *oid).collect();
        assert_eq!(
            (columns.as_slice(), found.tags.as_slice()),
            (&[25, 23, 1700, 1184, 25][..], &["SELECT 1".to_owned()][..])
        );
        let none = client.series(&statement(sql, &[None, Some(&id), Some("1.5")], 0, 0)).await;
        assert_eq!((none.rows.len(), none.error), (0, None));

        let unnamed = client.query("SELECT 1, 1, count(*), max(odds) AS most, sum(odds) > 0 FROM bets").await;
        let names: Vec<&str> = unnamed.columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["?column?", "?column?", "count", "most", "?column?"], "{:?}", unnamed.error);

        let binary = client
            .series(&statement("SELECT 258, true, 'é', CAST(NULL AS INT), CAST('1.5' AS DECIMAL(9,2))", &[], 1, 0))
            .await;
        let one_and_a_half =
            [0u16, 2, 0, 0, 2, 1, 5000].iter().skip(1).flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        assert_eq!(
            binary.rows[0],
            [Some(258i64.to_be_bytes().to_vec()), Some(vec![1]), Some("é".into()), None, Some(one_and_a_half)]
        );

        let whole = statement("SELECT bet_uuid FROM bets LIMIT 10", &[], 0, 4);
        let again = message(b'E', &[&text(""), &4u32.to_be_bytes()]);
        let parts = client.series(&[whole, again.clone(), again].concat()).await;
        assert_eq!((parts.rows.len(), parts.suspended, parts.tags.as_slice()), (10, 2, &["SELECT 2".to_owned()][..]));

        let wrong = client.series(&statement(sql, &[Some(&bettor), Some(&id), Some("many")], 0, 0)).await;
        assert_eq!((wrong.code(), wrong.ready), ("22P02", Some('I')));
        let unbound = client.series(&statement(sql, &[Some(&bettor)], 0, 0)).await;
        assert_eq!(unbound.code(), "08P01");
        let nothing = client.series(&statement("-- ping", &[], 0, 0)).await;
        assert_eq!((nothing.error, nothing.tags.len()), (None, 0));
        endpoint.stop().await;
    });
}

#[test]
fn transactions_and_cursors_go_as_drivers_expect() {
    on_threads(async {
        let endpoint = serve(&node().await, SqlOptions::default()).await;
        let mut client = connect(&endpoint).await;
        let begun = client.query("BEGIN; DECLARE c CURSOR FOR SELECT bet_uuid FROM bets LIMIT 5").await;
        assert_eq!((begun.tags.join(","), begun.ready), ("BEGIN,DECLARE CURSOR".into(), Some('T')));
        let three = client.query("FETCH 3 FROM c").await;
        let rest = client.query("FETCH ALL IN c; CLOSE c; COMMIT").await;
        assert_eq!((three.rows.len(), three.tags[0].as_str()), (3, "FETCH 3"));
        assert_eq!(
            (rest.rows.len(), rest.tags.join(","), rest.ready),
            (2, "FETCH 2,CLOSE CURSOR,COMMIT".into(), Some('I'))
        );

        let failed = client.query("BEGIN; SELECT nope FROM bets; SELECT 1").await;
        assert_eq!((failed.code(), failed.ready, failed.rows.len()), ("42703", Some('E'), 0));
        assert_eq!(client.query("SELECT 1").await.code(), "25P02");
        let ended = client.query("COMMIT").await;
        assert_eq!((ended.tags.join(","), ended.ready), ("ROLLBACK".into(), Some('I')));

        assert_eq!(client.query("SET application_name = 'x'; SHOW application_name").await.texts(), ["x"]);
        assert_eq!(client.query("SET client_encoding = LATIN1").await.code(), "22023");
        assert_eq!(client.query("SHOW nope").await.code(), "42704");
        for (sql, code) in [
            ("INSERT INTO bets SELECT * FROM bets", "25006"),
            ("CREATE TABLE t (a INT)", "25006"),
            ("SELECT * INTO t FROM bets", "25006"),
            ("EXPLAIN ANALYZE DELETE FROM bets", "25006"),
            ("SET TRANSACTION READ WRITE", "25006"),
            ("SELECT 1; DROP TABLE bets", "25006"),
            ("SELECT 1 / 0", "22012"),
            ("SELECT nope(1)", "42883"),
        ] {
            assert_eq!(client.query(sql).await.code(), code, "{sql}");
            let extended = client.series(&statement(sql.trim_start_matches("SELECT 1; "), &[], 0, 0)).await;
            assert_eq!((extended.code(), extended.ready), (code, Some('I')), "{sql}");
        }
        endpoint.stop().await;
    });
}

#[test]
fn limits_hold_and_say_how_to_live_with_them() {
    on_threads(async {
        let node = node().await;
        let options = SqlOptions { max_rows: 100, connections: 2, ..SqlOptions::default() };
        let endpoint = serve(&node, options).await;
        let mut client = connect(&endpoint).await;

        let rows = client.query("SELECT bet_uuid FROM bets").await;
        assert_eq!((rows.code(), rows.rows.len()), ("54000", 100));
        assert!(rows.error.unwrap().1.contains("sql.max_rows"));

        let small = serve(&node, SqlOptions { memory_bytes: 16 << 20, ..SqlOptions::default() }).await;
        let sorted = "SELECT a.bet_uuid, b.bet_uuid FROM bets a, bets b ORDER BY 1, 2";
        let memory = connect(&small).await.query(sorted).await;
        assert_eq!(memory.code(), "53200", "{:?}", memory.error);
        assert!(memory.error.unwrap().1.contains("sql.memory is 16MiB; add WHERE or LIMIT"));
        small.stop().await;

        let cancel = client.cancel();
        client.send(&message(b'Q', &[&text(RUNAWAY)])).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.await;
        assert_eq!(client.answer().await.code(), "57014");
        assert_eq!(client.query("SET statement_timeout = '200ms'; SELECT 1").await.error, None);
        assert_eq!(client.query(RUNAWAY).await.code(), "57014");
        let second = client.query(&format!("SET statement_timeout = '210ms'; {RUNAWAY}")).await;
        assert!(second.error.unwrap().1.contains("longer than 210ms"), "each statement of a message has its time");
        assert_eq!(client.query("RESET statement_timeout; SELECT count(*) > 0 FROM bets").await.texts(), ["t"]);

        let _second = connect(&endpoint).await;
        let third = Client::connect(endpoint.address()).await.err().unwrap();
        assert_eq!(third.code(), "53300");

        let huge = [&[b'Q'][..], &(64u32 << 20).to_be_bytes()].concat();
        client.send(&huge).await;
        let refused = client.answer().await;
        assert_eq!((refused.code(), refused.ready), ("54000", None));
        endpoint.stop().await;
    });
}

#[test]
fn a_stop_ends_what_runs_and_gives_the_node_back() {
    on_threads(async {
        let endpoint = serve(&node().await, SqlOptions::default()).await;
        let (mut idle, mut busy) = (connect(&endpoint).await, connect(&endpoint).await);
        busy.send(&message(b'Q', &[&text(RUNAWAY)])).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        endpoint.stop().await;
        for client in [&mut idle, &mut busy] {
            let told = client.answer().await;
            assert_eq!((told.code(), told.ready), ("57P01", None));
        }
    });
}
