//! What succeeded, in order: leases taken and checkpoints written.

use std::collections::HashMap;
use std::sync::Mutex;

use pipeline::lease::{LeaseKey, WorkerId};

#[derive(Clone)]
enum Entry {
    /// A worker began on a lease that it had taken, or was handed.
    Taken(WorkerId),
    /// It wrote a checkpoint, which made the lease's counter this.
    Checkpoint(WorkerId, u64),
}

/// Entries of each lease, in the order in which they happened.
#[derive(Default)]
pub struct Journal(Mutex<HashMap<LeaseKey, Vec<Entry>>>);

impl Journal {
    pub fn taken(&self, lease: &LeaseKey, by: &WorkerId) {
        self.keep(lease, Entry::Taken(by.clone()));
    }

    pub fn checkpoint(&self, lease: &LeaseKey, by: &WorkerId, counter: u64) {
        self.keep(lease, Entry::Checkpoint(by.clone(), counter));
    }

    fn keep(&self, lease: &LeaseKey, entry: Entry) {
        self.0.lock().unwrap().entry(lease.clone()).or_default().push(entry);
    }

    /// Counts checkpoints and takes, and checkpoints that are not by whoever took the lease last, or whose
    /// counter is not above the one before: of owners A, B, A without a take in between the second A is one.
    pub fn check(&self) -> (usize, usize, usize) {
        let (mut checkpoints, mut takes, mut faults) = (0, 0, 0);
        for entries in self.0.lock().unwrap().values() {
            let (mut owner, mut last) = (None, 0);
            for entry in entries {
                match entry {
                    Entry::Taken(by) => (owner, takes) = (Some(by), takes + 1),
                    Entry::Checkpoint(by, counter) => {
                        checkpoints += 1;
                        faults += usize::from(owner != Some(by) || *counter <= last);
                        last = *counter;
                    }
                }
            }
        }
        (checkpoints, takes, faults)
    }
}
