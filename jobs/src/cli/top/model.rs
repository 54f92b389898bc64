//! What the live view shows at one moment: plain values, made elsewhere, drawn elsewhere.
//!
//! A snapshot holds no clock and no source, so what is drawn from it can be compared byte for byte.

use schemas::money::Total;
use schemas::odds::Odds;
use schemas::time::Timestamp;
use serde::Serialize;

use super::rates::{Counters, Rates};

/// Windows of history behind each outcome: two and a half hours of five-minute windows.
pub const HISTORY_WINDOWS: usize = 30;
/// Markets shown, the busiest first.
pub const MARKETS: usize = 8;
/// Rows kept of each list of latest things: what a tall terminal shows of one.
pub const LATEST: usize = 24;

/// A pipeline at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// When it was taken, by the clock of who took it.
    pub at: Timestamp,
    /// How psql reaches the tables; nothing where it does not, or where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psql: Option<String>,
    /// Everything that arrived before this is applied; nothing until the first record is, unless
    /// it is known when the first one comes.
    pub pipeline_time: Option<Timestamp>,
    /// For how long the pipeline has run, in milliseconds.
    pub up_ms: i64,
    /// How far the pipeline's time is behind the clock, in milliseconds.
    pub lag_ms: u64,
    /// What it has counted.
    pub counters: Counters,
    /// How fast the counters grow.
    pub rates: Rates,
    /// Markets there are.
    pub markets_known: u64,
    /// Those of them that take bets.
    pub markets_open: u64,
    /// Windows open or not yet final.
    pub open_windows: u64,
    /// The log's shards, by stream and number.
    pub shards: Vec<Shard>,
    /// The busiest markets.
    pub markets: Vec<Market>,
    /// The last settlements, newest first.
    pub settled: Vec<Settled>,
    /// The last mails, newest first.
    pub mails: Vec<Mail>,
    /// What could not be applied.
    pub dead_letters: DeadLetters,
}

/// A shard of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shard {
    /// Its stream.
    pub stream: String,
    /// Its number.
    pub shard: u32,
    /// Records appended to it.
    pub records: u64,
    /// Records not applied yet; nothing where no loop reads the stream.
    pub lag_records: Option<u64>,
    /// How much later the last record arrived than the last one applied, in milliseconds.
    pub lag_ms: Option<i64>,
}

/// A question and where its odds stand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Market {
    /// Its id.
    pub question_uuid: String,
    /// The question in words.
    pub question: String,
    /// Where it stands: open, closed, …
    pub state: String,
    /// Accepted bets.
    pub bets: u64,
    /// Their stakes.
    pub stake: Total,
    /// The possible answers, in their order.
    pub outcomes: Vec<Outcome>,
}

/// One answer to a question, and its odds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The answer in words.
    pub name: String,
    /// Odds of the last bet.
    pub odds: Option<Odds>,
    /// The same in the snapshot before: what has just moved stands out.
    pub odds_before: Option<Odds>,
    /// Odds of the first bet of the newest window.
    pub opened_at: Option<Odds>,
    /// Last odds of each of the latest windows, oldest first, nothing where a window had no bet.
    pub history: Vec<Option<Odds>>,
    /// Accepted bets.
    pub bets: u64,
    /// Their stakes.
    pub stake: Total,
}

impl Outcome {
    /// By how much the odds differ from those of the window before, in millionths. Windows without
    /// a bet are passed over; in the first window of all, the first bet's odds are what was before.
    pub fn moved(&self) -> i64 {
        let Some(now) = self.odds else { return 0 };
        let earlier = self.history.split_last().map_or(&[][..], |(_, earlier)| earlier);
        let before = earlier.iter().rev().find_map(|odds| *odds).or(self.opened_at).unwrap_or(now);
        now.micros().cast_signed() - before.micros().cast_signed()
    }

    /// Whether the odds have changed since the snapshot before.
    pub fn is_fresh(&self) -> bool {
        self.odds_before.is_some() && self.odds != self.odds_before
    }
}

/// A question that was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// When.
    pub at: Timestamp,
    /// The question in words, or its id where nobody knows the words.
    pub question: String,
    /// The answer in words; `void` where there is none.
    pub answer: String,
    /// Bets that won.
    pub won: u64,
    /// Bets that lost.
    pub lost: u64,
    /// Bets whose stakes go back.
    pub void: u64,
    /// Stakes of all of them.
    pub staked: Total,
    /// Payouts and refunds.
    pub returned: Total,
}

/// A mail to a bettor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// When its row was written.
    pub at: Timestamp,
    /// Whom it tells.
    pub to: String,
    /// What it tells: bet_won, …
    pub event: String,
    /// Where it stands: pending, sent, failed, skipped.
    pub state: String,
}

/// Records that could not be applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetters {
    /// How many for each reason, the most first.
    pub by_reason: Vec<(String, u64)>,
    /// The last ones, newest first.
    pub latest: Vec<DeadLetter>,
}

impl DeadLetters {
    /// How many there are.
    pub fn total(&self) -> u64 {
        self.by_reason.iter().map(|(_, count)| count).sum()
    }
}

/// A record that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// When it arrived.
    pub at: Timestamp,
    /// Its place: stream, shard and position.
    pub id: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_are_from_the_window_before() {
        let odds = |hundredths: u64| Odds::from_micros(hundredths * 10_000);
        let moved = |opened, history: &[Option<Odds>]| {
            let of = Outcome {
                name: String::new(),
                odds: odds(185),
                odds_before: None,
                opened_at: opened,
                history: history.to_vec(),
                bets: 0,
                stake: Total::ZERO,
            };
            of.moved() / 10_000
        };
        assert_eq!(moved(odds(200), &[odds(170), odds(180), odds(185)]), 5);
        assert_eq!(moved(odds(200), &[odds(190), None, odds(185)]), -5);
        assert_eq!(moved(odds(200), &[None, None, odds(185)]), -15);
        assert_eq!(moved(None, &[None, odds(185)]), 0);
    }
}
