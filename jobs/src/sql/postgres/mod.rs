//! The tables for PostgreSQL's clients: psql, Grafana, pandas, whatever speaks protocol 3.
//!
//! Read-only, without passwords and without encryption, so on the loopback address unless told
//! otherwise. A connection: what it came for → a session → messages, each answered before the next
//! → ended by either side. A statement has a time, a number of rows and a share of one memory; what
//! would change something is refused by name.
//!
//! The protocol is written down here rather than taken from a library; ARCHITECTURE.md says why.
//!
//! Reading order: [`server`] takes connections; [`startup`] and [`connection`] converse, through
//! [`wire`] and [`message`]; [`command`] tells statements apart, by [`lex`]; [`perform`] and
//! [`extended`] do what they ask for; [`answer`] finds rows, of the tables or of the [`catalog`];
//! [`portal`] sends them, as [`cells`] that [`encode`] writes; [`refusal`] says why not.

mod answer;
mod cancel;
mod catalog;
mod cells;
mod command;
mod connection;
mod encode;
mod extended;
mod lex;
mod message;
mod names;
mod numeric;
mod params;
mod perform;
mod portal;
mod refusal;
mod server;
mod settings;
mod startup;
mod times;
mod types;
mod wire;

pub use server::Endpoint;

/// Where and how SQL is served to other programs. Each value has one reason to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlOptions {
    /// Where PostgreSQL's clients are served.
    pub postgres: Listen,
    /// How long a statement may take, in milliseconds.
    pub timeout_ms: i64,
    /// Rows of an answer, at most.
    pub max_rows: u64,
    /// Memory of all queries of these clients together, in bytes.
    pub memory_bytes: usize,
    /// Sessions at once.
    pub connections: usize,
}

/// Where PostgreSQL's clients are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere, except by the demo: there is nothing secret in it.
    Auto,
    /// Nowhere.
    Off,
    /// At this address and port.
    At(String),
}

impl Default for SqlOptions {
    fn default() -> SqlOptions {
        SqlOptions {
            postgres: Listen::Auto,
            timeout_ms: 30_000,
            max_rows: 1_000_000,
            memory_bytes: 512 << 20,
            connections: 32,
        }
    }
}
