//! Simulated days: seeds that pass, the same seed twice, and bugs that are found.

use pipeline::fault::Bug;
use tests::simulate::{World, run};

/// Seeds of the test command; `simulate --minutes M` has all the others. What seeds found is among the bugs.
const SEEDS: u64 = 20;
/// Seeds within which a seeded bug must be found.
const WITHIN: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn seeds_pass() {
    let (mut crashes, mut resharded) = (0, 0);
    for seed in 0..SEEDS {
        let world = World::new(seed);
        let outcome = Box::pin(run(&world, None)).await;
        let trace = outcome.trace.join("\n");
        let again = format!("again: cargo run --release -p tests --bin simulate -- --seed {seed}");
        assert_eq!(outcome.fault, None, "seed {seed}:\n{trace}\n{again}");
        crashes += outcome.crashes;
        resharded += usize::from(!world.keeps_shards());
    }
    assert!(crashes > 0 && resharded > 0, "{crashes} crashes, {resharded} with other shards");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_ends_alike_twice() {
    // Where shards change in the middle of it, positions depend on when that was.
    for world in (0..).map(World::new).filter(World::keeps_shards).take(2) {
        let digests = [Box::pin(run(&world, None)).await.digest, Box::pin(run(&world, None)).await.digest];
        assert!(digests[0] != 0 && digests[0] == digests[1], "seed {}: {digests:x?}", world.seed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_seeded_bug_is_found() {
    for bug in Bug::ALL {
        let mut seed = 0;
        while Box::pin(run(&World::new(seed), Some(bug))).await.fault.is_none() {
            seed += 1;
            assert!(seed < WITHIN, "{bug:?} went unnoticed by {WITHIN} seeds");
        }
    }
}
