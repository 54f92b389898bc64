//! The published bytes of every event and row, compared byte for byte.
//!
//! `UPDATE_GOLDEN=1 cargo test -p schemas` rewrites the files. A file that changes after
//! a release means that stored data and other programs no longer understand each other:
//! add a `v2` folder then, and keep decoding `v1`.

use std::fmt::Debug;
use std::path::PathBuf;

use serde_json::Value;

use super::samples;
use crate::codec::Event;
use crate::json_schema;
use crate::row::Row;

fn golden(name: &str) -> PathBuf {
    // As it is now: a test compiled in another clone may be run here from a shared target folder.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    PathBuf::from(package).join("golden/v1").join(name)
}

fn check_file(name: &str, bytes: &[u8]) {
    let path = golden(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    let golden = std::fs::read(&path).unwrap_or_default();
    assert!(golden == bytes, "{name} differs from its golden file:\n{}", String::from_utf8_lossy(bytes));
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits + "\n"
}

fn check_event<E: Event + PartialEq + Debug>(name: &str, event: &E) {
    let (json, cbor) = (event.to_json(), event.to_cbor());
    check_file(&format!("{name}.json"), &json);
    check_file(&format!("{name}.cbor"), &cbor);
    assert_eq!(&E::decode(&json).unwrap(), event, "{name} in JSON");
    assert_eq!(&E::decode(&cbor).unwrap(), event, "{name} in CBOR");
    assert_eq!(serde_json::to_vec(event).unwrap(), json, "{name}: serde and the codec disagree");
}

fn check_row<R: Row + PartialEq + Debug>(name: &str, row: &R) {
    let bytes = row.to_bytes();
    check_file(&format!("{name}.hex"), hex(&bytes).as_bytes());
    assert_eq!(&R::from_bytes(&bytes).unwrap(), row, "{name}");
}

#[test]
fn events_have_their_published_bytes() {
    check_event("bet", &samples::bet());
    for event in samples::game_events() {
        check_event(&format!("game_event.{}", event.kind.name()), &event);
    }
    check_event("notification", &samples::notification());
    check_event("odds_event", &samples::odds_event());
    check_event("late_bet", &samples::late_bet());
    check_event("window_row", &samples::window_row());
    check_event("settlement", &samples::settlement());
    check_event("quote", &samples::quote());
    check_event("frame", &samples::frame());
    check_event("dead_lettered", &samples::dead_lettered());
}

#[test]
fn every_game_event_has_a_sample() {
    let sampled: Vec<&str> = samples::game_events().iter().map(|event| event.kind.name()).collect();
    assert_eq!(sampled, crate::game_event::GameEventKind::NAMES);
}

#[test]
fn rows_have_their_published_bytes() {
    for (number, row) in samples::bet_rows().iter().enumerate() {
        check_row(&format!("bet_row.{number}"), row);
    }
    check_row("user_row", &samples::user_row());
    check_row("question_row", &samples::question_row());
    check_row("streamer_row", &samples::streamer_row());
    check_row("stream_row", &samples::stream_row());
    check_row("transaction_row", &samples::transaction_row());
    check_row("outbox_row", &samples::outbox_row());
    check_row("dead_letter", &samples::dead_letter());
    check_row("settlement_row", &samples::settlement_row());
    check_row("audit_row", &samples::audit_row());
}

/// Compared as values: the order of keys in the text depends on how serde_json was built.
#[test]
fn streams_have_their_published_json_schema() {
    for (stream, schema) in json_schema::all() {
        assert_eq!(json_schema::for_stream(stream), Some(schema.clone()));
        let path = golden(&format!("schema.{stream}.json"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{schema:#}\n")).unwrap();
        }
        let published: Value = serde_json::from_slice(&std::fs::read(&path).unwrap_or_default()).unwrap_or_default();
        assert_eq!(schema, published, "the schema of {stream} differs from its golden file");
    }
    assert_eq!(json_schema::for_stream("nothing"), None);
}
