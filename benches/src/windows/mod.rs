//! Five-minute windows over the same bets by ours, by peers, and by a bare loop: from bytes to rows,
//! and from batches in memory to rows in memory.
//!
//! The life of a run: [`file`] makes the bets, [`check`] the right answer; every contestant of
//! [`contestant`] is started in turn as a process on the cores it may use and seen by [`measure`];
//! its rows must be the answer; [`table`] prints medians. Every bet counts in its window, however
//! late: contestants that watch the time wait for the ten minutes that no bet exceeds. Rows are written
//! as CSV or Parquet, whichever a contestant is faster at.

mod batches;
mod bets;
mod check;
mod contestant;
mod file;
mod fold;
mod limits;
mod lines;
mod measure;
mod ours;
mod random;
mod row;
mod scan;
mod single_pass;
mod stages;
mod table;
pub mod venv;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use check::Answer;
use clap::Parser;
use contestant::{ALL, Contestant, LIMITS};
pub use contestant::{VERB as CONTESTANT_VERB, run_own};
use file::Dataset;
use measure::Run;
use table::Entry;

const EXAMPLES: &str = "\
Examples:
  cargo run --release -- windows
  cargo run --release -- windows --count 2_000_000 --runs 1 --peers duckdb,polars
  cargo run --release -- windows --cores 1 --peers oddsmill,flink,bytewax=1_000_000

Contestants: oddsmill, flink, pathway, bytewax, duckdb, polars and rust-bytes, from JSON in a file to rows in a file;
oddsmill-arrow, datafusion and rust-structs, from typed bets in memory to rows in memory.
NAME=COUNT gives one its own number of bets over the same day; its rate and its ratio are then per bet.
Unless told so, pathway gets 2,000,000 at most and bytewax 1,000,000. Peers are installed with pip into the target folder on first use; Flink
needs Java 17. Files and environments are kept there.
";

/// Compares who computes five-minute windows over JSON bets, from bytes to rows.
#[derive(Debug, Parser)]
#[command(name = "windows", after_help = EXAMPLES, max_term_width = 110)]
struct Options {
    /// Bets over 24 hours
    #[arg(long, default_value = "20_000_000", value_parser = number)]
    count: u64,
    /// Seed of the bets
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Contestants, separated by commas, each NAME or NAME=COUNT [default: all]
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = choice)]
    peers: Vec<Choice>,
    /// Runs of each
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Numbers of cores
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_name = "LIST")]
    cores: Vec<usize>,
    /// Seconds after which a run is ended and its contestant left out
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    limit: u64,
}

/// A contestant, and its own number of bets where it has one.
#[derive(Debug, Clone)]
struct Choice {
    contestant: Contestant,
    count: Option<u64>,
}

impl Choice {
    /// How many bets it is given.
    fn bets(&self, options: &Options) -> u64 {
        self.count.unwrap_or(options.count.min(self.contestant.at_most))
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("{text} is no count"))
}

fn choice(text: &str) -> Result<Choice, String> {
    let (name, count) = text.split_once('=').map_or((text, None), |(name, count)| (name, Some(count)));
    let contestant = ALL.into_iter().find(|contestant| contestant.name == name);
    let contestant = contestant.ok_or_else(|| format!("{name} is none of the contestants; see --help"))?;
    Ok(Choice { contestant, count: count.map(number).transpose()? })
}

/// The verb `windows`.
pub fn run(arguments: &[String]) {
    let mut options = Options::parse_from([&["windows".to_owned()], arguments].concat());
    if options.peers.is_empty() {
        options.peers = ALL.into_iter().map(|contestant| Choice { contestant, count: None }).collect();
    }
    let bench = Bench::prepare(&options);
    let mut entries = bench.entries();
    for number in 1..=options.runs {
        for entry in entries.iter_mut().filter(|entry| entry.failed.is_none()) {
            match bench.measure(entry) {
                Ok(run) => {
                    println!("run {number} {}", line(entry, &run));
                    entry.runs.push(run);
                }
                Err(why) => {
                    println!("run {number} {} on {} cores failed: {why}", entry.contestant.name, entry.cores);
                    entry.failed = Some(why);
                }
            }
        }
    }
    println!("\nmedians of {} runs, seed {}", options.runs, options.seed);
    table::print(&entries);
    table::print_stages(&entries, &bench.limits());
    assert!(entries.iter().all(|entry| entry.failed.is_none()), "not all contestants gave the answer");
}

fn line(entry: &Entry, run: &Run) -> String {
    let Run { start_s, seconds, cpu_s, peak_mib, stolen_s, .. } = run;
    let Entry { contestant, cores, bets, .. } = entry;
    format!(
        "{:<14} {cores} cores, {bets} bets: start {start_s:.2} s, then {seconds:.2} s, {cpu_s:.1} s of CPU, {peak_mib} MiB, {stolen_s:.1} s stolen",
        contestant.name
    )
}

/// What all runs share.
struct Bench<'a> {
    options: &'a Options,
    target: PathBuf,
    data: HashMap<u64, (Dataset, Answer)>,
}

impl<'a> Bench<'a> {
    /// Installs the peers and makes the files and their answers.
    fn prepare(options: &'a Options) -> Bench<'a> {
        // The program is at `TARGET/release/benches`.
        let target = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
        let mut data = HashMap::new();
        for choice in &options.peers {
            choice.contestant.prepare(&target);
            let count = choice.bets(options);
            data.entry(count).or_insert_with(|| Self::dataset(&target, count, options));
        }
        Bench { options, target, data }
    }

    fn dataset(target: &Path, count: u64, options: &Options) -> (Dataset, Answer) {
        let dataset = Dataset::of(&target.join("bench-data"), count, options.seed);
        options.cores.iter().for_each(|cores| dataset.warm(*cores));
        let answer = Answer::of(&dataset.whole);
        println!("{count} bets, {} bytes a bet, {} rows to find", dataset.bytes() / count, answer.rows);
        (dataset, answer)
    }

    /// Every contestant on every number of cores that it has a use for.
    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for &cores in &self.options.cores {
            for choice in &self.options.peers {
                let (contestant, bets) = (choice.contestant, choice.bets(self.options));
                if cores == 1 || contestant.parallel {
                    entries.push(Entry { contestant, cores, bets, runs: Vec::new(), failed: None });
                }
            }
        }
        entries
    }

    /// The limits of our stages, over the bets that most are given.
    fn limits(&self) -> Entry {
        let bets = self.options.peers.iter().map(|choice| choice.bets(self.options)).max().unwrap();
        let mut limits = Entry { contestant: LIMITS, cores: 1, bets, runs: Vec::new(), failed: None };
        for _ in 0..self.options.runs {
            limits.runs.push(self.run(&limits, |_, _| Ok(())).unwrap());
        }
        limits
    }

    /// One run, and whether its rows are right.
    fn measure(&self, entry: &Entry) -> Result<Run, String> {
        self.run(entry, Answer::check)
    }

    fn run(&self, entry: &Entry, check: impl FnOnce(&Answer, &Path) -> Result<(), String>) -> Result<Run, String> {
        let (dataset, answer) = &self.data[&entry.bets];
        let folder = tempfile::tempdir_in(self.target.join("bench-data")).unwrap();
        let out = folder.path().join("rows");
        fs::create_dir(&out).unwrap();
        let log = self.target.join("bench-data").join(format!("{}.log", entry.contestant.name));
        let command = entry.contestant.command(&self.target, dataset, entry.cores, &out);
        let inputs = dataset.whole.with_extension("");
        let run = measure::run(command, &inputs, &log, Duration::from_secs(self.options.limit))?;
        check(answer, &out)?;
        Ok(run)
    }
}
