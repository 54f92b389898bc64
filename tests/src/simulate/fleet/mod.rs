//! Simulated days of a cluster: workers that share the shards of a modelled account ([`crate::account`]), on one
//! thread and under a virtual clock.
//!
//! ```text
//! seed ─► world ─┬─► producers (honest, doubled, late, malformed) ─► streams ─► workers ─► tables ─► invariants
//!                ├─► operators (answers, voids, splits, merges)                  ▲
//!                └─► weather (lost answers, throttles, lag, late writes) and deaths, stalls, clocks that differ
//! ```
//!
//! The workers are the real ones, from the cluster's `run` down to the SDK's clients. Which of two requests is done
//! first follows from the seed, and so does every interleaving: the same seed gives the same trace, byte by byte.
//! Once the weather is calm everything must come to an end, and add up.

mod check;
mod left;
mod producers;
mod run;
mod shrink;
mod world;

pub use run::{Outcome, run, run_traced};
pub use shrink::shrink;
pub use world::{Act, Deed, World};
