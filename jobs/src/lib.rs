//! The jobs of Oddsmill, and what runs them.
//!
//! Reading order: [`betting`] is the main job; [`bets`] and [`settle`] are its halves; [`rows`]
//! is what they change; [`vision`] looks at frames; [`node`] opens a data directory and runs them; [`sources`] feed them.
//! [`replay`] puts a source into the log at its own times, [`redrive`] gives refused records another
//! chance. [`cli`] is the command line, over [`config`] and [`control`] (the socket of a running one).

pub mod archive;
pub mod backfill;
pub mod bets;
pub mod betting;
pub mod cli;
#[cfg(feature = "aws")]
pub mod cluster;
#[cfg(feature = "aws")]
mod cluster_mail;
#[cfg(feature = "aws")]
mod cluster_tasks;
pub mod config;
pub mod control;
pub mod history;
pub mod node;
pub mod notify;
pub mod partition;
pub mod redrive;
pub mod replay;
pub mod retention;
pub mod rows;
pub mod settle;
pub mod sources;
pub mod sql;
mod supervise;
pub mod vision;
pub mod windows;
