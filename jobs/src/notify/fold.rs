//! The notify job's fold: every status change becomes a row of the outbox, once.
//!
//! A notification that stands twice in the stream, or is read again after a crash, meets its decision
//! row. Nothing is decided here about mails: who wants one, and how, is asked when it is sent.

use pipeline::Result;
use pipeline::dead_letter::{self, Reject};
use pipeline::job::{At, Decided, DecisionKey, Effects, Input, Job};
use pipeline::record::Append;
use pipeline::rows::Rows;
use schemas::codec::Event;
use schemas::notification::Notification;
use schemas::outbox::OutboxRow;
use schemas::row::Row;
use xxhash_rust::xxh3::xxh3_64;

use super::due::Due;
use crate::betting::decisions_only;

/// The loop's name: its checkpoints are kept under it.
pub const LOOP: &str = "notify";

/// The fold.
pub struct Notify {
    inputs: Vec<Input>,
}

impl Default for Notify {
    fn default() -> Self {
        let decisions = decisions_only(Notification::STREAM);
        Notify { inputs: vec![Input { stream: Notification::STREAM, decisions }] }
    }
}

/// It reads no rows and leaves no facts.
type Nothing = std::convert::Infallible;

impl Job for Notify {
    type Event = Notification;
    type Key = Nothing;
    type Row = Nothing;
    type Fact = Nothing;

    fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    fn decode(&self, _input: usize, data: &[u8]) -> std::result::Result<Notification, Reject> {
        Notification::decode(data).map_err(Reject::invalid)
    }

    fn decision(&self, told: &Notification) -> DecisionKey {
        DecisionKey { id: *told.notification_id.as_bytes(), fingerprint: xxh3_64(&told.to_json()) }
    }

    fn needs(&self, _told: &Notification, _keys: &mut Vec<Nothing>) {}

    fn apply(
        &self,
        told: &Notification,
        at: &At,
        _rows: &mut Rows<Nothing, Nothing>,
        effects: &mut Effects,
    ) -> std::result::Result<Decided<Nothing>, Reject> {
        let row = OutboxRow::pending(told.clone());
        let id = told.notification_id;
        effects.puts.push((OutboxRow::TABLE, id.as_bytes().to_vec(), row.to_bytes()));
        let (key, value) = Due::Mail(id).entry(told.at, at.position);
        effects.puts.push((super::due::TABLE, key, value));
        Ok(Decided { fact: None, open: false, kept: true })
    }

    fn announce(&self, letter: &dead_letter::DeadLetter) -> Option<(&'static str, Append)> {
        Some(crate::betting::announce(letter))
    }

    fn locate(&self, key: &Nothing) -> (&'static str, Vec<u8>) {
        match *key {}
    }

    fn encode(&self, row: &Nothing) -> Vec<u8> {
        match *row {}
    }

    fn restore(&self, key: &Nothing, _bytes: &[u8]) -> Result<Nothing> {
        match *key {}
    }
}
