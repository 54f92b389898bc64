//! A send limit: so many mails a second, at most a second's worth at once.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Tokens that come back with time. 0 a second is no limit.
pub struct Rate {
    per_second: u32,
    tokens: f64,
    since: Instant,
}

impl Rate {
    /// A full second's worth, to begin with.
    pub fn new(per_second: u32) -> Rate {
        Rate { per_second, tokens: f64::from(per_second), since: Instant::now() }
    }

    /// Waits until one is allowed and takes as many as are, at most `most`.
    pub async fn take(&mut self, most: usize) -> usize {
        if self.per_second == 0 {
            return most;
        }
        let (rate, now) = (f64::from(self.per_second), Instant::now());
        self.tokens = (self.tokens + (now - self.since).as_secs_f64() * rate).min(rate);
        self.since = now;
        if self.tokens < 1.0 {
            sleep(Duration::from_secs_f64((1.0 - self.tokens) / rate)).await;
            (self.tokens, self.since) = (1.0, Instant::now());
        }
        most.min(self.tokens as usize)
    }

    /// Counts those that were sent.
    pub fn spend(&mut self, sent: usize) {
        self.tokens -= sent as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_spent_comes_back_with_time() {
        let mut rate = Rate::new(1_000_000);
        assert_eq!(rate.take(10).await, 10);
        rate.spend(1_000_000);
        // Nothing is left, so the next one is waited for.
        assert!(rate.take(10).await >= 1);
        assert_eq!(Rate::new(3).take(10).await, 3);
        assert_eq!(Rate::new(0).take(10).await, 10);
    }
}
