//! The fold itself: markets interned, one array of sums a window.

use std::collections::VecDeque;

use hashbrown::HashMap;
use schemas::ids::QuestionId;

/// Five minutes.
pub const WINDOW_MS: i64 = 300_000;

/// What a window knows of a market. Odds are millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    pub bets: u64,
    pub sum: u64,
    pub min: u64,
    pub max: u64,
}

impl Sums {
    pub const NONE: Sums = Sums { bets: 0, sum: 0, min: u64::MAX, max: 0 };

    #[inline]
    pub fn add(&mut self, odds: u64) {
        self.bets += 1;
        self.sum += odds;
        self.min = self.min.min(odds);
        self.max = self.max.max(odds);
    }

    /// The average in millionths, rounded half to even.
    pub fn average(&self) -> u64 {
        let (whole, rest) = (self.sum / self.bets, self.sum % self.bets);
        match (2 * rest).cmp(&self.bets) {
            std::cmp::Ordering::Less => whole,
            std::cmp::Ordering::Equal => whole + whole % 2,
            std::cmp::Ordering::Greater => whole + 1,
        }
    }
}

/// A question and an outcome.
pub type Market = (QuestionId, u16);

/// Markets by number, in the order in which they were first seen.
#[derive(Default)]
pub struct Markets {
    numbers: HashMap<Market, u32>,
    pub names: Vec<Market>,
}

impl Markets {
    #[inline]
    pub fn intern(&mut self, market: Market) -> u32 {
        *self.numbers.entry(market).or_insert_with(|| {
            self.names.push(market);
            self.names.len() as u32 - 1
        })
    }

    pub fn find(&self, market: Market) -> Option<u32> {
        self.numbers.get(&market).copied()
    }
}

/// The sums of a window, by market.
#[derive(Debug, Clone)]
pub struct Window {
    pub start: i64,
    pub sums: Vec<Sums>,
}

/// Consecutive windows, the oldest in front.
#[derive(Default)]
pub struct Windows {
    open: VecDeque<Window>,
}

impl Windows {
    #[inline]
    pub fn add(&mut self, placed_at: i64, market: u32, odds: u64) {
        let start = placed_at - placed_at % WINDOW_MS;
        let sums = &mut self.at(start).sums;
        if sums.len() <= market as usize {
            sums.resize(market as usize + 1, Sums::NONE);
        }
        sums[market as usize].add(odds);
    }

    /// Takes the windows that ended at a time or before it, oldest first.
    pub fn ended(&mut self, by: i64) -> impl Iterator<Item = Window> + '_ {
        std::iter::from_fn(move || self.open.pop_front_if(|window| window.start.saturating_add(WINDOW_MS) <= by))
    }

    /// The window of a start.
    pub fn find(&self, start: i64) -> Option<&Window> {
        let first = self.open.front()?.start;
        self.open.get(usize::try_from((start - first) / WINDOW_MS).ok()?)
    }

    /// All windows.
    pub fn iter(&self) -> impl Iterator<Item = &Window> {
        self.open.iter()
    }

    fn at(&mut self, start: i64) -> &mut Window {
        let empty = |start| Window { start, sums: Vec::new() };
        if self.open.is_empty() {
            self.open.push_back(empty(start));
        }
        while self.open[0].start > start {
            self.open.push_front(empty(self.open[0].start - WINDOW_MS));
        }
        let place = ((start - self.open[0].start) / WINDOW_MS) as usize;
        while self.open.len() <= place {
            self.open.push_back(empty(self.open[self.open.len() - 1].start + WINDOW_MS));
        }
        &mut self.open[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_round_half_to_even() {
        for (bets, sum, average) in [(2, 5, 2), (2, 7, 4), (3, 4, 1), (3, 5, 2), (4, 8, 2)] {
            assert_eq!(Sums { bets, sum, ..Sums::NONE }.average(), average);
        }
    }

    #[test]
    fn windows_open_both_ways_and_end_in_order() {
        let mut windows = Windows::default();
        for placed_at in [900_000, 299_999, 1_499_999] {
            windows.add(placed_at, 0, 2_000_000);
        }
        assert_eq!(windows.find(900_000).unwrap().sums[0].bets, 1);
        let ended: Vec<_> = windows.ended(1_200_000).map(|window| window.start).collect();
        assert_eq!(ended, [0, 300_000, 600_000, 900_000]);
        assert_eq!(windows.ended(i64::MAX).count(), 1);
    }
}
