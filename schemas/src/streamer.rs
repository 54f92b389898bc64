//! Streamers: people who broadcast and ask questions.

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::ids::{Address, StreamId};
use crate::row::Row;
use crate::text::{MAX_NAME_BYTES, check_text};

/// What a `streamer_upserted` event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamerSpec {
    /// The streamer's key.
    pub address: Address,
    /// Display name.
    pub username: String,
}

impl StreamerSpec {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_text("streamer.username", &self.username, MAX_NAME_BYTES)
    }
}

/// A row of `streamers`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StreamerRow {
    /// The key.
    #[n(0)]
    pub address: Address,
    /// Display name.
    #[n(1)]
    pub username: String,
    /// The broadcast that runs now.
    #[n(2)]
    pub active_stream: Option<StreamId>,
    /// Broadcasts that have ended, oldest first.
    #[n(3)]
    pub past_streams: Vec<StreamId>,
}

impl Row for StreamerRow {
    const TABLE: &'static str = "streamers";
}
