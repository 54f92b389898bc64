//! Telling loops to stop.
//!
//! Whoever waits is woken in the order in which they began to wait; tokio's `watch` draws that order by chance, and
//! two runs of a simulation would differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// More often than anything is ever said.
const NEVER: u64 = u64::MAX;

#[derive(Debug, Default)]
struct Told {
    now: AtomicBool,
    drain: AtomicBool,
    /// Times that something was said.
    times: AtomicU64,
    wakes: Notify,
}

/// Tells a loop to finish what it has begun and stop. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Told>);

impl Stop {
    /// Stop after the batches in hand.
    pub fn now(&self) {
        self.0.now.store(true, Ordering::Release);
        self.wake();
    }

    /// Stop once everything that is in the log now is applied.
    pub fn when_drained(&self) {
        self.0.drain.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        self.0.times.fetch_add(1, Ordering::AcqRel);
        self.0.wakes.notify_waiters();
    }

    /// Whether to stop after the batches in hand.
    pub fn is_now(&self) -> bool {
        self.0.now.load(Ordering::Acquire)
    }

    /// Whether to stop once everything is applied.
    pub fn is_draining(&self) -> bool {
        self.0.drain.load(Ordering::Acquire)
    }

    /// Wakes up whoever waits when it is told to stop; at once where it was told before, by whom nobody would be told
    /// again.
    pub fn watch(&self) -> Stopped {
        let times = self.0.times.load(Ordering::Acquire);
        Stopped { seen: if self.is_now() { NEVER } else { times }, told: self.0.clone() }
    }
}

/// Somebody who waits to be told. See [`Stop::watch`].
#[derive(Debug)]
pub struct Stopped {
    told: Arc<Told>,
    seen: u64,
}

impl Stopped {
    /// Waits until something is said that was not said when this was made, or last returned. The first time, one who was
    /// to stop already does not wait.
    pub async fn changed(&mut self) {
        loop {
            let mut woken = std::pin::pin!(self.told.wakes.notified());
            // From here on nothing is missed.
            woken.as_mut().enable();
            let times = self.told.times.load(Ordering::Acquire);
            if times != self.seen {
                self.seen = times;
                return;
            }
            woken.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_once_and_in_order() {
        let (stop, order) = (Stop::default(), Arc::new(std::sync::Mutex::new(Vec::new())));
        let waiting: Vec<_> = (0..20)
            .map(|number| {
                let (mut stopped, order) = (stop.watch(), order.clone());
                tokio::spawn(async move {
                    stopped.changed().await;
                    order.lock().unwrap().push(number);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        stop.when_drained();
        for task in waiting {
            task.await.unwrap();
        }
        assert!(order.lock().unwrap().is_sorted() && stop.is_draining() && !stop.is_now());
        let mut late = stop.watch();
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), late.changed()).await.is_err());
        stop.now();
        late.changed().await;
        let again = tokio::time::timeout(std::time::Duration::from_millis(1), late.changed()).await;
        assert!(again.is_err() && stop.is_now());
        // Who looks only now must not wait for what was said.
        stop.watch().changed().await;
    }
}
