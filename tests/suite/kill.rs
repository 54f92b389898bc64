//! SIGKILL of the real process at random moments of a replay, and a disk that is full: the tables end up the same.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::fixture;

fn replay(dir: &Path) -> Command {
    let files = fixture::cricket();
    let mut command = Command::new(fixture::binary());
    command
        .arg("--data-dir")
        .arg(dir)
        .args(["replay", "betfair"])
        .arg(files.market)
        .arg("--incidents")
        .arg(files.incidents);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The tables as CSV, in an order of their own.
fn tables(dir: &Path) -> Vec<String> {
    let queries = [
        "SELECT * FROM bets ORDER BY bet_uuid",
        "SELECT * FROM users ORDER BY address",
        "SELECT * FROM questions ORDER BY question_uuid",
        "SELECT * FROM settlements ORDER BY question_uuid",
        // When a mail went out is nobody's but the machine's.
        "SELECT notification_id, event, state, email FROM outbox ORDER BY notification_id",
        "SELECT * FROM odds_windows ORDER BY window_start, question_uuid, outcome_index",
    ];
    let answer = |sql: &str| {
        let output = Command::new(fixture::binary())
            .arg("--data-dir")
            .arg(dir)
            .args(["sql", "-o", "csv", sql])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    queries.map(answer).to_vec()
}

/// Waits until the process ends or the time is over; whether it ended.
async fn ends_within(child: &mut std::process::Child, limit: Duration) -> bool {
    let ended = async {
        while child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(limit, ended).await.is_ok()
}

#[tokio::test]
async fn killed_at_random_moments() {
    let (calm, rough) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(replay(calm.path()).status().unwrap().success());
    let expected = tables(calm.path());
    assert_eq!(expected[0].lines().count(), 11_324);
    // Moments from a seed, spread over a replay of about a second.
    let (mut moment, mut kills) = (12_345u64, 0);
    for _ in 0..40 {
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = replay(rough.path()).spawn().unwrap();
        if ends_within(&mut child, Duration::from_millis(20 + (moment >> 33) % 400)).await {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "the replay was never killed");
    assert!(replay(rough.path()).status().unwrap().success());
    assert_eq!(tables(rough.path()), expected, "after {kills} kills");
}

/// The replay where files may have so many KiB, or what it says when it fails: what a full disk answers to a write, a
/// limit does as well.
#[cfg(unix)]
fn replay_within(dir: &Path, kib: u64) -> Result<(), String> {
    let replay = replay(dir);
    let mut command = Command::new("sh");
    // The signal that comes with it is ignored, so that the write fails as on a full disk.
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", 2 * kib), "sh"]);
    let output = command.arg(replay.get_program()).args(replay.get_args()).stdout(Stdio::null()).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let (calm, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(replay(calm.path()).status().unwrap().success());
    let full_disk = "the data directory cannot be written";
    // Not even the store can be made; what is left of it must not be in the way later.
    let said = replay_within(full.path(), 300);
    assert!(said.as_ref().is_err_and(|said| said.contains(full_disk)), "{said:?}");
    let marker = full.path().join("store").join("version");
    assert!(!marker.exists(), "a store was made within 300 KiB");
    let mut first = replay(full.path()).spawn().unwrap();
    let begun = async {
        while std::fs::metadata(&marker).map_or(0, |marker| marker.len()) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), begun).await.expect("a store is made");
    first.kill().unwrap();
    first.wait().unwrap();
    let mut failed = 0;
    for kib in [300, 900, 2_000, 3_500] {
        let Err(said) = replay_within(full.path(), kib) else { break };
        assert!(said.contains(full_disk), "within {kib} KiB: {said}");
        failed += 1;
    }
    assert!(failed > 1, "the disk was never full");
    assert!(replay(full.path()).status().unwrap().success());
    assert_eq!(tables(full.path()), tables(calm.path()), "after the disk was full {failed} times");
}
