//! How fast counters grow: rates from the counters of two moments.
//!
//! Life of a meter: fed with the counters of each reading → rates over the last few seconds → begun
//! anew where a counter shrinks, since another process counts then.

use std::collections::VecDeque;

use schemas::time::Timestamp;
use serde::Serialize;

/// Rates are over so long: shorter ones jump with every batch.
const OVER_MS: i64 = 5_000;
/// Readings kept, at most: those of [`OVER_MS`] when read four times a second.
const READINGS: usize = 20;

/// What a pipeline has counted since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// When they were read.
    pub at: Timestamp,
    /// Records read from the log.
    pub records: u64,
    /// Bets decided: accepted, or rejected with a row.
    pub bets: u64,
    /// Mails sent; nothing where nobody counts them.
    pub mails: Option<u64>,
    /// Bets settled; nothing while the settlements are still being counted.
    pub settled: Option<u64>,
    /// Records put into the dead letters.
    pub dead_letters: u64,
}

/// Growth a second; nothing where it is not known yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Bets decided.
    pub bets: Option<u64>,
    /// Records read.
    pub records: Option<u64>,
    /// Mails sent.
    pub mails: Option<u64>,
    /// Bets settled.
    pub settled: Option<u64>,
}

impl Rates {
    /// The rates between two readings, rounded to whole numbers.
    pub fn between(before: &Counters, now: &Counters) -> Rates {
        let ms = u64::try_from(now.at.since(before.at)).unwrap_or(0);
        let rate = |before: Option<u64>, now: Option<u64>| {
            let grown = now?.checked_sub(before?)?;
            grown.saturating_mul(1000).saturating_add(ms / 2).checked_div(ms)
        };
        Rates {
            bets: rate(Some(before.bets), Some(now.bets)),
            records: rate(Some(before.records), Some(now.records)),
            mails: rate(before.mails, now.mails),
            settled: rate(before.settled, now.settled),
        }
    }
}

/// Rates over the last seconds of readings.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    readings: VecDeque<Counters>,
}

impl Meter {
    /// Takes a reading; gives the rates since the oldest one that is not too old.
    pub fn read(&mut self, now: Counters) -> Rates {
        if self.readings.back().is_some_and(|last| now.records < last.records || now.bets < last.bets) {
            self.readings.clear();
        }
        // The same reading again says nothing new, and would age the others.
        if self.readings.back().is_none_or(|last| last.at < now.at) {
            self.readings.push_back(now);
        }
        // The one at the edge stays: without it the first rate after a pause has nothing before it.
        while self.readings.len() > READINGS
            || self.readings.get(1).is_some_and(|next| now.at.since(next.at) >= OVER_MS)
        {
            self.readings.pop_front();
        }
        // Where settlements have only now been counted, earlier readings know nothing of them.
        let settled = self.readings.iter().find(|reading| reading.settled.is_some());
        let settled = settled.map_or(Rates::default(), |before| Rates::between(before, &now));
        let rates = self.readings.front().map_or(Rates::default(), |before| Rates::between(before, &now));
        Rates { settled: settled.settled, ..rates }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(ms: i64, bets: u64, settled: Option<u64>) -> Counters {
        let at = Timestamp::from_millis_clamped(ms);
        Counters { at, records: 2 * bets, bets, mails: None, settled, dead_letters: 0 }
    }

    #[test]
    fn rates_are_growth_by_time() {
        let rates = |a, b| Rates::between(&a, &b);
        let got = rates(counters(1000, 100, Some(4)), counters(3000, 2500, Some(7)));
        assert_eq!(got, Rates { bets: Some(1200), records: Some(2400), mails: None, settled: Some(2) });
        // No time has passed, a counter shrank, a count began: nothing is known.
        assert_eq!(rates(counters(1000, 1, None), counters(1000, 9, None)).bets, None);
        assert_eq!(rates(counters(1000, 9, None), counters(2000, 1, None)).bets, None);
        assert_eq!(rates(counters(1000, 9, None), counters(2000, 9, Some(5))).settled, None);
        assert_eq!(rates(counters(1000, 9, None), counters(2000, 9, None)).bets, Some(0));
    }

    #[test]
    fn a_meter_looks_back_a_few_seconds() {
        let mut meter = Meter::default();
        assert_eq!(meter.read(counters(0, 0, None)).bets, None);
        for second in 1..=10 {
            assert_eq!(meter.read(counters(second * 1000, second.unsigned_abs() * 50, None)).bets, Some(50));
        }
        assert_eq!(meter.read(counters(10_000, 500, None)).bets, Some(50), "the same reading again");
        // A burst counts for its part of the five seconds, and is forgotten after them.
        assert_eq!(meter.read(counters(11_000, 800, None)).bets, Some((800 - 300) / 5));
        assert_eq!(meter.read(counters(60_000, 800, None)).bets, Some(0));
        // Another process counts from nothing.
        assert_eq!(meter.read(counters(61_000, 10, None)).bets, None);
        assert_eq!(meter.read(counters(62_000, 20, Some(9))).settled, None);
        assert_eq!(meter.read(counters(63_000, 30, Some(19))).settled, Some(10));
    }
}
