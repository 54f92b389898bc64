//! Declared windows: what is read, and what every mistake is answered with.

use pipeline::window::times::Late;

use super::tests::resolve;

const SQL: &str = "SELECT question_uuid, count(*) AS bets FROM bets GROUP BY question_uuid";

fn declared(keys: &str) -> String {
    format!("[[window]]\nname = \"w\"\nlength = \"5m\"\nsql = \"{SQL}\"\n{keys}\n")
}

#[test]
fn a_window_has_defaults() {
    let config = resolve(&declared(""), &[], &[]).unwrap();
    let [window] = &config.windows[..] else { panic!("{:?}", config.windows) };
    assert_eq!((window.length_ms, window.hop_ms, window.late), (300_000, 300_000, Late::Update));
    assert_eq!((window.disorder_ms, window.lateness_ms, window.early_ms), (None, None, None));
    assert_eq!((window.parquet, window.stream), (true, false));
    let keys = "hop = \"1m\"\nearly = \"15s\"\nlate = \"side\"\nlateness = \"1m\"\noutputs = [\"stream\"]";
    let config = resolve(&declared(keys), &[], &[]).unwrap();
    let window = &config.windows[0];
    assert_eq!((window.hop_ms, window.early_ms, window.late), (60_000, Some(15_000), Late::Side));
    assert_eq!((window.parquet, window.stream), (false, true));
}

#[test]
fn the_examples_that_ship_are_good() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/windows.toml")).unwrap();
    let config = resolve(&text, &[], &[]).unwrap();
    assert_eq!(config.windows.iter().map(|window| window.name.as_str()).collect::<Vec<_>>(), ["turnover", "liability"]);
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let sql = |sql: &str| format!("[[window]]\nname = \"w\"\nlength = \"5m\"\nsql = {sql}\n");
    for (file, parts) in [
        (declared("lenght = \"1m\""), &[":5: ", "no \"lenght\"", "did you mean \"length\"?"][..]),
        (declared("late = \"never\""), &[":5: ", "\"never\"", "choose update"]),
        (declared("outputs = [\"mail\"]"), &[":5: ", "\"parquet\""]),
        (declared("stream = \"frames\""), &[":5: ", "over the stream \"bets\""]),
        (declared("early = \"7s\""), &[":1: ", "early 7s does not divide its hop of 5m"]),
        (declared("hop = \"2m\""), &[":1: ", "its hop of 2m does not divide its length of 5m"]),
        (declared("lateness = \"1m\""), &["bets.max_skew", "late = \"side\""]),
        (declared("lateness = \"10s\"\ndisorder = \"20s\""), &["cannot be final before it closes"]),
        (declared("lateness = \"40d\""), &["panes of 5m would be open at once"]),
        (format!("{}{}", declared(""), declared("")), &[":6: ", "declared in line 1 as well"]),
        ("[[window]]\nname = \"odds\"\nlength = \"1m\"\nsql = \"x\"".into(), &[":2: ", "the product's own"]),
        ("[[window]]\nname = \"No way\"\nlength = \"1m\"\nsql = \"x\"".into(), &[":2: ", "is no name"]),
        ("[[window]]\nname = \"w\"".into(), &[":1: ", "a window needs \"length\""]),
        ("[window]\nname = \"w\"".into(), &[":1: ", "under a [[window]] of its own"]),
        (
            sql("\"SELECT question_uuid, avg(odds) FROM bets GROUP BY 1\""),
            &[":4:30: ", "exact_div", "4 | SELECT", "\n  |                       ^"],
        ),
        (
            sql("'''\nSELECT question_uuid,\n       count(*), now()\nFROM bets GROUP BY 1'''"),
            &[":6:18: ", "compare with a column"],
        ),
        (sql("'''\nSELECT stke FROM bets GROUP BY stke'''"), &[":5:8: ", "there is no column stke"]),
        (sql("\"SELECT count(*) FROM users\""), &[":4:29: ", "windows read the table bets"]),
        (sql("'''\nSELECT count(*)\nFROM bets GROUP question_uuid'''"), &[":6:", "syntax error", "6 | FROM bets"]),
        (sql("\"SELECT sum(bettor) FROM bets\""), &[":4:8: ", "4 | SELECT sum(bettor)"]),
        (sql("\"SELECT array_agg(odds) FROM bets\""), &[":4:15: ", "array_agg", "approx_percentile_cont"]),
    ] {
        let error = resolve(&file, &[], &[]).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in: {error}\n{file}");
        }
    }
}
