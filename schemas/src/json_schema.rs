//! JSON Schema (2020-12) of every event. CBOR follows the same schema: the same maps,
//! texts and integers, with byte strings allowed for ids and pictures.

use std::collections::BTreeMap;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::bet::Bet;
use crate::codec::Event;
use crate::dead_letter::DeadLettered;
use crate::frame::Frame;
use crate::game_event::GameEvent;
use crate::late_bet::LateBet;
use crate::notification::Notification;
use crate::odds_event::OddsEvent;
use crate::quote::Quote;
use crate::settlement::Settlement;
use crate::window_row::WindowRow;

/// Every stream's schema, by the stream's name.
pub fn all() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        entry::<Bet>(),
        entry::<DeadLettered>(),
        entry::<Frame>(),
        entry::<GameEvent>(),
        entry::<LateBet>(),
        entry::<Notification>(),
        entry::<OddsEvent>(),
        entry::<Quote>(),
        entry::<Settlement>(),
        entry::<WindowRow>(),
    ])
}

/// The schema of a stream's events, such as `bets`; `None` when there is no such stream.
pub fn for_stream(stream: &str) -> Option<Value> {
    all().remove(stream)
}

fn entry<E: Event + JsonSchema>() -> (&'static str, Value) {
    let schema = SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<E>();
    (E::STREAM, schema.to_value())
}
