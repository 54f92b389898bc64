//! What an account may send, and the pace that keeps to it.

use std::time::Duration;

use tokio::time::Instant;

use super::ses_answer::daily;
use crate::error::{Error, Result};

/// What SES says of an account in a region (`GetAccount`).
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Whether it may write to anybody; otherwise it is in the sandbox and writes to verified addresses.
    pub production: bool,
    /// Whether it may send at all.
    pub enabled: bool,
    /// `HEALTHY`, `PROBATION` or `SHUTDOWN`.
    pub standing: String,
    /// Mails a second, at most. The sandbox has 1.
    pub per_second: f64,
    /// Mails in any 24 hours, at most; none where there is no such limit. The sandbox has 200.
    pub per_day: Option<f64>,
    /// Mails in the past 24 hours.
    pub sent: f64,
}

impl Account {
    /// Why it sends nothing now, if so.
    ///
    /// # Errors
    /// `Fatal` where a person must mend it, `Retry` where the day's mails are sent.
    pub fn check(&self) -> Result<()> {
        if !self.enabled {
            return Err(Error::Fatal(format!(
                "SES sends no mails for this account in this region (its standing is {}); look into the SES console, or \
                 resume it with `aws sesv2 put-account-sending-attributes --sending-enabled`",
                self.standing
            )));
        }
        match self.per_day {
            Some(most) if self.sent >= most => Err(daily(&format!("{:.0} of {most:.0}", self.sent))),
            _ => Ok(()),
        }
    }
}

/// Fewest mails a second that the pace goes down to; an account that may send nothing says so itself.
const LEAST_PER_SECOND: f64 = 0.1;
/// How long nothing is sent after SES asked for less.
const EASE: Duration = Duration::from_secs(1);

/// Turns mails out one by one, evenly: SES counts by the second, so what is early now is throttled.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    next: Option<Instant>,
}

impl Pace {
    /// So many a second.
    pub(super) fn new(per_second: f64) -> Pace {
        Pace { every: every(per_second), next: None }
    }

    /// Another rate, from the next mail on.
    pub(super) fn set(&mut self, per_second: f64) {
        self.every = every(per_second);
    }

    /// Takes the next turn: when it is. Turns that nobody took are lost, so that a pause ends in no burst.
    pub(super) fn turn(&mut self, now: Instant) -> Instant {
        let turn = self.next.map_or(now, |next| next.max(now));
        self.next = Some(turn + self.every);
        turn
    }

    /// SES asked for less: somebody else sends from this account as well.
    pub(super) fn ease(&mut self, now: Instant) {
        self.next = Some(self.next.map_or(now, |next| next.max(now)).max(now + EASE));
    }
}

fn every(per_second: f64) -> Duration {
    Duration::from_secs_f64(1.0 / per_second.max(LEAST_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_even_and_a_pause_saves_none_up() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut pace = Pace::new(10.0);
        let turns: Vec<_> = (0..3).map(|_| pace.turn(start) - start).collect();
        assert_eq!(turns, [ms(0), ms(100), ms(200)]);
        let later = start + ms(5_000);
        assert_eq!([pace.turn(later), pace.turn(later)], [later, later + ms(100)]);
        pace.ease(later);
        assert_eq!(pace.turn(later), later + EASE);
        pace.set(0.0);
        pace.turn(later);
        assert_eq!(pace.turn(later), later + EASE + ms(100) + ms(10_000));
    }

    #[test]
    fn an_account_that_cannot_send_says_why() {
        let good = Account {
            production: true,
            enabled: true,
            standing: "HEALTHY".into(),
            per_second: 14.0,
            per_day: Some(50_000.0),
            sent: 49_999.0,
        };
        good.check().unwrap();
        Account { per_day: None, sent: 1e9, ..good.clone() }.check().unwrap();
        let used = Account { sent: 50_000.0, ..good.clone() }.check().unwrap_err();
        assert!(matches!(&used, Error::Retry(text) if text.contains("50000 of 50000")), "{used}");
        let paused = Account { enabled: false, standing: "SHUTDOWN".into(), ..good }.check().unwrap_err();
        assert!(matches!(&paused, Error::Fatal(text) if text.contains("SHUTDOWN")), "{paused}");
    }
}
