//! What a replay counted: everything it turned into a bet, and everything it
//! did not, so that nothing is left out in silence.

use schemas::money::Money;

/// Running counts of one market file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Lines that held a message, of whatever kind.
    pub messages: u64,
    /// Markets with a definition.
    pub markets: u64,
    /// Images: messages that replaced a market's book.
    pub images: u64,
    /// Bets yielded.
    pub bets: u64,
    /// Their stakes together.
    pub staked: Money,
    /// Cumulative sizes that went down.
    pub corrections: u64,
    /// Ladder entries that came after their market's first CLOSED.
    pub after_close: u64,
    /// Increases in a market that has no definition yet.
    pub undefined: u64,
    /// Increases on a runner that the market's first definition does not name:
    /// a question's outcomes are fixed once it is open.
    pub unknown_runner: u64,
    /// Increases in LINE and RANGE markets, where a price is no odds.
    pub unpriced: u64,
    /// Runners that came back after they were REMOVED; they stay void.
    pub reinstated: u64,
    /// Messages published before one that stands earlier in the file.
    pub disordered: u64,
}
