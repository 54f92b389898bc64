//! Zipf's law with exponent 1 in integers: rank k is drawn with a weight of
//! 1/k.
//!
//! Drawing is Walker's alias method in Vose's form (M. D. Vose, "A linear
//! algorithm for generating random numbers with a given distribution", IEEE
//! TSE 1991): one number gives a column and a height, and each column holds at
//! most two ranks. Two memory reads a draw, however many ranks there are. All
//! weights are integers, so the table is the same on every machine.

use super::random::{Random, scale};

/// Weight of rank 1. 2^40 over the bound of ten million ranks leaves the last
/// rank a weight of 10^5: rounding moves no share by more than a hundred
/// thousandth of itself. The sum, 2^40 · ln(10^7), stays below 2^45.
const TOP_WEIGHT: u64 = 1 << 40;

/// The law over ranks `0..len`.
pub(super) struct Zipf {
    columns: Vec<Column>,
    /// What each column holds: the ceiling of the mean weight.
    height: u64,
}

/// Below `split` the column is its own rank's, above it is `other`'s.
#[derive(Clone, Copy)]
struct Column {
    split: u64,
    other: u32,
}

impl Zipf {
    /// For at least one rank; `len` is at most [`super::MAX_BETTORS`].
    pub fn new(len: u32) -> Self {
        let count = u64::from(len.max(1));
        // Scaled by the count, the mean weight is the sum of all weights.
        let weights: Vec<u64> = (1..=count).map(weight).collect();
        let height: u64 = weights.iter().sum();
        let mut left: Vec<u128> = weights.iter().map(|weight| u128::from(*weight) * u128::from(count)).collect();
        let whole = u128::from(height);
        let mut columns = vec![Column { split: height, other: 0 }; weights.len()];
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..len.max(1)).partition(|rank| left[*rank as usize] < whole);
        while let (Some(low), Some(&high)) = (small.pop(), large.last()) {
            let kept = left[low as usize];
            // Below `height`, which is a u64.
            columns[low as usize] = Column { split: kept as u64, other: high };
            left[high as usize] -= whole - kept;
            if left[high as usize] < whole {
                large.pop();
                small.push(high);
            }
        }
        Self { columns, height }
    }

    /// Draws a rank: 0 is the most likely.
    pub fn draw(&self, random: &mut Random) -> u32 {
        let column = scale(random.next(), self.columns.len() as u64);
        let level = random.below(self.height);
        let Column { split, other } = self.columns[column as usize];
        // Ranks are below 2^32, and so are columns.
        if level < split { column as u32 } else { other }
    }
}

/// The weight of rank `k`, counted from 1.
pub(super) fn weight(k: u64) -> u64 {
    TOP_WEIGHT / k.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_law() {
        let zipf = Zipf::new(100);
        let mut random = Random::new(7);
        let mut drawn = vec![0u64; 100];
        const DRAWS: u64 = 1_000_000;
        for _ in 0..DRAWS {
            drawn[zipf.draw(&mut random) as usize] += 1;
        }
        let sum: u64 = (1..=100).map(weight).sum();
        for (rank, count) in drawn.iter().enumerate() {
            let expected = DRAWS * (weight(rank as u64 + 1) >> 10) / (sum >> 10);
            // Five standard deviations of a count.
            let slack = 5 * expected.isqrt() + 1;
            assert!(count.abs_diff(expected) < slack, "rank {rank}: {count}, not {expected}");
        }
    }

    #[test]
    fn one_rank_is_always_drawn() {
        let zipf = Zipf::new(1);
        let mut random = Random::new(1);
        assert!((0..100).all(|_| zipf.draw(&mut random) == 0));
    }
}
