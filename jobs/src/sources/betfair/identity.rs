//! Who is who in a replay: ids that follow from the file alone.
//!
//! The exchange publishes matched volume and no bettors. Each increment is
//! therefore given to one of [`BETTORS`] made-up bettors by the bits of its
//! bet id, with a skew as real customers have: the lower the number, the more
//! bets. Their addresses belong to nobody and their mail goes to the reserved
//! domain `example.test`. The same file gives the same ids, however often and
//! at whatever speed it is replayed.

use schemas::ids::{Address, BetId, EventId, QuestionId, StreamId, derive};
use schemas::time::Timestamp;

/// How many bettors share the volume of all files.
pub const BETTORS: u32 = 500;

/// The exchange in the role of the streamer who asks the questions.
pub const STREAMER_NAME: &str = "betfair";

/// A market's question.
pub fn question(market_id: &str) -> QuestionId {
    QuestionId::new(derive("betfair/question", &[market_id.as_bytes()]))
}

/// An event's stream: all markets of one match share it.
pub fn stream(event_id: &str) -> StreamId {
    StreamId::new(derive("betfair/stream", &[event_id.as_bytes()]))
}

/// The bet of a market's `ordinal`-th increment, counted over all its runners.
pub(super) fn bet(market_id: &str, runner: &str, ordinal: u64) -> BetId {
    let parts: [&[u8]; 3] = [market_id.as_bytes(), runner.as_bytes(), &ordinal.to_be_bytes()];
    BetId::new(derive("betfair/bet", &parts))
}

/// The event of `kind` about `subject` at a publish time. All that an event
/// holds follows from these, so the same id is always the same body.
pub(super) fn event(kind: &str, subject: &str, detail: &str, at: Timestamp) -> EventId {
    let parts: [&[u8]; 4] = [kind.as_bytes(), subject.as_bytes(), detail.as_bytes(), &at.millis().to_be_bytes()];
    EventId::new(derive("betfair/event", &parts))
}

/// The streamer's address.
pub fn streamer() -> Address {
    address("betfair/streamer", 0)
}

/// The address of bettor `number`.
pub fn bettor(number: u32) -> Address {
    address("betfair/bettor", number)
}

/// The bettor to whom a bet is given, in `0..BETTORS`. The product of two even
/// draws has density −ln x: half of all bets go to the first fifth or so.
pub(super) fn bettor_of(bet: BetId) -> u32 {
    let bytes = bet.as_bytes();
    let draw = |from: usize| u64::from(u16::from_be_bytes([bytes[from], bytes[from + 1]]));
    // Both draws are below 2^16, so the product is below BETTORS · 2^32, and
    // the shift brings it below BETTORS.
    let product = draw(0) * draw(12) * u64::from(BETTORS);
    u32::try_from(product >> 32).unwrap_or(0)
}

/// An address takes 20 bytes and a derived id has 16: two make one.
fn address(namespace: &str, number: u32) -> Address {
    let mut bytes = [0u8; 20];
    bytes[..16].copy_from_slice(derive(namespace, &[&number.to_be_bytes()]).as_bytes());
    bytes[16..].copy_from_slice(&derive(namespace, &[&number.to_be_bytes(), b"tail"]).as_bytes()[..4]);
    Address::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bettors_are_skewed_and_in_range() {
        let mut bets = vec![0u32; BETTORS as usize];
        for ordinal in 0..20_000 {
            bets[bettor_of(bet("1.1", "7", ordinal)) as usize] += 1;
        }
        let first_fifth: u32 = bets[..100].iter().sum();
        assert!((9_000..12_000).contains(&first_fifth), "{first_fifth}");
        assert!(bets.iter().filter(|count| **count > 0).count() > 450);
    }

    #[test]
    fn addresses_differ() {
        let all: std::collections::BTreeSet<_> = (0..BETTORS).map(bettor).chain([streamer()]).collect();
        assert_eq!(all.len(), 501);
    }
}
