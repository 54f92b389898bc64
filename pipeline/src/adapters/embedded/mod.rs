//! The embedded adapter: log and tables in one fjall database, in one process.
//!
//! Reading order: [`store`] opens the database and makes writes durable; [`block`] is how many
//! records become one stored value; [`log`] appends and reads shards; [`facts`] is the
//! insert-only table kind; [`tables`] commits a batch's every effect in one atomic write, its
//! small rows as one [`run`], which the [`buffer`] merges into the trees later; [`view`] reads
//! both as of one moment; [`background`] is for work that can wait; [`unfinished`] clears what a
//! creation that was cut off has left.
//!
//! Life of the data directory: created on first use → owned by one process (fjall's lock) →
//! closed. Everything in it follows from the journal, so a killed process loses only what was
//! never acknowledged.

mod background;
pub mod block;
pub mod buffer;
mod changing;
pub mod facts;
pub mod log;
pub mod run;
mod shards;
pub mod store;
pub mod tables;
mod unfinished;
pub mod view;

pub use log::EmbeddedLog;
pub use store::{Durability, Store, StoreOptions};
pub use tables::EmbeddedTables;

#[cfg(test)]
mod tests;
