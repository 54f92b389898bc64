//! Events and table rows of the product: their types, codecs and schemas.
//!
//! Nothing here does I/O or reads a clock. Read the modules in this order: the
//! exact numbers, the identities, then the events that travel in streams, the
//! rows that tables hold, and at last how both look to Arrow and JSON Schema.

pub mod decimal;
pub mod money;
pub mod odds;
pub mod probability;

mod hex;
pub mod ids;
pub mod log_position;
pub mod time;

pub mod codec;
pub mod row;
mod text;

pub mod bet;
pub mod frame;
pub mod game_event;
pub mod late_bet;
pub mod mail;
pub mod notification;
pub mod odds_event;
pub mod quote;
pub mod settlement;

pub mod audit;
pub mod bet_row;
pub mod dead_letter;
pub mod outbox;
pub mod question;
pub mod stream;
pub mod streamer;
pub mod transaction;
pub mod user;
pub mod window_row;

pub mod columns;
pub mod json_schema;

#[cfg(test)]
mod tests;
