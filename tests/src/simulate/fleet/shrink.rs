//! What of a failing world is needed: deeds, kinds of weather, outages and clocks' differences are left out while it
//! still fails.

use super::{Outcome, World, run};
use crate::account::Weather;

/// Runs that it takes, at most.
const MOST_RUNS: usize = 200;

/// The smallest world found that fails, and how it does.
pub fn shrink(world: &World, outcome: Outcome) -> (World, Outcome) {
    let mut best = Best { world: world.clone(), outcome, runs: 0 };
    let mut step = best.world.deeds.len();
    while step > 0 {
        let mut from = 0;
        while from < best.world.deeds.len() {
            let mut smaller = best.world.clone();
            smaller.deeds.drain(from..(from + step).min(smaller.deeds.len()));
            if !best.take(smaller) {
                from += step;
            }
        }
        step /= 2;
    }
    for calmer in Weather::each_calmer() {
        let weather = calmer(best.world.weather);
        let world = best.world.clone();
        best.take(World { weather, ..world });
    }
    for at in (0..best.world.outages.len()).rev() {
        let mut smaller = best.world.clone();
        smaller.outages.remove(at);
        best.take(smaller);
    }
    let simpler: [fn(World) -> World; 6] = [
        |world| World { quiet_ms: None, ..world },
        |world| World { bounces: false, ..world },
        |world| World { skew_ms: 0, ..world },
        |world| World { aggregate: false, ..world },
        |world| World { workers: 1, ..world },
        |world| World { shards: 1, ..world },
    ];
    for simpler in simpler {
        best.take(simpler(best.world.clone()));
    }
    (best.world, best.outcome)
}

struct Best {
    world: World,
    outcome: Outcome,
    runs: usize,
}

impl Best {
    /// Takes a world that fails as well.
    fn take(&mut self, smaller: World) -> bool {
        if self.runs == MOST_RUNS || smaller == self.world {
            return false;
        }
        self.runs += 1;
        let outcome = run(&smaller);
        let fails = outcome.fault.is_some();
        if fails {
            (self.world, self.outcome) = (smaller, outcome);
        }
        fails
    }
}
