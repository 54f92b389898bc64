//! Timers: rows of (due, owner, key), delivered in that order when the frontier passes them.
//!
//! A timer due at T comes after every record that arrived before T and before every record that
//! arrived at T or later, in a live run as in a replay.

use std::collections::BTreeSet;

use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::tables::{Commit, Tables, system};

/// Whose a timer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A window job's: something of a window is due.
    Window = 0,
    /// The loop's job's own.
    Job = 1,
}

/// A timer that waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// When.
    pub due: Arrival,
    /// Whose.
    pub owner: Owner,
    /// What to do then; the owner's own encoding.
    pub key: Vec<u8>,
}

/// A loop's timers: the rows, and the same in memory (a few for each open window).
#[derive(Debug)]
pub struct Timers {
    prefix: Vec<u8>,
    waiting: BTreeSet<Timer>,
}

impl Timers {
    /// Reads a loop's timers.
    pub async fn load(tables: &Tables, name: &str) -> Result<Timers> {
        let prefix = prefix(name);
        let mut waiting = BTreeSet::new();
        for (key, _) in tables.scan(system::TIMERS, &prefix).await? {
            let bad = || Error::corrupt("a timer");
            let (due, key) = key.get(prefix.len()..).and_then(|k| k.split_first_chunk::<8>()).ok_or_else(bad)?;
            let (owner, key) = key.split_first().ok_or_else(bad)?;
            let owner = match owner {
                0 => Owner::Window,
                1 => Owner::Job,
                _ => return Err(bad()),
            };
            waiting.insert(Timer { due: Arrival(i64::from_be_bytes(*due)), owner, key: key.to_vec() });
        }
        Ok(Timers { prefix, waiting })
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<Arrival> {
        self.waiting.first().map(|t| t.due)
    }

    /// Sets a timer; one that is set already stays once.
    pub fn set(&mut self, commit: &mut Commit, timer: Timer) {
        let row = self.row(&timer);
        if self.waiting.insert(timer) {
            commit.put(system::TIMERS, row, Vec::new());
        }
    }

    /// Takes the next timer that is due by `frontier`, and its row with it.
    pub fn pop(&mut self, commit: &mut Commit, frontier: Arrival) -> Option<Timer> {
        let timer = self.waiting.first().filter(|t| t.due <= frontier)?.clone();
        self.waiting.remove(&timer);
        commit.remove(system::TIMERS, self.row(&timer));
        Some(timer)
    }

    fn row(&self, timer: &Timer) -> Vec<u8> {
        row(&self.prefix, timer)
    }
}

/// Whether a timer of a loop is set and was not delivered yet.
pub async fn waits(tables: &Tables, name: &str, timer: &Timer) -> Result<bool> {
    let rows = tables.get(system::TIMERS, &[row(&prefix(name), timer)]).await?;
    Ok(rows.iter().any(Option::is_some))
}

fn prefix(name: &str) -> Vec<u8> {
    let mut prefix = name.as_bytes().to_vec();
    prefix.push(0);
    prefix
}

fn row(prefix: &[u8], timer: &Timer) -> Vec<u8> {
    let mut row = prefix.to_vec();
    row.extend_from_slice(&timer.due.0.to_be_bytes());
    row.push(timer.owner as u8);
    row.extend_from_slice(&timer.key);
    row
}
