//! SQL over the tables: read-only, one snapshot a query, results as a stream.
//!
//! The life of a query: text → checked to be one reading statement → planned by DataFusion over
//! one [`view`] of the store → streamed, a batch at a time. Nothing is read before it is asked
//! for: a query on one bet, bettor or question goes through the indexes, a scan reads a block at
//! a time and renders only the columns that are used.
//!
//! Reading order: [`session`] plans, within [`memory`]; [`catalog`] names the tables; [`provider`] hands them to
//! DataFusion, with the filters of [`ask`]; [`bets`], [`people`], [`windows`], [`letters`] and
//! [`system`] read them; [`output`] prints, [`prompt`] asks.

mod ask;
mod bets;
mod catalog;
mod declared;
mod error;
mod letters;
mod lists;
mod memory;
pub mod output;
mod people;
pub mod postgres;
pub mod prompt;
mod provider;
pub(crate) mod render;
mod session;
mod settling;
mod system;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod view;
mod windows;

pub(crate) use bets::as_shown as shown_bets;
pub use error::SqlError;
pub use session::{STACK_BYTES, query};
