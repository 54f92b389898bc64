//! Operators at a running pipeline, through the real binary: what they are told, and what is left of
//! an act that does not fit.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tests::fixture;

const QUESTION: &str = "0a000000-0000-4000-8000-000000000001";

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(fixture::binary());
    command.arg("--data-dir").arg(dir).args(args).env("NO_COLOR", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn oddsmill(dir: &Path, args: &[&str], input: &str) -> Output {
    let mut child = command(dir, args).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A pipeline that ends with the test.
struct Pipeline(Child);

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn pipeline(dir: &Path) -> Pipeline {
    let child = command(dir, &["run", "--quiet"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let running = Pipeline(child);
    let up = async {
        while !dir.join("oddsmill.sock").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), up).await.expect("the pipeline serves its socket");
    running
}

#[expect(clippy::disallowed_methods, reason = "the binary under test stamps with the wall clock")]
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn opened() -> String {
    let (now, end) = (now_ms(), now_ms() + 3_600_000);
    format!(
        r#"{{"event_uuid":"0e000000-0000-4000-8000-000000000001","type":"question_opened","at":{now},"question":{{"question_uuid":"{QUESTION}","game":"g","question":"Who?","outcomes":["red","blue"],"chain_id":137,"betting_end_time":{end}}}}}"#
    )
}

/// An act of an operator: its exit code, and a part of what is said.
fn act(dir: &Path, args: &[&str], code: i32, said: &[&str]) {
    let output = oddsmill(dir, &[&["question"], args].concat(), "");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    for part in said {
        assert!(text.contains(part), "{args:?} says nothing of {part:?}:\n{text}");
    }
}

#[tokio::test]
async fn operators_are_told_where_a_question_stands() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let _running = pipeline(dir).await;
    assert!(oddsmill(dir, &["produce", "game-events"], &opened()).status.success());
    let ann = ["--operator", "ann"];
    let known = async { while oddsmill(dir, &["question", "show", QUESTION], "").status.code() != Some(0) {} };
    tokio::time::timeout(Duration::from_secs(60), known).await.expect("the question is opened");

    // Nothing of these reaches the log.
    let refused = |verb: &[&str], why: &str| act(dir, &[verb, &ann].concat(), 1, &["refused: question", why]);
    refused(&["approve", QUESTION], "is open: there is no answer to approve yet");
    refused(&["flag", QUESTION], "`oddsmill question pause` stops bets meanwhile");
    refused(&["resume", QUESTION], "is open: it takes bets already");

    let propose = ["propose", QUESTION, "--outcome", "red", "--evidence", "seen", "--operator", "ann"];
    act(dir, &propose, 0, &["still open, by ann"]);
    let ask =
        |who: &'static str| ["emergency", QUESTION, "--outcome", "blue", "--reason", "no feed", "--operator", who];
    let first = "blue, asked by ann (1 of 2): another operator must ask for the same";
    act(dir, &ask("ann"), 0, &[first]);
    act(
        dir,
        &["show", QUESTION],
        0,
        &["1 of 2 sources so far; 1 more must say the same", "operator red", "seen", first],
    );
    act(dir, &ask("ann"), 1, &["ann has asked already; blue, asked by ann (1 of 2)"]);
    act(dir, &ask("bob"), 0, &["blue, asked by ann and bob: takes effect at ", "unless somebody flags it"]);
    act(dir, &["flag", QUESTION, "--operator", "cy"], 0, &["asked by ann and bob, is withdrawn"]);

    act(dir, &["void", QUESTION, "--reason", "rain", "--operator", "ann"], 0, &["open -> voided"]);
    refused(&["approve", QUESTION], "is voided: stakes have gone back since");
    act(dir, &["show", QUESTION], 0, &["history", "betting ended", "voided: rain"]);
    let letters = oddsmill(dir, &["sql", "-o", "csv", "SELECT count(*) FROM dead_letters"], "");
    assert_eq!(String::from_utf8_lossy(&letters.stdout).lines().last(), Some("0"));
}
