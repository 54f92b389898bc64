//! The plan of a day: when matches begin and end, and how many bets a minute
//! sees.
//!
//! Betting on a match opens an hour before the kick-off and closes when the
//! match ends. Most matches kick off on the hour, most of all at 20:00, and the
//! largest (rank 1 in Zipf's law) always does.
//!
//! How many bets a minute sees follows from the matches that take bets then:
//! each weighs its Zipf weight, times more the nearer the kick-off and most of
//! all in play. Totals are shared out by cumulative rounding, so the day has
//! exactly `count` bet lines.

use std::collections::BTreeMap;

use super::course::Course;
use super::events::Happening;
use super::people::People;
use super::random::Random;
use super::zipf::weight;

pub(super) const MINUTE_MS: u64 = 60_000;
/// Of a day.
pub(super) const MINUTES: u32 = 24 * 60;

/// Betting opens so many minutes before the kick-off.
pub(super) const OPEN_BEFORE: u32 = 60;

/// A stream goes on for so many minutes after its last match, when everything
/// has been told.
const STREAM_AFTER: u32 = 4;

/// Kick-offs by hour (UTC). None after 21:45: with 127 minutes at most, and the
/// stream's four, every match ends on its day.
const KICK_OFFS: [u32; 24] = [0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 2, 3, 6, 6, 8, 10, 8, 8, 10, 14, 40, 6, 0, 0];

/// Kick-offs in a quarter of the hour: most are on the hour.
const QUARTERS: [u32; 4] = [7, 1, 1, 1];

/// See the module.
pub(super) struct Schedule {
    /// Bet lines of the day.
    pub count: u64,
    /// Questions by the minute of their kick-off.
    pub kick_offs: Vec<Vec<u32>>,
    /// The minute by which a question takes no more bets.
    ends: Vec<u16>,
    /// Streams that begin and end, by minute.
    pub streams: BTreeMap<u32, Vec<Happening>>,
    /// Weights of all bets before each minute, and of the whole day at the end.
    volume: Vec<u128>,
}

impl Schedule {
    pub fn new(count: u64, random: &mut Random, questions: u32, people: &People) -> Self {
        let mut kick_offs = vec![Vec::new(); MINUTES as usize];
        let mut ends = Vec::with_capacity(questions as usize);
        let mut weights = vec![0u128; MINUTES as usize];
        let mut on_air: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for question in 0..questions {
            let minute = if question == 0 { 20 * 60 } else { kick_off(random) };
            kick_offs[minute as usize].push(question);
            let end = minute + Course::of(people.fixture(question)).end / 60;
            // Below 1440.
            ends.push(end as u16);
            let opening = minute.saturating_sub(OPEN_BEFORE);
            for at in opening..end {
                weights[at as usize] += u128::from(weight(u64::from(question) + 1) * interest(at, minute));
            }
            let span = on_air.entry(people.streamer_of(question)).or_insert((opening, end));
            *span = (span.0.min(opening), span.1.max(end));
        }
        let mut streams: BTreeMap<u32, Vec<Happening>> = BTreeMap::new();
        for (streamer, (from, to)) in on_air {
            streams.entry(from).or_default().push(Happening::StreamStarted(streamer));
            streams.entry(to + STREAM_AFTER).or_default().push(Happening::StreamEnded(streamer));
        }
        let mut volume = vec![0];
        volume.extend(weights.iter().scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        }));
        Self { count, kick_offs, ends, streams, volume }
    }

    /// A question's weight among the bets of a minute.
    pub fn weight(&self, minute: u32, kick_off: u32, question: u32) -> u64 {
        if minute >= u32::from(self.ends[question as usize]) {
            return 0;
        }
        // Weights are at most 2^40, and interest 8.
        weight(u64::from(question) + 1) * interest(minute, kick_off)
    }

    /// Bet lines of the day before a minute.
    pub fn due(&self, minute: u32) -> u64 {
        let total = self.volume.last().copied().unwrap_or(0);
        let passed = self.volume.get(minute as usize).copied().unwrap_or(total);
        // Weights of a day stay below 2^45 · 8 · 1440 < 2^60, so the product is
        // below 2^124.
        let due = (u128::from(self.count) * passed).checked_div(total).unwrap_or(0);
        // At most the count.
        u64::try_from(due).unwrap_or(self.count)
    }

    /// Streams that are on the air when a minute begins.
    pub fn on_air(&self, minute: u32) -> Vec<Happening> {
        let mut on_air = BTreeMap::new();
        for happening in self.streams.range(..minute).flat_map(|(_, happenings)| happenings) {
            match happening {
                Happening::StreamStarted(streamer) => on_air.insert(*streamer, *happening),
                Happening::StreamEnded(streamer) => on_air.remove(streamer),
                _ => None,
            };
        }
        on_air.into_values().collect()
    }
}

/// The minute of the day at which a match begins.
fn kick_off(random: &mut Random) -> u32 {
    pick(&KICK_OFFS, random) * 60 + pick(&QUARTERS, random) * 15
}

/// An index drawn by its weight.
fn pick(weights: &[u32], random: &mut Random) -> u32 {
    let mut level = random.below(weights.iter().map(|weight| u64::from(*weight)).sum());
    for (index, weight) in (0u32..).zip(weights) {
        match level.checked_sub(u64::from(*weight)) {
            Some(rest) => level = rest,
            None => return index,
        }
    }
    0
}

/// How much more a match is bet on: in play most, then just before it.
fn interest(minute: u32, kick_off: u32) -> u64 {
    match kick_off.saturating_sub(minute) {
        0 => 8,
        1..=10 => 4,
        11..=30 => 2,
        _ => 1,
    }
}
