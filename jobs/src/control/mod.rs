//! The control socket: how other commands work beside a running pipeline.
//!
//! The process that owns a data directory serves the Unix socket [`SOCKET_NAME`] in it, readable
//! by its owner alone. Life of the socket: bound once the directory is locked (a stale one is
//! replaced) → serving → removed at the stop. Life of a connection: hello both ways → one request
//! at a time, each answered before the next → closed by either side.
//!
//! Reading order: [`message`] is what is said, [`frame`] and [`records`] are its bytes; [`server`]
//! answers from a [`Node`](crate::node::Node), [`client`] asks; [`access`] is what commands use:
//! the socket where one answers, else the directory itself; [`question`] is what they ask about most,
//! [`history`] what backfills and exports read.

pub mod access;
pub mod client;
pub mod frame;
pub mod history;
pub mod message;
pub mod question;
pub mod records;
pub mod server;
pub mod socket;

pub use access::{Access, Missing, OpenError, Rows};
pub use client::Client;
pub use server::{Mode, Server};

/// The socket's name in the data directory.
pub const SOCKET_NAME: &str = "oddsmill.sock";
/// Grows with every change that an older program cannot follow.
pub const PROTOCOL: u32 = 3;

#[cfg(test)]
mod tests;
