//! Telling bettors what became of their bets.

pub mod letter;
