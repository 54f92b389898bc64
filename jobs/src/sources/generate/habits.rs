//! What a bettor usually does: how much, when, and whose matches.
//!
//! All of it follows from the seed and the bettor's number, so nothing is
//! stored for ten million of them.

use super::random::{Random, hash, scale};
use super::zipf::Zipf;

/// Stakes that people choose, in hundredths, and how many of a hundred bettors
/// have each as their usual one: many fives and tens, few five hundreds.
const LADDER: [(u64, u64); 11] = [
    (100, 6),
    (200, 10),
    (500, 28),
    (1_000, 27),
    (2_000, 12),
    (2_500, 6),
    (5_000, 6),
    (10_000, 3),
    (20_000, 1),
    (25_000, 0),
    (50_000, 1),
];
/// Of a hundred bets: on the rung below, on the rung above, or an odd amount.
const LESS: u64 = 12;
const MORE: u64 = 10;
const ODD: u64 = 9;

/// See the module.
pub(super) struct Habits {
    key: u64,
    bettors: u32,
    streamers: u32,
    activity: Zipf,
}

impl Habits {
    pub fn new(key: u64, bettors: u32, streamers: u32) -> Self {
        Self { key, bettors, streamers: streamers.max(1), activity: Zipf::new(bettors) }
    }

    /// Anybody, by activity alone.
    pub fn anybody(&self, random: &mut Random) -> u32 {
        self.activity.draw(random)
    }

    /// Who bets at an hour on a streamer's match. One bet in three comes from
    /// the streamer's own followers; who is asleep is drawn again, twice at
    /// most, so that a night has night owls.
    pub fn bettor(&self, hour: u32, streamer: u32, random: &mut Random) -> u32 {
        let mut bettor = self.activity.draw(random);
        for _ in 0..2 {
            if self.is_awake(bettor, hour) {
                break;
            }
            bettor = self.activity.draw(random);
        }
        if random.below(3) > 0 {
            return bettor;
        }
        // The nearest rank whose favourite it is: as active as the one drawn.
        let fan = bettor - bettor % self.streamers + streamer % self.streamers;
        if fan < self.bettors { fan } else { bettor }
    }

    /// Six of ten bet in the evening only, three at any time, one by day.
    fn is_awake(&self, bettor: u32, hour: u32) -> bool {
        match scale(hash(!self.key, bettor.into()), 10) {
            0..6 => (17..24).contains(&hour),
            6..9 => true,
            _ => (7..18).contains(&hour),
        }
    }

    /// A stake in hundredths: the bettor's usual one, a rung beside it, or an
    /// odd amount near it.
    pub fn stake_cents(&self, bettor: u32, random: &mut Random) -> u64 {
        let rung = usual(scale(hash(self.key, bettor.into()), 100));
        let level = random.below(100);
        let stake = |rung: usize| LADDER[rung.min(LADDER.len() - 1)].0;
        match level {
            _ if level < LESS => stake(rung.saturating_sub(1)),
            _ if level < LESS + MORE => stake(rung + 1),
            _ if level < LESS + MORE + ODD => (stake(rung) * (60 + random.below(80)) + random.below(100)) / 100,
            _ => stake(rung),
        }
    }
}

/// The rung of a bettor, by a number below 100.
fn usual(mut level: u64) -> usize {
    for (rung, (_, share)) in LADDER.iter().enumerate() {
        match level.checked_sub(*share) {
            Some(rest) => level = rest,
            None => return rung,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stakes_are_mostly_small_and_round() {
        let habits = Habits::new(1, 10_000, 1);
        let mut random = Random::new(2);
        let stakes: Vec<u64> = (0..50_000).map(|number| habits.stake_cents(number % 10_000, &mut random)).collect();
        let share =
            |wanted: fn(u64) -> bool| stakes.iter().filter(|stake| wanted(**stake)).count() * 100 / stakes.len();
        assert!((35..65).contains(&share(|stake| stake == 500 || stake == 1_000)));
        assert!((1..4).contains(&share(|stake| stake >= 20_000)));
        assert!((85..97).contains(&share(|stake| LADDER.iter().any(|(round, _)| *round == stake))));
        assert!(stakes.iter().all(|stake| (60..=70_000).contains(stake)));
    }

    #[test]
    fn followers_bet_on_their_streamer() {
        let habits = Habits::new(1, 1_000, 10);
        let mut random = Random::new(2);
        let fans = (0..10_000).filter(|_| habits.bettor(20, 7, &mut random) % 10 == 7).count();
        assert!((3_600..4_400).contains(&fans), "{fans}");
    }
}
