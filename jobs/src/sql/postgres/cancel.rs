//! Who may cancel whose statement: a connection's number and secret, as PostgreSQL has them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The connections that there are.
#[derive(Debug, Default)]
pub struct Cancels {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u32,
    known: BTreeMap<u32, (u32, Arc<Notify>)>,
}

/// A connection's entry, removed with it.
#[derive(Debug)]
pub struct Ticket {
    /// Its number.
    pub number: u32,
    /// What is shown by who cancels.
    pub secret: u32,
    /// Wakes what the connection works on.
    pub cancelled: Arc<Notify>,
    cancels: Arc<Cancels>,
}

impl Cancels {
    /// Enters a connection.
    pub fn enter(self: &Arc<Cancels>) -> Ticket {
        // The standard library's hash maps are keyed by the system's randomness; so is this secret,
        // and no library is needed for it.
        let secret = (RandomState::new().hash_one(0u8) >> 16) as u32;
        let cancelled = Arc::new(Notify::new());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.last = inner.last % (i32::MAX as u32) + 1;
        let number = inner.last;
        inner.known.insert(number, (secret, cancelled.clone()));
        Ticket { number, secret, cancelled, cancels: self.clone() }
    }

    /// Cancels what a connection works on now, if the secret is its own.
    pub fn cancel(&self, number: u32, secret: u32) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cancelled)) = inner.known.get(&number).filter(|(known, _)| *known == secret) {
            cancelled.notify_waiters();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancels.inner.lock().unwrap_or_else(PoisonError::into_inner).known.remove(&self.number);
    }
}
