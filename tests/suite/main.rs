//! The integration tests, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod aws_bad_bets;
mod aws_buffered;
mod aws_cli;
mod aws_cluster;
mod aws_leases;
mod aws_mail;
mod aws_streams;
mod aws_tables;
mod backfill;
mod bad_bets;
mod costs;
mod cricket;
mod fuzz;
mod kill;
mod mails;
mod operators;
mod postgres;
mod quiet;
mod recovery;
mod settling;
mod simulated_fleet;
mod simulation;
mod terraform;
mod tidy;
mod vision;
mod windows;
mod windows_property;
