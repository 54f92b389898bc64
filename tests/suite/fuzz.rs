//! Every decoder against its corpus and seeded mutations of it. What looks for new code is `tests/fuzz`.

use tests::fuzz::{TARGETS, Target};

/// What mutations follow from.
const SEED: u64 = 7;
/// Targets that ask a node, and are slower.
const ASKED: [&str; 2] = ["sql", "postgres"];

fn run(those: impl Fn(&Target) -> bool) {
    TARGETS.iter().filter(|target| those(target)).for_each(|target| target.short_run(SEED));
}

#[test]
fn decoders_take_whatever_comes() {
    run(|target| !ASKED.contains(&target.name));
}

#[test]
fn statements_and_connections_are_whatever_comes() {
    run(|target| ASKED.contains(&target.name));
}
