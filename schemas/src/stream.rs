//! A stream in the product's sense: one broadcast of a streamer.

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::ids::{Address, QuestionId, StreamId};
use crate::row::Row;
use crate::text::{MAX_NAME_BYTES, MAX_SENTENCE_BYTES, check_text};
use crate::time::Timestamp;

/// What a `stream_started` event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct StreamSpec {
    /// The broadcast's key.
    #[n(0)]
    pub stream_uuid: StreamId,
    /// Where to watch it.
    #[n(1)]
    pub stream_url: String,
    /// Who carries it: twitch, youtube, …
    #[n(2)]
    pub platform: String,
    /// What is played.
    #[n(3)]
    pub game: String,
    /// Who broadcasts; their `active_stream` becomes this one.
    #[n(4)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streamer: Option<Address>,
}

impl StreamSpec {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_text("stream.stream_url", &self.stream_url, MAX_SENTENCE_BYTES)?;
        check_text("stream.platform", &self.platform, MAX_NAME_BYTES)?;
        check_text("stream.game", &self.game, MAX_NAME_BYTES)
    }
}

/// A row of `streams`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StreamRow {
    /// What the broadcast said of itself.
    #[n(0)]
    pub spec: StreamSpec,
    /// The questions asked in it, oldest first.
    #[n(1)]
    pub questions: Vec<QuestionId>,
    /// When it started, by the event's own time.
    #[n(2)]
    pub started_at: Timestamp,
    /// When it ended.
    #[n(3)]
    pub ended_at: Option<Timestamp>,
}

impl Row for StreamRow {
    const TABLE: &'static str = "streams";
}
