//! What happened, request by request: the last ones as text, all of them as a hash.

use std::collections::VecDeque;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Lines that are kept.
const KEPT: usize = 400;

/// The trace of an account.
#[derive(Debug, Default)]
pub struct Trace {
    last: VecDeque<String>,
    /// Whether all lines are kept.
    whole: bool,
    hash: u64,
    count: u64,
}

impl Trace {
    /// One that keeps every line.
    pub fn whole() -> Trace {
        Trace { whole: true, ..Trace::default() }
    }

    /// Whether every line is kept: then there is room for what was asked as well.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Adds a line.
    pub fn add(&mut self, line: String) {
        self.hash = xxh3_64_with_seed(line.as_bytes(), self.hash);
        self.count += 1;
        if self.last.len() == KEPT && !self.whole {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// A hash of all lines, and how many they are.
    pub fn digest(&self) -> (u64, u64) {
        (self.hash, self.count)
    }

    /// The lines that are kept.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }
}
