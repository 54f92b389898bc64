//! Bursts: how many mails a person gets at once where too many would cost them all that follow.
//!
//! SNS deactivates an email subscription that gets more than 10 messages a second. So at most
//! [`PER_SECOND`] go to one person in any second, counted until a batch is with the mailer and for a
//! second after; what is over waits, and goes as a digest unless the person wants none ([`instead`]).
//! The counts are not stored: a crash forgets them, and with as many again right after it the second has
//! 10, which is not above.
//!
//! A batch is planned while the one before it is still on its way, so its counts come in three parts:
//! what was sent within the last second, what is on its way (its time is yet to come), and its own.
//! Seconds are the machine's, as they are for SNS, also where a replay runs faster.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pipeline::Arrival;
use schemas::ids::Address;
use schemas::mail::DigestChoice;
use schemas::time::Timestamp;
use tokio::time::Instant;

use super::choose::Choice;
use crate::bets::event_time;

/// Mails of one person within a second, at most: half of what SNS puts up with.
pub const PER_SECOND: u32 = 5;

const SECOND: Duration = Duration::from_secs(1);
const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60_000;

/// Mails by person.
pub type Counts = BTreeMap<Address, u32>;

/// Who got how many lately.
#[derive(Debug)]
pub struct Bursts {
    limit: Option<u32>,
    /// What each batch of the last second came to, when it was out of hand.
    past: VecDeque<(Instant, Counts)>,
}

impl Bursts {
    /// With no limit, everybody has room.
    pub fn new(limit: Option<u32>) -> Bursts {
        Bursts { limit, past: VecDeque::new() }
    }

    /// The room for a batch that is planned now, while another may be on its way.
    pub fn room(&self, now: Instant, on_its_way: Option<&Counts>) -> Room {
        let mut before = Counts::new();
        if self.limit.is_some() {
            let lately = self.past.iter().filter(|(at, _)| *at + SECOND > now).map(|(_, counts)| counts);
            for (address, count) in lately.chain(on_its_way).flatten() {
                *before.entry(*address).or_default() += count;
            }
        }
        Room { limit: self.limit, before, own: Counts::new() }
    }

    /// A batch is out of the mailer's hands, or the mailer failed with it: some may have gone.
    pub fn done(&mut self, now: Instant, counts: Counts) {
        while self.past.front().is_some_and(|(at, _)| *at + SECOND <= now) {
            self.past.pop_front();
        }
        if self.limit.is_some() && !counts.is_empty() {
            self.past.push_back((now, counts));
        }
    }
}

/// How many more mails a batch may have for each person.
#[derive(Debug, Default)]
pub struct Room {
    limit: Option<u32>,
    before: Counts,
    own: Counts,
}

impl Room {
    /// Takes one of a person's places; whether there was one.
    pub fn take(&mut self, address: Address) -> bool {
        let Some(limit) = self.limit else { return true };
        let own = self.own.entry(address).or_default();
        let free = self.before.get(&address).copied().unwrap_or_default() + *own < limit;
        *own += u32::from(free);
        free
    }

    /// The places taken.
    pub fn taken(&self) -> &Counts {
        &self.own
    }
}

/// What becomes of a mail that has no place: it joins what comes at the end of this minute, or, where the
/// person wants no digests, waits for a second.
pub fn instead(digest: Option<DigestChoice>, now: Arrival) -> Choice {
    match digest {
        Some(DigestChoice::Never) => Choice::Wait(event_time(now.plus_ms(SECOND_MS))),
        Some(DigestChoice::Auto | DigestChoice::Always) | None => {
            let minute = event_time(now).millis() / MINUTE_MS;
            Choice::Digest(Timestamp::from_millis_clamped((minute + 1) * MINUTE_MS))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(number: u8) -> Address {
        Address::from_bytes([number; 20])
    }

    /// How many of ten mails of a person find a place.
    fn places(mut room: Room, number: u8) -> (usize, Counts) {
        let places = (0..10).filter(|_| room.take(person(number))).count();
        (places, room.taken().clone())
    }

    #[test]
    fn a_person_has_five_places_in_any_second() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut bursts = Bursts::new(Some(PER_SECOND));
        let (ada, first) = places(bursts.room(start, None), 1);
        assert_eq!(ada, 5);
        // Planned while the first is on its way, however long that takes.
        assert_eq!(places(bursts.room(start + ms(30_000), Some(&first)), 1).0, 0);
        assert_eq!(places(bursts.room(start + ms(30_000), Some(&first)), 2).0, 5);
        bursts.done(start + ms(30_000), first);
        for (after, expected) in [(0, 0), (999, 0), (1_000, 5)] {
            assert_eq!(places(bursts.room(start + ms(30_000 + after), None), 1).0, expected, "{after} ms after");
        }
        // Two from before and two on their way leave one.
        let two = Counts::from([(person(1), 2)]);
        bursts.done(start + ms(40_000), two.clone());
        assert_eq!(places(bursts.room(start + ms(40_500), Some(&two)), 1).0, 1);
        bursts.done(start + ms(50_000), two);
        assert_eq!(bursts.past.len(), 1);
    }

    /// Mails go at any moment between the planning of their batch and its end; whatever those times are, no
    /// second has more than five of one person.
    #[test]
    fn no_second_has_more_than_five_however_slow_the_mailer() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        for seed in 0..200u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = move |most: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % most
            };
            let mut bursts = Bursts::new(Some(PER_SECOND));
            let (mut now, mut sent, mut on_its_way) = (0u64, Vec::new(), Counts::new());
            for _ in 0..40 {
                // While one batch is with the mailer, the next is planned; then the first is over.
                let lasts = next(2_500);
                let planned = now + next(lasts + 1);
                let room = bursts.room(start + ms(planned), Some(&on_its_way));
                sent.extend(
                    (0..on_its_way.get(&person(1)).copied().unwrap_or_default()).map(|_| now + next(lasts + 1)),
                );
                now += lasts;
                bursts.done(start + ms(now), std::mem::replace(&mut on_its_way, places(room, 1).1));
            }
            sent.sort_unstable();
            assert!(sent.len() > 20, "{seed}");
            let crowded = sent.windows(6).find(|six| six[5] - six[0] < 1_000);
            assert_eq!(crowded, None, "seed {seed}");
        }
    }

    #[test]
    fn without_a_limit_everybody_has_room() {
        let mut bursts = Bursts::new(None);
        assert_eq!(places(bursts.room(Instant::now(), None), 1), (10, Counts::new()));
        bursts.done(Instant::now(), Counts::from([(person(1), 9)]));
        assert!(bursts.past.is_empty());
    }

    #[test]
    fn what_is_over_comes_at_the_minutes_end_or_a_second_later() {
        let at = |ms| Timestamp::from_millis(ms).unwrap();
        for (digest, now, expected) in [
            (None, 61_000, Choice::Digest(at(120_000))),
            (Some(DigestChoice::Auto), 119_999, Choice::Digest(at(120_000))),
            (Some(DigestChoice::Always), 120_000, Choice::Digest(at(180_000))),
            (Some(DigestChoice::Never), 61_000, Choice::Wait(at(62_000))),
        ] {
            assert_eq!(instead(digest, Arrival(now)), expected, "{digest:?} {now}");
        }
    }
}
