//! One row of a configured window, as the stream `windows` carries it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::codec::{DecodeError, Encoded, Event};
use crate::ids::{EventId, derive};
use crate::time::Timestamp;

/// A new or revised row of a window that the configuration declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WindowRow {
    /// Follows from window, start, the row's keys and the revision.
    pub event_uuid: EventId,
    /// The window's name.
    pub window_name: String,
    /// The first moment of the window.
    pub window_start: Timestamp,
    /// The first moment after it.
    pub window_end: Timestamp,
    /// The columns of its SELECT list. Decimals are texts, so that they stay exact.
    pub row: Map<String, Value>,
    /// Grows with every change of the row that is published, from 1.
    pub revision: u32,
    /// Whether no later revision can come.
    #[serde(rename = "final")]
    pub is_final: bool,
}

impl WindowRow {
    /// The id of a row whose keys have these texts.
    pub fn id_of(window: &str, start: Timestamp, keys: &[String], revision: u32) -> EventId {
        let mut parts: Vec<Vec<u8>> = vec![window.as_bytes().to_vec(), start.millis().to_be_bytes().to_vec()];
        parts.extend(keys.iter().map(|key| key.as_bytes().to_vec()));
        parts.push(revision.to_be_bytes().to_vec());
        derive("window", &parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).into()
    }
}

impl Event for WindowRow {
    const STREAM: &'static str = "windows";

    fn read(record: Encoded<'_>) -> Result<Self, DecodeError> {
        record.read()
    }
}
