//! What the integration tests share: fixtures, a driver that feeds a node at a source's own
//! times, and a dump of everything a node holds as comparable text.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test support: a fault should stop the test where it is")]

pub mod account;
pub mod cluster;
pub mod cricket_reference;
pub mod drive;
pub mod dump;
pub mod faults;
pub mod fixture;
pub mod fuzz;
pub mod http;
pub mod invariants;
pub mod items;
pub mod postgres;
pub mod random;
pub mod read;
pub mod records;
pub mod reshard;
pub mod schedule;
pub mod servers;
pub mod simulate;
