//! Who takes part, and how each is started: always as a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::file::Dataset;
use super::stages::Seconds;
use super::{limits, ours, single_pass, venv};

/// The verb by which this program runs one of its own contestants.
pub const VERB: &str = "windows-contestant";

/// One who computes the windows.
#[derive(Debug, Clone, Copy)]
pub struct Contestant {
    pub name: &'static str,
    pub kind: &'static str,
    pub from: From,
    program: Program,
    /// Reads one partition a core, not the whole file.
    partitioned: bool,
    /// Has a use for more than one core.
    pub parallel: bool,
    /// The most bets it is given unless asked for: more would take it hours, or all memory.
    pub at_most: u64,
}

/// What a contestant starts from; where its rows end is of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// JSON in a file.
    Bytes,
    /// Typed bets in memory. Only the pass over them counts.
    Memory,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    Own,
    Python(venv::Venv),
}

/// What a contestant says of itself, as the last line of JSON on its standard output.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    pub version: String,
    pub settings: String,
    /// Where only a part of the process' time counts: that part.
    pub pass_s: Option<f64>,
    /// Where the time went, over all threads.
    pub stages: Option<Seconds>,
}

impl Report {
    /// Of a contestant in this program.
    pub fn own() -> Report {
        Report { version: env!("CARGO_PKG_VERSION").into(), ..Report::default() }
    }
}

const fn own(name: &'static str, kind: &'static str, from: From, parallel: bool) -> Contestant {
    Contestant { name, kind, from, program: Program::Own, partitioned: parallel, parallel, at_most: u64::MAX }
}

const fn python(name: &'static str, kind: &'static str, venv: venv::Venv, partitioned: bool) -> Contestant {
    let program = Program::Python(venv);
    Contestant { name, kind, from: From::Bytes, program, partitioned, parallel: true, at_most: u64::MAX }
}

/// In the order of the table.
pub const ALL: [Contestant; 10] = [
    own("oddsmill", "ours", From::Bytes, true),
    python("flink", "streaming", venv::FLINK, true),
    Contestant { at_most: 2_000_000, ..python("pathway", "streaming", venv::PATHWAY, false) },
    Contestant { at_most: 1_000_000, ..python("bytewax", "streaming", venv::BYTEWAX, true) },
    python("duckdb", "batch", venv::BATCH, false),
    python("polars", "batch", venv::BATCH, false),
    own("rust-bytes", "limit", From::Bytes, false),
    own("oddsmill-arrow", "ours", From::Memory, true),
    Contestant { from: From::Memory, ..python("datafusion", "batch", venv::DATAFUSION, true) },
    own("rust-structs", "limit", From::Memory, false),
];

/// Measures the limit of each stage, beside the table.
pub const LIMITS: Contestant = own("limits", "limit", From::Bytes, false);

impl Contestant {
    /// Makes what it needs to start.
    pub fn prepare(&self, target: &Path) {
        if let Program::Python(venv) = self.program {
            venv.prepare(target);
        }
    }

    /// The command that reads the data set on that many cores and writes its rows into a folder.
    pub fn command(&self, target: &Path, data: &Dataset, cores: usize, out: &Path) -> Command {
        let mut command = pinned(cores);
        // Nothing is left beside the scripts.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        match self.program {
            Program::Own => command.arg(std::env::current_exe().unwrap()).args([VERB, self.name]),
            Program::Python(venv) => command.arg(venv.python(target)).arg(script(self.name)),
        };
        let inputs = if self.partitioned { data.partitions(cores) } else { vec![data.whole.clone()] };
        command.args(["--cores", &cores.to_string(), "--output"]).arg(out).args(inputs);
        command
    }
}

/// `taskset` on the first so many cores of those that this process may use.
fn pinned(cores: usize) -> Command {
    let list: Vec<String> = allowed_cores().iter().take(cores).map(usize::to_string).collect();
    assert_eq!(list.len(), cores, "this machine lends fewer cores than --cores asks for");
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &list.join(",")]);
    command
}

/// The cores that this process may run on, from `/proc`: `0-3,8` and the like.
fn allowed_cores() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let ranges = list.trim().split(',').map(|range| range.split_once('-').unwrap_or((range, range)));
    ranges.flat_map(|(from, to)| from.parse().unwrap()..=to.parse().unwrap()).collect()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(format!("{name}_windows.py"))
}

/// Runs one of our own in this process and prints its report: `NAME --cores N --output DIR INPUT…`.
pub fn run_own(arguments: &[String]) {
    let [name, _, _, _, out, inputs @ ..] = arguments else { panic!("{VERB} NAME --cores N --output DIR INPUT…") };
    let inputs: Vec<PathBuf> = inputs.iter().map(PathBuf::from).collect();
    let out = Path::new(out);
    let report = match name.as_str() {
        "oddsmill" => ours::from_json(&inputs, out),
        "oddsmill-arrow" => ours::from_batches(&inputs, out),
        "limits" => limits::measure(&inputs[0], out),
        "rust-bytes" => single_pass::from_bytes(&inputs[0], out),
        "rust-structs" => single_pass::from_structs(&inputs[0], out),
        _ => panic!("{name} is none of ours"),
    };
    println!("{}", serde_json::to_string(&report).unwrap());
}
