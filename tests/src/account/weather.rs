//! What goes wrong, and how often: drawn for each seed, some kinds of trouble off and some frequent (swarm
//! testing: Groce et al., ISSTA 2012).

use std::time::Duration;

use crate::random::Random;

/// How often something happens, in so many of a thousand requests.
type Rate = u64;

/// Trouble of an account, while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// A request takes seconds.
    pub slow: Rate,
    /// A request is refused as too many.
    pub throttled: Rate,
    /// The service has trouble of its own.
    pub trouble: Rate,
    /// The connection breaks before the request is there.
    pub dropped: Rate,
    /// The connection breaks after it was done: nobody knows.
    pub lost: Rate,
    /// It is done long after whoever asked has given up.
    pub late: Rate,
    /// It is done and answered, and done again long after: an earlier attempt that was slow on its way.
    pub twice: Rate,
    /// Of a hundred batches, those that are done in part.
    pub partial: u64,
    /// Of a hundred transactions, those that meet another.
    pub conflict: u64,
    /// Of a hundred iterators, those that have expired.
    pub expired: u64,
    /// How long indexes lag behind, at most, in milliseconds.
    pub index_lag_ms: u64,
    /// How long records take until they are read, at most.
    pub read_lag_ms: u64,
    /// How far arrival times of a shard are out of order, at most.
    pub disorder_ms: u64,
}

impl Weather {
    /// A seed's.
    pub fn draw(random: &mut Random) -> Weather {
        let mut rate = |rates: &[u64]| if random.percent(50) { 0 } else { random.pick(rates) };
        Weather {
            slow: rate(&[1, 10, 100]),
            throttled: rate(&[1, 10, 100, 400]),
            trouble: rate(&[1, 10, 100]),
            dropped: rate(&[1, 10, 100]),
            lost: rate(&[1, 10, 100]),
            late: rate(&[1, 10, 30]),
            twice: rate(&[1, 10, 30]),
            partial: rate(&[1, 10, 50]),
            conflict: rate(&[1, 10, 30]),
            expired: rate(&[1, 5]),
            index_lag_ms: rate(&[50, 500, 5_000]),
            read_lag_ms: rate(&[50, 500, 1_500]),
            disorder_ms: rate(&[5, 200]),
        }
    }

    /// For each kind of trouble, the same without it.
    pub fn each_calmer() -> [fn(Weather) -> Weather; 13] {
        [
            |weather| Weather { slow: 0, ..weather },
            |weather| Weather { throttled: 0, ..weather },
            |weather| Weather { trouble: 0, ..weather },
            |weather| Weather { dropped: 0, ..weather },
            |weather| Weather { lost: 0, ..weather },
            |weather| Weather { late: 0, ..weather },
            |weather| Weather { twice: 0, ..weather },
            |weather| Weather { partial: 0, ..weather },
            |weather| Weather { conflict: 0, ..weather },
            |weather| Weather { expired: 0, ..weather },
            |weather| Weather { index_lag_ms: 0, ..weather },
            |weather| Weather { read_lag_ms: 0, ..weather },
            |weather| Weather { disorder_ms: 0, ..weather },
        ]
    }

    /// What becomes of the next request.
    pub fn fate(&self, random: &mut Random) -> Fate {
        let mut draw = random.below(1_000);
        let mut is = |rate: Rate| {
            let hit = draw < rate;
            draw = if hit { 0 } else { draw - rate };
            hit
        };
        let seconds = |random: &mut Random, most: u64| Duration::from_millis(random.below(most * 1_000));
        if is(self.throttled) {
            Fate::Throttled
        } else if is(self.trouble) {
            Fate::Trouble
        } else if is(self.dropped) {
            Fate::Dropped
        } else if is(self.lost) {
            Fate::Lost
        } else if is(self.late) {
            Fate::Late(Duration::from_secs(1) + seconds(random, 60))
        } else if is(self.twice) {
            Fate::Twice(Duration::from_secs(1) + seconds(random, 60))
        } else if is(self.slow) {
            Fate::Done(seconds(random, 8))
        } else {
            Fate::Done(Duration::from_millis(1 + random.below(20)))
        }
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Done and answered after so long.
    Done(Duration),
    /// Refused as too many.
    Throttled,
    /// Refused with 500.
    Trouble,
    /// Not done, and not answered.
    Dropped,
    /// Done, and not answered.
    Lost,
    /// Done after so long, when nobody listens any more.
    Late(Duration),
    /// Done and answered, and done again after so long.
    Twice(Duration),
}
