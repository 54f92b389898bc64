//! How long to go on: what may fail for a while is tried again for as long as the lease is held.

use std::time::Duration;

use crate::engine::Stop;
use crate::error::{Error, Result};
use crate::lease::held::{Held, Standing};

/// Longest pause before something is tried again.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// Whether to finish what is begun and no more: the worker stops, or its lease is another's or asked for.
pub(super) fn is_told(stop: &Stop, held: &Held) -> bool {
    stop.is_now() || *held.standing().borrow() != Standing::Owned
}

/// Waits between the attempts of something that may fail for a while.
pub(super) struct Patience(Duration);

impl Patience {
    pub fn new() -> Patience {
        Patience(Duration::from_millis(50))
    }

    /// Waits, ever longer, for as long as the lease is held.
    pub async fn wait(&mut self, held: &Held, why: String) -> Result<()> {
        if held.is_lost() {
            return Err(Error::Fenced(format!("lease {} is another worker's", held.key())));
        }
        tracing::warn!(lease = %held.key(), "{why}; trying again");
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST);
        Ok(())
    }
}

/// Does what may fail for a while, again and again, for as long as the lease is held.
macro_rules! insist {
    ($held:expr, $act:expr) => {{
        let mut patience = $crate::engine::fleet::patience::Patience::new();
        loop {
            match $act.await {
                Err(Error::Retry(why)) => patience.wait($held, why).await?,
                other => break other,
            }
        }
    }};
}
pub(super) use insist;
