//! The layout rules of ARCHITECTURE.md, checked: who may name which library, a `//!` at the head
//! of every file, nothing that points up.

use std::path::{Path, PathBuf};

/// A library, and the only folders whose code may name it.
const VENDORS: [(&str, &[&str]); 7] = [
    ("fjall", &["pipeline/src/adapters"]),
    ("aws_sdk_", &["pipeline/src/adapters"]),
    ("rdkafka", &["pipeline/src/adapters"]),
    ("alloy", &["jobs/src/chain"]),
    ("burn", &["models"]),
    ("datafusion", &["pipeline/planner", "pipeline/src/window", "jobs/src/sql"]),
    ("lettre", &["pipeline/src/adapters"]),
];
/// A crate of ours, and those of ours that it may name.
const DEPENDENCIES: [(&str, &[&str]); 5] = [
    ("schemas", &[]),
    ("models", &[]),
    ("pipeline/planner", &[]),
    ("pipeline", &["planner"]),
    ("jobs", &["schemas", "pipeline", "planner", "models"]),
];
const OURS: [&str; 5] = ["schemas", "pipeline", "planner", "jobs", "models"];
/// What runs in simulations that must give the same trace twice.
const SIMULATED: [&str; 8] = [
    "pipeline/src/adapters/aws/",
    "pipeline/src/engine/fleet/",
    "pipeline/src/lease/",
    "jobs/src/bets/",
    "jobs/src/settle/",
    "jobs/src/notify/",
    "jobs/src/cluster.rs",
    "jobs/src/cluster_mail.rs",
];
/// What would make two runs differ. Time and ids are clippy's to watch (`clippy.toml`).
const CHANCE: [&str; 5] = ["thread::", "spawn_blocking", "block_in_place", "RandomState", "fastrand"];
/// Words that the engine does not know.
const BETTING_WORDS: [&str; 5] = ["bettor", "stake", "odds_", "question", "payout"];

fn root() -> PathBuf {
    tests::fixture::project_dir()
}

fn sources(dir: &Path, out: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            out.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

fn all() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for folder in ["schemas", "pipeline", "jobs", "models", "tests", "benches"] {
        sources(&root().join(folder), &mut out);
    }
    assert!(out.len() > 50, "the sources were not found");
    out
}

/// Lines of code: without comments, and without the tests at a file's end.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| !line.trim_start().starts_with("//"))
}

fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"');
        let rest = &line[at + word.len()..];
        before && (rest.starts_with("::") || word.ends_with('_'))
    })
}

#[test]
fn every_file_says_what_it_is() {
    let bare: Vec<_> = all().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(name, _)| name).collect();
    assert!(bare.is_empty(), "files without a //! head: {bare:#?}");
}

#[test]
fn vendors_stay_in_their_folders() {
    let mut broken = Vec::new();
    for (name, text) in all().iter().filter(|(name, _)| !name.starts_with("tests/") && !name.starts_with("benches/")) {
        for (vendor, folders) in VENDORS {
            if folders.iter().any(|folder| name.starts_with(folder)) || name == "pipeline/src/error.rs" {
                continue;
            }
            if let Some(line) = code(text).find(|line| names(line, vendor)) {
                broken.push(format!("{name} names {vendor}: {}", line.trim()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn dependencies_point_one_way() {
    for (krate, allowed) in DEPENDENCIES {
        let manifest = std::fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
        for other in OURS.iter().filter(|other| **other != krate && !allowed.contains(other)) {
            let named = manifest
                .lines()
                .any(|line| line.starts_with(&format!("{other}.")) || line.starts_with(&format!("{other} ")));
            assert!(!named, "{krate}/Cargo.toml names {other}");
        }
    }
}

#[test]
fn the_engine_knows_no_betting_word() {
    let mut broken = Vec::new();
    for (name, text) in all().iter().filter(|(name, _)| name.starts_with("pipeline/")) {
        for line in code(text) {
            for word in BETTING_WORDS {
                if line.to_lowercase().contains(word) {
                    broken.push(format!("{name}: {}", line.trim()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn what_is_simulated_leaves_nothing_to_chance() {
    let mut broken = Vec::new();
    for (name, text) in all().iter().filter(|(name, _)| SIMULATED.iter().any(|of| name.starts_with(of))) {
        let lines: Vec<&str> = code(text).collect();
        for (at, line) in lines.iter().enumerate() {
            if let Some(word) = CHANCE.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{name} has {word}: {}", line.trim()));
            }
            // Without it tokio draws which branch is looked at first.
            if line.ends_with("select! {") && lines.get(at + 1).is_none_or(|next| next.trim() != "biased;") {
                broken.push(format!("{name} has a select! that is not biased"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn nothing_of_this_machine_is_named() {
    let mut names =
        vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned(), ".ci/run".to_owned(), "Cargo.toml".to_owned()];
    names.extend(all().into_iter().map(|(name, _)| name).filter(|name| name != "tests/suite/tidy.rs"));
    for name in names {
        let text = std::fs::read_to_string(root().join(&name)).unwrap();
        for word in ["/work/", "/root/", "../shared"] {
            assert!(!text.contains(word), "{name} names {word}");
        }
    }
}
