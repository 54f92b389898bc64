//! Simulated days of a cluster on a modelled account: seeds that pass, the same seed twice, bugs that are found.
//!
//! Each test keeps one core busy; what is long is two tests, so that two cores share it.

use std::ops::Range;

use tests::account::{Mutation, Trace};
use tests::simulate::fleet::{World, run, run_traced, shrink};

/// Seeds of the test command; `simulate --fleet --seeds N` has all the others. Among them are those that found something:
/// 28 and 32 a checkpoint of a lease that was let go, 80 a mail that a late write made pending again, 285 a bet that was
/// told as rejected and as accepted, 102 a worker with two works on one shard. A world that is changed gives a seed
/// another course; what it found has a unit test as well, or is a bug of the table, but for 285.
const SEEDS: u64 = 300;
/// Seeds that are run twice.
const TWICE: u64 = 4;
/// Seeds within which a bug must be found.
const WITHIN: u64 = 60;

/// Runs worlds; one that fails is shrunk and told.
fn pass(seeds: impl Iterator<Item = u64>) {
    let mut deaths = 0;
    for seed in seeds {
        let world = World::new(seed);
        let outcome = run(&world);
        deaths += outcome.deaths;
        if outcome.fault.is_some() {
            let (world, outcome) = shrink(&world, outcome);
            let again = format!("again: cargo run --release -p tests --bin simulate -- --fleet --seed {seed}");
            panic!("{again}\nwhat is needed of {world}\n{}", outcome.fault.unwrap_or_default());
        }
    }
    assert!(deaths > 0, "nobody died");
}

#[test]
fn the_first_seeds_pass() {
    pass(0..SEEDS / 2);
}

#[test]
fn the_other_seeds_pass() {
    pass(SEEDS / 2..SEEDS);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..TWICE {
        let trace = || run_traced(&World::new(seed), Trace::whole()).trace;
        let (one, other) = (trace(), trace());
        assert!(one.len() > 1_000, "seed {seed}: {one:?}");
        let differs = one.iter().zip(&other).find(|(one, other)| one != other);
        assert!(one == other, "seed {seed}: {differs:?}");
    }
}

/// Bugs that take more seeds, and from which on they are found: a run must fail after a part of it that sets timers; a
/// request about a mail that waits must arrive once more, and only after the mail was sent.
const RARE: [(Mutation, u64); 2] = [(Mutation::TimersForgotten, 100), (Mutation::OutboxUnranked, 60)];

fn find(bugs: Range<usize>) {
    for bug in &Mutation::ALL[bugs] {
        let fails = |seed: &u64| run(&World { bug: Some(*bug), ..World::new(*seed) }).fault.is_some();
        let from = RARE.iter().find(|(rare, _)| rare == bug).map_or(0, |(_, from)| *from);
        assert!((from..from + WITHIN).any(|seed| fails(&seed)), "{bug:?} went unnoticed by {WITHIN} seeds");
    }
}

#[test]
fn the_first_bugs_are_found() {
    find(0..Mutation::ALL.len() / 2);
}

#[test]
fn the_other_bugs_are_found() {
    find(Mutation::ALL.len() / 2..Mutation::ALL.len());
}
