//! Simulated days: a pipeline that lives through crashes, stops and splits by a seed, and must come to what an
//! undisturbed one comes to.
//!
//! ```text
//! seed ─► world (lines of every kind, by arrival) ─┬─► lives, each with its faults ─► checked after each ─► end
//!      └► lives (who crashes where, in what sizes) ┘                                                        │ equal?
//!                                  undisturbed ───────────────────────────────────────────────────────► end ┘
//! ```
//!
//! The jobs, the run loop, the windows and the store are the real ones; the clock is moved by hand. Which commit a
//! crash meets depends on the machine's threads, so two runs of a seed may differ on the way; where they end does not.

mod check;
pub mod fleet;
mod run;
mod shrink;
mod world;

pub use run::{Outcome, run};
pub use shrink::shrink;
pub use world::{Life, Reshard, Torn, World};

/// What a check said that failed, or why a task ended.
fn said(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        }
        Err(error) => error.to_string(),
    }
}
