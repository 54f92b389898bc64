//! Leases: which worker reads which shard, and how far it has come.
//!
//! Workers share the shards of a log through one table, in the schema and with the conditional
//! writes of the Amazon Kinesis Client Library (KCL 3.5): a KCL application and this one can take
//! over each other's leases. [`Change`] is every write, with its condition; [`table`] keeps the rows;
//! [`held`] is the owner's side of one lease; [`balance`] says which leases a worker should have,
//! [`sync`] which leases there should be, both as pure functions; [`coordinator`] runs it all.
//!
//! Life of a lease: created (with its shard's stream, or by its parents' end) → taken → renewed,
//! again and again; handed on, released or expired, and taken by another → checkpointed at
//! `SHARD_END` → removed once its children have moved on.

pub mod balance;
pub mod coordinator;
pub mod held;
pub mod sync;
pub mod table;

use std::fmt;
use std::str::FromStr;

use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::record::Position;
use crate::shard::{HashRange, ShardId};

/// A lease's key: the shard's name, or `ACCOUNT:STREAM:CREATION_EPOCH:SHARD` where one table serves
/// several streams.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey(pub String);

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A worker: one process that holds leases. Never used twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub String);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a shard was read, in the KCL's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reached {
    /// Nothing yet; to be read from a moment that the reader is told.
    AtTimestamp,
    /// Nothing yet; to be read from the oldest record.
    TrimHorizon,
    /// Nothing yet; to be read from what comes.
    Latest,
    /// This record.
    At(Position),
    /// Everything: the shard is closed and was read to its end.
    ShardEnd,
}

impl Reached {
    /// The table's `checkpoint` attribute.
    pub fn text(self) -> String {
        match self {
            Reached::AtTimestamp => "AT_TIMESTAMP".into(),
            Reached::TrimHorizon => "TRIM_HORIZON".into(),
            Reached::Latest => "LATEST".into(),
            Reached::At(position) => position.with_sub(0).to_string(),
            Reached::ShardEnd => "SHARD_END".into(),
        }
    }

    /// The table's `checkpointSubSequenceNumber` attribute.
    pub fn sub(self) -> u32 {
        match self {
            Reached::At(position) => position.sub(),
            _ => 0,
        }
    }

    /// Whether some record was read.
    pub fn has_begun(self) -> bool {
        self > Reached::Latest
    }
}

impl FromStr for Reached {
    type Err = Error;

    fn from_str(text: &str) -> Result<Reached> {
        Ok(match text {
            "AT_TIMESTAMP" => Reached::AtTimestamp,
            "TRIM_HORIZON" => Reached::TrimHorizon,
            "LATEST" => Reached::Latest,
            "SHARD_END" => Reached::ShardEnd,
            number => Reached::At(number.parse()?),
        })
    }
}

/// What a checkpoint tells besides the position: attributes of our own, which the KCL keeps as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The shard's effective arrival at the checkpoint.
    pub effective: Arrival,
    /// Everything of this shard that arrived before this is applied and durable, states included.
    pub frontier: Arrival,
    /// The position of the newest snapshot of what the worker keeps in memory, if there is one: its
    /// name follows from it. Reading starts there.
    pub snapshot: Option<Position>,
}

/// A row of the lease table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its key.
    pub key: LeaseKey,
    /// The shard's stream, where the table serves several.
    pub stream: Option<String>,
    /// The shard.
    pub shard: ShardId,
    /// The hash keys that the shard owns; older applications did not write them.
    pub range: Option<HashRange>,
    /// The shards it was split or merged from.
    pub parents: Vec<ShardId>,
    /// The shards it was split or merged into, once that is known.
    pub children: Vec<ShardId>,
    /// Who has it.
    pub owner: Option<WorkerId>,
    /// Who still works on it, while it is handed on to `owner`.
    pub handing_over: Option<WorkerId>,
    /// Grows with every write of an owner; one that stands still has expired.
    pub counter: u64,
    /// How far the shard was read.
    pub reached: Reached,
    /// Times it changed hands since the last checkpoint.
    pub switches: u64,
    /// Data read, in kilobytes a second.
    pub throughput: u64,
    /// See [`Progress`].
    pub progress: Progress,
}

impl Lease {
    /// The lease of a shard that nobody has read.
    pub fn new(key: LeaseKey, stream: Option<String>, shard: ShardId, from: Reached) -> Lease {
        Lease {
            key,
            stream,
            shard,
            range: None,
            parents: Vec::new(),
            children: Vec::new(),
            owner: None,
            handing_over: None,
            counter: 0,
            reached: from,
            switches: 0,
            throughput: 0,
            progress: Progress::default(),
        }
    }

    /// Whether there is nothing left to read.
    pub fn is_finished(&self) -> bool {
        self.reached == Reached::ShardEnd
    }
}

/// A write to a lease that stands. Each has a condition on the stored row, of which a worker knows
/// a copy; at most one of two writes from the same copy succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The owner is alive.
    Renew {
        /// See [`Lease::throughput`].
        throughput: u64,
        /// See [`Progress`].
        progress: Progress,
    },
    /// The owner has come so far.
    Checkpoint {
        /// How far.
        to: Reached,
        /// See [`Progress`].
        progress: Progress,
    },
    /// A worker takes a lease that is free, has expired, or that it takes away.
    Take {
        /// Who.
        by: WorkerId,
    },
    /// The owner is asked to finish and to pass it on.
    HandOff {
        /// To whom.
        to: WorkerId,
    },
    /// The owner who was asked has finished.
    HandedOver,
    /// The owner stops.
    Release,
    /// The shard was split or merged into these.
    NoteChildren(Vec<ShardId>),
}

impl Change {
    /// Whether the write succeeds on the stored row, for a worker that knows `seen`.
    pub fn holds(&self, seen: &Lease, stored: &Lease) -> bool {
        let counted = seen.counter == stored.counter;
        match self {
            Change::Renew { .. } => counted && stored.handing_over.is_none(),
            Change::Checkpoint { .. } | Change::Take { .. } | Change::Release => counted,
            Change::HandOff { .. } => {
                seen.owner.is_some() && seen.owner == stored.owner && stored.handing_over.is_none()
            }
            Change::HandedOver => counted && seen.handing_over.is_some() && seen.handing_over == stored.handing_over,
            Change::NoteChildren(_) => true,
        }
    }

    /// What the row is after the write.
    pub fn make(&self, lease: &mut Lease) {
        match self {
            Change::Renew { throughput, progress } => {
                lease.throughput = *throughput;
                lease.progress = *progress;
            }
            Change::Checkpoint { to, progress } => {
                lease.reached = *to;
                lease.progress = *progress;
                lease.switches = 0;
            }
            Change::Take { by } => {
                lease.owner = Some(by.clone());
                lease.handing_over = None;
                lease.switches += 1;
            }
            Change::HandOff { to } => {
                lease.handing_over = lease.owner.replace(to.clone());
                return;
            }
            Change::HandedOver => {
                lease.handing_over = None;
                lease.switches += 1;
            }
            Change::Release => {
                lease.owner = None;
                lease.handing_over = None;
            }
            Change::NoteChildren(children) => {
                lease.children.clone_from(children);
                return;
            }
        }
        lease.counter += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_have_the_order_and_the_texts_of_the_library() {
        let texts = ["AT_TIMESTAMP", "TRIM_HORIZON", "LATEST", "9", "10", "SHARD_END"];
        let read: Vec<Reached> = texts.iter().map(|text| text.parse().unwrap()).collect();
        assert!(read.is_sorted());
        assert_eq!(read.iter().map(|reached| reached.text()).collect::<Vec<_>>(), texts);
        assert!(Reached::At(Position::new(9).with_sub(3)) > read[3] && "x".parse::<Reached>().is_err());
    }
}
