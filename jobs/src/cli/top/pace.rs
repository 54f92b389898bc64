//! How often a query may be asked beside a pipeline that has better things to do.
//!
//! A query is asked again once what it looks at has moved, and not before a hundred times as long
//! has passed as it took: so each takes one hundredth of a core at most, however large its tables
//! grow, and nothing where nothing moves.

use pipeline::Arrival;

/// A query waits so many times as long as it took.
const SHARE: i64 = 100;

/// The pace of one query, which looks at things whose state is told by a `K`.
#[derive(Debug)]
pub struct Pace<K> {
    least_ms: i64,
    most_ms: i64,
    due: Arrival,
    seen: Option<K>,
}

impl<K: PartialEq> Pace<K> {
    /// A query that rests between `least_ms` and `most_ms`, and is due now.
    pub fn new(least_ms: i64, most_ms: i64) -> Pace<K> {
        Pace { least_ms, most_ms, due: Arrival::MIN, seen: None }
    }

    /// Whether to ask: something has moved since, and the rest is over.
    pub fn wants(&self, state: &K, now: Arrival) -> bool {
        self.seen.as_ref() != Some(state) && self.due <= now
    }

    /// Notes that the query was asked in this state of things, from when and until when.
    pub fn asked(&mut self, state: K, from: Arrival, to: Arrival) {
        let took = to.0.saturating_sub(from.0).max(0);
        self.due = to.plus_ms(took.saturating_mul(SHARE).clamp(self.least_ms, self.most_ms));
        self.seen = Some(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_query_rests_longer() {
        let at = Arrival;
        let mut pace = Pace::new(1_000, 30_000);
        assert!(pace.wants(&1, at(0)));
        pace.asked(1, at(0), at(5));
        assert!(!pace.wants(&1, at(90_000)), "nothing has moved");
        assert!(!pace.wants(&2, at(1_004)) && pace.wants(&2, at(1_005)));
        pace.asked(2, at(2_000), at(2_050));
        assert!(!pace.wants(&3, at(7_049)) && pace.wants(&3, at(7_050)));
        pace.asked(3, at(10_000), at(14_000));
        assert!(!pace.wants(&4, at(43_999)) && pace.wants(&4, at(44_000)), "thirty seconds at most");
        // A clock that was set back holds nothing up for longer.
        pace.asked(4, at(50_000), at(40_000));
        assert!(pace.wants(&5, at(41_000)));
    }
}
