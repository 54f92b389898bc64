//! Fuzzing: every decoder of what comes from outside, as a function of bytes that must neither panic nor hang, and
//! whose answers must be able to come back.
//!
//! ```text
//! tests/corpus/TARGET/* ─┬─► the suite: each file, and seeded mutations of them
//!                        └─► libFuzzer (tests/fuzz), which looks for what reaches new code
//! ```

mod decoders;
mod mutate;
mod sql;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::random::Random;

/// A decoder.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is its folder's as well.
    pub name: &'static str,
    /// Decodes, and panics where something does not hold.
    pub run: fn(&[u8]),
    /// Mutations of a short run.
    pub mutations: u64,
}

/// Every one.
pub const TARGETS: [Target; 12] = [
    Target { name: "events", run: decoders::events, mutations: 60_000 },
    Target { name: "aggregates", run: decoders::aggregates, mutations: 60_000 },
    Target { name: "rows", run: decoders::rows, mutations: 60_000 },
    Target { name: "betfair", run: decoders::betfair, mutations: 12_000 },
    Target { name: "configuration", run: decoders::configuration, mutations: 6_000 },
    Target { name: "windows", run: decoders::windows, mutations: 300 },
    Target { name: "images", run: decoders::images, mutations: 6_000 },
    Target { name: "weights", run: decoders::weights, mutations: 30_000 },
    Target { name: "bounces", run: decoders::bounces, mutations: 60_000 },
    Target { name: "control", run: decoders::control, mutations: 60_000 },
    Target { name: "sql", run: sql::query, mutations: 300 },
    Target { name: "postgres", run: sql::postgres, mutations: 300 },
];

impl Target {
    /// The target of a name.
    pub fn of(name: &str) -> Option<Target> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// Its folder of inputs.
    pub fn corpus(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name)
    }

    /// Its inputs, in the order of their names.
    ///
    /// # Panics
    /// Where there is none.
    pub fn inputs(&self) -> Vec<Vec<u8>> {
        let folder = self.corpus();
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("a corpus").path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} has no input", folder.display());
        paths.iter().map(|path| fs::read(path).expect("an input")).collect()
    }

    /// Every input, and so many mutations of them by a seed.
    ///
    /// # Panics
    /// With the folder of the input that broke something.
    pub fn short_run(&self, seed: u64) {
        let (inputs, mut random) = (self.inputs(), Random::new(seed));
        inputs.iter().for_each(|input| self.try_one(input));
        for _ in 0..self.mutations {
            self.try_one(&mutate::mutated(&inputs, &mut random));
        }
    }

    fn try_one(&self, input: &[u8]) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.run)(input))) {
            let kept = std::env::temp_dir().join(format!("oddsmill-fuzz-{}", self.name));
            let written = fs::write(&kept, input);
            eprintln!(
                "{} is broken by {} ({written:?}); keep it in {}",
                self.name,
                kept.display(),
                self.corpus().display()
            );
            std::panic::resume_unwind(panic);
        }
    }
}
