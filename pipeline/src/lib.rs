//! The engine: records and positions, the ports, the run loop, windows, dead letters.
//!
//! Reading order: [`record`] and [`shard`] say what a log holds; [`log`], [`tables`] and
//! [`mailer`] are the ports; [`job`] is the pure fold; [`engine`] runs it; [`window`] aggregates what it decided.
//! Nothing here knows what a record means.

pub mod adapters;
pub mod clock;
pub mod dead_letter;
pub mod engine;
pub mod error;
pub mod fault;
pub mod id_text;
pub mod job;
pub mod lease;
pub mod log;
pub mod mailer;
pub mod metrics;
pub mod parquet_file;
pub mod record;
pub mod rows;
pub mod shard;
pub mod tables;
pub mod window;

pub use clock::{Arrival, Clock};
pub use error::{Error, Result};
