//! The view without a terminal: a line of progress every few seconds.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::model::Snapshot;
use super::screen::{Ended, ViewError};
use super::text::{clock, span};
use crate::cli::output::{counted, grouped};

/// One line about a snapshot: what moves, then what stands. What is not known is left out.
pub fn line(snapshot: &Snapshot) -> String {
    let lag = i64::try_from(snapshot.lag_ms).unwrap_or(i64::MAX);
    let counters = &snapshot.counters;
    let parts = [
        Some(clock(snapshot.pipeline_time.unwrap_or(snapshot.at))),
        snapshot.rates.bets.map(|rate| format!("{} bets/s", grouped(rate))),
        Some(format!("lag {}", span(lag))),
        Some(counted(snapshot.markets_known, "market")),
        Some(format!("open windows {}", grouped(snapshot.open_windows))),
        counters.settled.map(|settled| format!("settled {}", grouped(settled))),
        counters.mails.map(|mails| format!("mails {}", grouped(mails))),
        Some(format!("dead letters {}", grouped(counters.dead_letters))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// All of a snapshot as one JSON object.
pub fn json(snapshot: &Snapshot) -> io::Result<String> {
    serde_json::to_string(snapshot).map_err(io::Error::from)
}

/// Prints snapshots until `stop`, or until `print` says that there were enough. `next` is called
/// `every` so long after its last call.
///
/// # Errors
/// The source's first one, and what `print` meets.
pub async fn follow<E>(
    every: Duration,
    mut next: impl AsyncFnMut() -> Result<Snapshot, E>,
    stop: impl Future<Output = ()>,
    mut print: impl FnMut(&Snapshot) -> io::Result<bool>,
) -> Result<Ended, ViewError<E>> {
    let mut stop = pin!(stop);
    let mut due = Instant::now();
    loop {
        let reading = async {
            sleep_until(due).await;
            next().await
        };
        let snapshot = tokio::select! {
            () = &mut stop => return Ok(Ended::Stopped),
            snapshot = reading => snapshot.map_err(ViewError::Source)?,
        };
        // A reading that took longer than the interval is not made up for.
        due = (due + every).max(Instant::now());
        if !print(&snapshot)? {
            return Ok(Ended::Stopped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::sample::snapshot;

    #[test]
    fn a_line_says_what_moves() {
        let mut snapshot = snapshot();
        assert_eq!(
            line(&snapshot),
            "20:01:00  1,204 bets/s  lag 3 ms  312 markets  open windows 4  settled 1,203  mails 2,011  dead letters 3"
        );
        (snapshot.rates, snapshot.counters.mails, snapshot.counters.settled) = (Default::default(), None, None);
        (snapshot.pipeline_time, snapshot.markets_known, snapshot.lag_ms) = (None, 1, 90_000);
        assert_eq!(line(&snapshot), "20:01:03  lag 1m30s  1 market  open windows 4  dead letters 3");
    }

    #[tokio::test]
    async fn lines_come_until_enough() {
        let mut lines = Vec::new();
        let next = async || Ok::<_, String>(snapshot());
        let print = |snapshot: &Snapshot| {
            lines.push(line(snapshot));
            Ok(lines.len() < 3)
        };
        let ended = follow(Duration::ZERO, next, std::future::pending(), print).await.unwrap();
        assert_eq!((ended, lines.len()), (Ended::Stopped, 3));
    }
}
