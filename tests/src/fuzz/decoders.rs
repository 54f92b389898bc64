//! What is decoded without asking anybody.

use std::io::Cursor;

use aws_sdk_kinesis::primitives::{Blob, DateTime};
use jobs::bets::totals::TotalsRow;
use jobs::config::{Config, Layers, window};
use jobs::control::{frame, message, question, records};
use jobs::notify::{bounce, due};
use jobs::sources::Input;
use jobs::sources::betfair::Replay;
use jobs::windows::{Times, settings};
use models::{Device, Frame as Picture, Limits};
use pipeline::adapters::aws::envelope::Secret;
use pipeline::adapters::aws::unpack::Unpacker;
use pipeline::dead_letter::DeadLetter;
use pipeline::record::Position;
use pipeline::shard::HashRange;
use schemas::bet::Bet;
use schemas::codec::Event;
use schemas::dead_letter::DeadLettered;
use schemas::frame::Frame;
use schemas::game_event::GameEvent;
use schemas::late_bet::LateBet;
use schemas::notification::Notification;
use schemas::odds_event::OddsEvent;
use schemas::outbox::OutboxRow;
use schemas::question::QuestionRow;
use schemas::quote::Quote;
use schemas::row::Row;
use schemas::settlement::{Settlement, SettlementRow};
use schemas::user::UserRow;
use schemas::window_row::WindowRow;
use tempfile::TempDir;

use crate::fixture::memory_dir;

/// Events of every stream, as JSON or CBOR.
pub fn events(bytes: &[u8]) {
    comes_back::<Bet>(bytes);
    comes_back::<GameEvent>(bytes);
    comes_back::<Frame>(bytes);
    comes_back::<Notification>(bytes);
    comes_back::<OddsEvent>(bytes);
    comes_back::<Settlement>(bytes);
    comes_back::<WindowRow>(bytes);
    comes_back::<LateBet>(bytes);
    comes_back::<Quote>(bytes);
    comes_back::<DeadLettered>(bytes);
}

/// What is decoded is encoded, and decoded as the same, in both ways.
fn comes_back<E: Event>(bytes: &[u8]) {
    let Ok(event) = E::decode(bytes) else { return };
    let (json, cbor) = (event.to_json(), event.to_cbor());
    let again = |bytes: &[u8]| E::decode(bytes).map(|event| event.to_json()).map_err(|error| error.to_string());
    let told = String::from_utf8_lossy(&json);
    assert_eq!(again(&json).as_ref(), Ok(&json), "as JSON: {told}");
    assert_eq!(again(&cbor).as_ref(), Ok(&json), "as CBOR: {told}");
}

/// Records of Kinesis, aggregated or not.
pub fn aggregates(bytes: &[u8]) {
    let record = aws_sdk_kinesis::types::Record::builder()
        .sequence_number("7")
        .partition_key("key")
        .data(Blob::new(bytes))
        .approximate_arrival_timestamp(DateTime::from_secs(1))
        .build();
    let Ok(record) = record else { return };
    let unpacker = Unpacker { range: HashRange::FULL, secret: Some(Secret::new("a secret of the tests")) };
    let unpacked = unpacker.unpack(vec![record], Position::START);
    let found = unpacked.expect("a sequence number that is one");
    let positions: Vec<Position> = found.records.iter().map(|record| record.position).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    assert_eq!(found.bytes, bytes.len());
}

/// What stands in tables.
pub fn rows(bytes: &[u8]) {
    stays::<QuestionRow>(bytes);
    stays::<UserRow>(bytes);
    stays::<OutboxRow>(bytes);
    stays::<SettlementRow>(bytes);
    stays::<TotalsRow>(bytes);
    _ = DeadLetter::decode(bytes);
    _ = due::Due::read(bytes.to_vec(), bytes);
}

fn stays<R: Row>(bytes: &[u8]) {
    if let Ok(row) = R::from_bytes(bytes) {
        let once = row.to_bytes();
        assert_eq!(R::from_bytes(&once).map(|row| row.to_bytes()).ok(), Some(once), "a row of {}", R::TABLE);
    }
}

/// Market files of Betfair.
pub fn betfair(bytes: &[u8]) {
    if let Ok(input) = Input::from_reader("fuzzed", Cursor::new(bytes.to_vec())) {
        Replay::new(input).for_each(drop);
    }
}

/// Configuration files.
pub fn configuration(bytes: &[u8]) {
    thread_local! {
        static FOLDER: TempDir = memory_dir();
    }
    FOLDER.with(|folder| {
        let path = folder.path().join("oddsmill.toml");
        std::fs::write(&path, bytes).expect("room for a file");
        _ = Config::resolve(&Layers { file: Some(path), ..Layers::default() });
    });
}

/// Windows that are declared, compiled.
pub fn windows(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let times = Times { disorder_ms: 30_000, lateness_ms: 600_000, max_skew_ms: 600_000 };
    for declared in window::windows("oddsmill.toml", &text).unwrap_or_default() {
        _ = settings(&declared, times);
    }
}

/// Frames of broadcasts.
pub fn images(bytes: &[u8]) {
    let limits = Limits { pixels: 1 << 20, ..Limits::default() };
    if let Ok(picture) = Picture::decode(bytes, &limits) {
        assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
        assert!(picture.width * picture.height <= limits.pixels);
    }
}

/// Weights of models.
pub fn weights(bytes: &[u8]) {
    for name in ["fuzzed.safetensors", "fuzzed.pt"] {
        _ = models::load_bytes(name, bytes, Device::Cpu);
    }
}

/// What SES tells through queues and topics.
pub fn bounces(bytes: &[u8]) {
    _ = bounce::read(&String::from_utf8_lossy(bytes));
}

/// What other processes of this machine say to one that runs.
pub fn control(bytes: &[u8]) {
    _ = frame::parse::<message::Request>(bytes);
    _ = frame::parse::<message::Response>(bytes);
    _ = question::decode(bytes);
    _ = records::decode_appends(bytes.to_vec());
    _ = records::decode_records(bytes.to_vec());
}
