//! Python environments of the peers, under the target folder, from the pinned requirements beside
//! their scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An environment: its name, and what is installed in it.
#[derive(Debug, Clone, Copy)]
pub struct Venv {
    name: &'static str,
    requirements: &'static str,
}

/// Streaming peers have one each, since their dependencies contradict each other.
pub const FLINK: Venv = Venv { name: "flink", requirements: include_str!("../../peers/requirements-flink.txt") };
pub const PATHWAY: Venv = Venv { name: "pathway", requirements: include_str!("../../peers/requirements-pathway.txt") };
pub const BYTEWAX: Venv = Venv { name: "bytewax", requirements: include_str!("../../peers/requirements-bytewax.txt") };
pub const DATAFUSION: Venv =
    Venv { name: "datafusion", requirements: include_str!("../../peers/requirements-datafusion.txt") };
/// DuckDB and Polars.
pub const BATCH: Venv = Venv { name: "batch", requirements: include_str!("../../peers/requirements-batch.txt") };

impl Venv {
    pub const fn new(name: &'static str, requirements: &'static str) -> Venv {
        Venv { name, requirements }
    }

    pub fn python(&self, target: &Path) -> PathBuf {
        self.folder(target).join("bin/python")
    }

    /// Makes the environment where it is not there, or of other requirements.
    pub fn prepare(&self, target: &Path) {
        let installed = self.folder(target).join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|text| text == self.requirements) {
            return;
        }
        eprintln!("installing {}", self.requirements.trim().replace('\n', ", "));
        let folder = self.folder(target);
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        let wanted = folder.join("wanted.txt");
        fs::write(&wanted, self.requirements).unwrap();
        run(Command::new(self.python(target)).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&wanted));
        fs::rename(wanted, installed).unwrap();
    }

    fn folder(&self, target: &Path) -> PathBuf {
        target.join("bench-venvs").join(self.name)
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?} failed");
}
