//! Who shares a row with whom: sets that grow together.

/// Disjoint sets of numbers below a count.
#[derive(Debug)]
pub(super) struct Sets(Vec<usize>);

impl Sets {
    /// Each number alone.
    pub fn new(count: usize) -> Sets {
        Sets((0..count).collect())
    }

    /// The number that stands for a number's set.
    pub fn of(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    /// Makes one set of two; the smaller number stands for it.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b)] = a.min(b);
    }
}
