//! A decoder under libFuzzer: which one is said by `FUZZ_TARGET`, as `tests/fuzz/run` does.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tests::fuzz::{TARGETS, Target};

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let Some(target) = Target::of(&name) else {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!("FUZZ_TARGET is {name:?}; set it to one of {}", names.join(", "));
            std::process::exit(2);
        };
        TARGET.get_or_init(|| target);
    },
    |bytes: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(bytes);
        }
    }
);
