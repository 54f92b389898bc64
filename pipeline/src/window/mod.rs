//! Windows in SQL, tumbling and hopping: a `SELECT … GROUP BY …` becomes aggregate states that merge in any order.
//!
//! The life of a window's data, and who moves it:
//!
//! ```text
//! rows ──partial──► state a batch and window ──merge──► state a window ──finish──► result rows
//! ```
//!
//! - [`WindowPlan::partial`] folds a batch once, with `window_start` (of the row's pane, see [`times`]) as the
//!   first group key.
//! - [`WindowPlan::merge`] folds states into a state, whatever their order and grouping.
//! - [`WindowPlan::finish`] folds the states of one window into the rows of the `SELECT` list.
//!
//! Every stage is a DataFusion hash aggregation over the stock group table and accumulators, driven
//! straight from here (see `aggregate`): no stream, no executor and no optimizer stands between,
//! so nothing splits, skips or spills. Exactness is the query's: sums of integers and decimals are
//! the same bits in any order, and `shape` refuses aggregates that are not.
//!
//! DataFusion's integer and decimal sums wrap on overflow. Whoever feeds a window bounds the values
//! so that `|value| × rows` stays under the 38 digits of a decimal (or the 63 bits of an integer).

mod aggregate;
pub mod backfill;
mod columns;
mod compile;
mod error;
pub mod exact_div;
pub mod export;
mod first_last;
pub mod interval;
mod keys;
pub mod lateness;
pub mod partials;
mod plan;
pub mod results;
mod schedule;
mod shape;
pub mod snapshot;
pub mod snapshots;
pub mod state;
#[cfg(test)]
mod tests;
pub mod times;
pub mod windows;

pub use error::{StateError, WindowError};
pub use exact_div::exact_div;
pub use plan::WindowPlan;

/// Names that a result may not use: the window's own columns stand beside the `SELECT` list.
pub const RESERVED: [&str; 6] = ["window_name", WINDOW_START, "window_end", "revision", "final", "watermark"];

/// Name of the first column of every state: its pane's start in milliseconds since the epoch, which
/// is a tumbling window's own.
pub const WINDOW_START: &str = "window_start";

/// A window job as configured: a query over one table, and how its rows fall into windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowSpec {
    /// Name of the job; errors carry it.
    pub name: String,
    /// Name by which the SQL reads the input table.
    pub table: String,
    /// `SELECT keys, aggregates FROM table [WHERE …] GROUP BY keys [HAVING …]`.
    pub sql: String,
    /// Column of type `Timestamp(ms)` that places a row in its window.
    pub time_column: String,
    /// Length of a window in milliseconds.
    pub length_ms: i64,
    /// Windows start at multiples of this since the epoch: the length for tumbling windows, a part
    /// of it for hopping ones.
    pub hop_ms: i64,
}
