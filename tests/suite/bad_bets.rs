//! Good, repeated, conflicting, late and broken bets through the real binary: each ends where it
//! should, counted, with a reason that a person understands; nothing else is disturbed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use tests::fixture;

const QUESTION: &str = "0a000000-0000-4000-8000-000000000001";
const CLOSED: &str = "0a000000-0000-4000-8000-000000000002";
const BETTOR: &str = "0x00000000000000000000000000000000000000aa";

fn oddsmill(dir: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(fixture::binary())
        .arg("--data-dir")
        .arg(dir)
        .args(args)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn ok(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn rows(dir: &Path, sql: &str) -> Vec<serde_json::Value> {
    let text = ok(oddsmill(dir, &["sql", "-o", "jsonl", sql], b""));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[expect(clippy::disallowed_methods, reason = "the binary under test stamps with the wall clock")]
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn opened(question: &str, event: u8, now: i64, betting_end: i64) -> String {
    format!(
        r#"{{"event_uuid":"0e000000-0000-4000-8000-0000000000{event:02}","type":"question_opened","at":{now},"question":{{"question_uuid":"{question}","game":"g","question":"Who?","outcomes":["a","b"],"chain_id":137,"betting_end_time":{betting_end}}}}}"#
    )
}

/// A bet with fields replaced: `("odds", "1.0")`; values are JSON.
fn bet(number: u8, now: i64, changes: &[(&str, &str)]) -> String {
    let id = format!("\"0b000000-0000-4000-8000-0000000000{number:02}\"");
    let (question, bettor, placed) = (format!("\"{QUESTION}\""), format!("\"{BETTOR}\""), now.to_string());
    let mut fields = [
        ("bet_uuid", id.as_str()),
        ("question_uuid", &question),
        ("outcome_index", "0"),
        ("bettor", &bettor),
        ("buy_amount", "\"10.5\""),
        ("odds", "\"2.5\""),
        ("chain_id", "137"),
        ("placed_at", &placed),
    ];
    for (name, value) in changes {
        fields.iter_mut().filter(|(field, _)| field == name).for_each(|field| field.1 = value);
    }
    let fields: Vec<String> =
        fields.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| format!("\"{n}\":{v}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// Everything that may go wrong with a bet, and what may not.
pub struct Mix {
    /// Events of the games.
    pub games: Vec<String>,
    /// Bets, good and bad, in order; they go to one shard.
    pub lines: Vec<String>,
    /// Those of them that become dead letters: the reason, and a part of what a person is told.
    pub refused: Vec<(String, &'static str, &'static str)>,
}

/// How the bets of the mix stand that were decided, by their ids' order.
pub const DECIDED: [(&str, Option<&str>); 5] = [
    ("accepted", None),
    ("accepted", None),
    ("rejected", Some("too_skewed")),
    ("rejected", Some("betting_closed")),
    ("rejected", Some("unknown_question")),
];

/// The mix as of now.
pub fn mix(now: i64) -> Mix {
    let late = (now - 3_600_000).to_string();
    let closed = format!("\"{CLOSED}\"");
    let refused = vec![
        (bet(1, now, &[("buy_amount", "\"11\"")]), "an event with this id and another body was decided before"),
        (bet(10, now, &[("buy_amount", "\"-5\"")]), "buy_amount: \"-5\" is negative"),
        (bet(11, now, &[("buy_amount", "\"0\"")]), "buy_amount: \"0\" is no stake"),
        (bet(12, now, &[("buy_amount", "\"NaN\"")]), "buy_amount"),
        (bet(13, now, &[("buy_amount", "NaN")]), ""),
        (bet(14, now, &[("buy_amount", "\"1e30\"")]), "buy_amount"),
        (bet(15, now, &[("buy_amount", "99999999999999999999999999")]), "buy_amount"),
        (bet(16, now, &[("buy_amount", "\"0.0000001\"")]), "buy_amount"),
        (bet(17, now, &[("odds", "\"1\"")]), "odds"),
        (bet(18, now, &[("odds", "")]), "odds"),
        (bet(19, now, &[("outcome_index", "7")]), "it has outcomes 0 to 1"),
        (bet(20, now, &[("chain_id", "1")]), "which is 137"),
        (bet(21, now, &[("bettor", "\"0x12\"")]), "bettor"),
        (r#"{"bet_uuid": "#.to_owned(), ""),
        ("not json at all".to_owned(), ""),
    ];
    let mut lines = vec![
        bet(1, now, &[]),
        bet(1, now, &[]),
        bet(2, now, &[("buy_amount", "0.1"), ("odds", "3")]),
        bet(3, now, &[("placed_at", &late)]),
        bet(4, now, &[("question_uuid", &closed)]),
        bet(5, now, &[("question_uuid", "\"0a000000-0000-4000-8000-000000000009\"")]),
    ];
    lines.extend(refused.iter().map(|(line, _)| line.clone()));
    let reason = |number| if number == 0 { "conflict" } else { "invalid" };
    let refused = refused.into_iter().enumerate().map(|(number, (line, told))| (line, reason(number), told)).collect();
    let games = vec![opened(QUESTION, 1, now, now + 3_600_000), opened(CLOSED, 2, now, now - 1)];
    Mix { games, lines, refused }
}

#[test]
fn each_bet_ends_where_it_should() {
    let dir = tempfile::tempdir().unwrap();
    let now = now_ms();
    let Mix { games, mut lines, refused } = mix(now);
    ok(oddsmill(dir.path(), &["produce", "game-events"], games.join("\n").as_bytes()));

    let oversized = format!("{{\"memo\":\"{}\"}}", "x".repeat(1 << 20));
    lines.push(oversized);
    let produced =
        oddsmill(dir.path(), &["produce", "bets", "--raw", "--key", "one-shard"], lines.join("\n").as_bytes());
    assert_eq!(produced.status.code(), Some(3), "the log refuses the oversized line");
    let told = String::from_utf8_lossy(&produced.stderr).into_owned();
    assert!(told.contains(&format!("line {}", lines.len())) && told.contains("over the limit"), "{told}");

    ok(oddsmill(dir.path(), &["run", "--drain"], b""));

    let bets = rows(dir.path(), "SELECT bet_uuid, status, reject_reason FROM bets ORDER BY bet_uuid");
    let seen: Vec<(&str, Option<&str>)> =
        bets.iter().map(|row| (row["status"].as_str().unwrap(), row["reject_reason"].as_str())).collect();
    assert_eq!(seen, DECIDED);

    let letters = rows(dir.path(), "SELECT reason, detail, CAST(bytes AS VARCHAR) AS line FROM dead_letters");
    assert_eq!(letters.len(), refused.len(), "{letters:#?}");
    for (line, expected, detail) in &refused {
        let letter = letters
            .iter()
            .find(|letter| letter["line"] == line.as_str())
            .unwrap_or_else(|| panic!("no dead letter for {line}"));
        let (reason, told) = (letter["reason"].as_str().unwrap(), letter["detail"].as_str().unwrap());
        assert_eq!(reason, *expected, "{line}");
        assert!(told.contains(detail) && !told.is_empty(), "{line}: {told}");
    }

    let user = &rows(dir.path(), "SELECT bets_placed, open_stake, staked FROM users")[0];
    assert_eq!((user["bets_placed"].as_i64(), user["staked"].as_str()), (Some(2), Some("10.600000")));
    let window = &rows(dir.path(), "SELECT sum(bets) AS bets, sum(stake) AS stake FROM odds_windows")[0];
    assert_eq!((window["bets"].to_string().trim_matches('"'), window["stake"].as_str()), ("2", Some("10.600000")));

    // Once its question is there, the provisional rejection is decided again.
    let game = opened("0a000000-0000-4000-8000-000000000009", 3, now, now + 3_600_000);
    ok(oddsmill(dir.path(), &["produce", "game-events"], game.as_bytes()));
    ok(oddsmill(dir.path(), &["run", "--drain"], b""));
    ok(oddsmill(dir.path(), &["dlq", "redrive", "--reason", "unknown_question"], b""));
    ok(oddsmill(dir.path(), &["run", "--drain"], b""));
    let again = rows(
        dir.path(),
        "SELECT status, status_version FROM bets WHERE bet_uuid = '0b000000-0000-4000-8000-000000000005'",
    );
    assert_eq!((again[0]["status"].as_str(), again[0]["status_version"].as_i64()), (Some("accepted"), Some(2)));
}
