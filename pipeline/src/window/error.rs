//! What can go wrong with a window job: at compile time the SQL does not fit the shape that merges,
//! at run time a batch does not fit the plan or a stored state does not fit either.
//!
//! Nothing here is worth a retry: the same call fails again until the SQL, the batch or the stored
//! bytes change.

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

/// An error of compiling or running a window job. The text names the window or the column, what was
/// found there, and what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// The SQL does not parse, or names a table, column or function that is not there.
    #[error("window '{window}': the SQL does not plan: {source}")]
    Sql {
        /// Name of the window job.
        window: String,
        /// What the planner says.
        #[source]
        source: Box<DataFusionError>,
    },
    /// The SQL is sound but cannot be kept as partial states that merge in any order.
    #[error("window '{window}': {what} is not supported: {instead}")]
    Unsupported {
        /// Name of the window job.
        window: String,
        /// The part of the query that has no place.
        what: String,
        /// What to write instead.
        instead: String,
    },
    /// A setting of the window other than its SQL is wrong.
    #[error("window '{window}': {detail}")]
    Spec {
        /// Name of the window job.
        window: String,
        /// The setting, its value and what would be right.
        detail: String,
    },
    /// A batch handed in does not have the columns or the types that the plan was compiled for.
    #[error("window '{window}': column '{column}' {detail}")]
    Batch {
        /// Name of the window job.
        window: String,
        /// The column that does not fit.
        column: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A partial state was handed in for a window that it is no part of.
    #[error(
        "window '{window}': a partial state of {pane} ms was handed in for the window starting at {start} ms; finish one window at a time"
    )]
    MixedWindows {
        /// Name of the window job.
        window: String,
        /// Start of the window, in ms since the epoch.
        start: i64,
        /// Start of the state's pane.
        pane: i64,
    },
    /// A stored state cannot be read back, or a state cannot be stored.
    #[error(transparent)]
    State(#[from] StateError),
    /// DataFusion failed to evaluate the query (an overflow, a cast that does not fit).
    #[error("window '{window}': evaluating the SQL failed: {source}")]
    Evaluate {
        /// Name of the window job.
        window: String,
        /// What the evaluation says.
        #[source]
        source: Box<DataFusionError>,
    },
}

/// Stored columns that cannot be read back, or a batch that cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Shorter than its header, or cut in the middle.
    #[error("stored columns of {found} bytes are cut short, a header alone takes {needed}; restore or rebuild them")]
    Truncated {
        /// Bytes that are there.
        found: usize,
        /// Bytes that a header takes.
        needed: usize,
    },
    /// Written by another version of this program.
    #[error(
        "stored columns have format {found}, this program reads {expected}; rebuild them, or use the program that wrote them"
    )]
    Format {
        /// Format of the bytes.
        found: u8,
        /// Format that this program reads.
        expected: u8,
    },
    /// The bytes are not those that were written.
    #[error("stored columns are corrupt ({detail}); restore or rebuild them")]
    Corrupt {
        /// What does not hold.
        detail: String,
    },
    /// Larger than a state may be.
    #[error("columns of {bytes} bytes are over the limit of {limit} for one value; store fewer rows at once")]
    TooLarge {
        /// Size before compression.
        bytes: usize,
        /// Largest size allowed.
        limit: usize,
    },
    /// Arrow refused the columns.
    #[error("stored columns do not fit their schema: {0}")]
    Arrow(#[from] ArrowError),
}
