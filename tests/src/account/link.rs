//! A process' connection to an account: where it stalls, and where it dies.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Where a process dies: at a request of this number, before it is done or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// Which request.
    pub at: u64,
    /// Whether it is done.
    pub done: bool,
}

#[derive(Debug, Default)]
struct State {
    dead: bool,
    death: Option<Death>,
    requests: u64,
    stalled_until: Option<Instant>,
    /// Requests that are under way, and how many there were at once at most.
    under_way: usize,
    most: usize,
}

/// A request that is under way.
pub(super) struct UnderWay(Link);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

/// See the module. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Link(Arc<(Mutex<State>, Notify)>);

impl Link {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing gets through any more.
    pub fn cut(&self) {
        self.state().dead = true;
        self.0.1.notify_waiters();
    }

    /// Dies at one of the next requests: `death.at` counts from now.
    pub fn die(&self, death: Death) {
        let mut state = self.state();
        state.death = Some(Death { at: state.requests + death.at, ..death });
    }

    /// Requests that begin now are sent only then, as of a process that sleeps.
    pub fn stall_until(&self, until: Instant) {
        self.state().stalled_until = Some(until);
    }

    /// Whether it is cut.
    pub fn is_cut(&self) -> bool {
        self.state().dead
    }

    /// Waits until it is cut.
    pub async fn died(&self) {
        let mut died = std::pin::pin!(self.0.1.notified());
        died.as_mut().enable();
        if !self.is_cut() {
            died.await;
        }
    }

    /// Requests that were under way at once, at most.
    pub fn most(&self) -> usize {
        self.state().most
    }

    /// Counts a request until it is dropped.
    pub(super) fn under_way(&self) -> UnderWay {
        let mut state = self.state();
        state.under_way += 1;
        state.most = state.most.max(state.under_way);
        UnderWay(self.clone())
    }

    /// Lets a request begin: after the stall. Gives where it dies, if it does so at this one, and its number.
    pub(super) async fn begin(&self) -> (Option<Death>, u64) {
        let until = self.state().stalled_until;
        if let Some(until) = until {
            sleep_until(until).await;
        }
        let mut state = self.state();
        state.requests += 1;
        let requests = state.requests;
        (state.death.filter(|death| death.at == requests), requests)
    }

    /// Waits for ever if it is cut.
    pub(super) async fn pass(&self) {
        if self.is_cut() {
            std::future::pending::<()>().await;
        }
    }
}
