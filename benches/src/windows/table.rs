//! The results: medians, ratios to ours, where our time goes, and what was measured with which settings.

use super::contestant::{Contestant, From};
use super::measure::Run;
use super::stages::NAMES;
use crate::median;

/// All runs of a contestant on a number of cores, or why there are none.
pub struct Entry {
    pub contestant: Contestant,
    pub cores: usize,
    pub bets: u64,
    pub runs: Vec<Run>,
    pub failed: Option<String>,
}

impl Entry {
    fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        median(&mut self.runs.iter().map(of).collect::<Vec<_>>())
    }

    /// Seconds for a million bets.
    fn per_million(&self) -> f64 {
        self.median(|run| run.seconds) * 1e6 / self.bets as f64
    }
}

/// Prints the table of all entries, then their versions and settings.
pub fn print(entries: &[Entry]) {
    println!(
        "\n{:<14} {:<9} {:<6} {:>5} {:>11} {:>8} {:>8} {:>7} {:>8} {:>8} {:>9}",
        "", "kind", "from", "cores", "bets", "start s", "seconds", "M/s", "× ours", "CPU s/M", "peak MiB"
    );
    for entry in entries {
        print_entry(entry, entries);
    }
    println!();
    for entry in entries.iter().filter(|entry| !entry.runs.is_empty()) {
        let report = &entry.runs[0].report;
        println!("{} {} on {}: {}", entry.contestant.name, report.version, entry.cores, report.settings);
    }
}

fn print_entry(entry: &Entry, entries: &[Entry]) {
    let Entry { contestant, cores, bets, .. } = entry;
    let from = match contestant.from {
        From::Bytes => "bytes",
        From::Memory => "memory",
    };
    print!("{:<14} {:<9} {from:<6} {cores:>5} {bets:>11}", contestant.name, contestant.kind);
    match &entry.failed {
        Some(failed) => println!("  {failed}"),
        None => println!(
            " {:>8.2} {:>8.2} {:>7.3} {:>8} {:>8} {:>9.0}",
            entry.median(|run| run.start_s),
            entry.median(|run| run.seconds),
            1.0 / entry.per_million(),
            ratio(entry, entries),
            cpu(entry),
            entry.median(|run| run.peak_mib as f64)
        ),
    }
}

/// CPU seconds for a million bets, start-up included; none where only a part of the process counts.
fn cpu(entry: &Entry) -> String {
    let whole = entry.runs.iter().all(|run| run.report.pass_s.is_none());
    let cpu_s = entry.median(|run| run.cpu_s) * 1e6 / entry.bets as f64;
    if whole { format!("{cpu_s:.2}") } else { "-".to_owned() }
}

/// How many times our time for a bet an entry takes, from the same on as many cores.
fn ratio(entry: &Entry, entries: &[Entry]) -> String {
    let ours = entries.iter().find(|other| {
        other.contestant.kind == "ours"
            && other.contestant.from == entry.contestant.from
            && other.cores == entry.cores
            && !other.runs.is_empty()
            && other.failed.is_none()
    });
    ours.map_or("-".to_owned(), |ours| format!("{:.2}", entry.per_million() / ours.per_million()))
}

/// Prints the nanoseconds that a bet spends in each stage of ours, beside the stage's limit.
pub fn print_stages(entries: &[Entry], limits: &Entry) {
    println!("\nwhere the time goes, in ns of a core a bet, and what the least work of a stage takes on one core");
    print!("{:<16} {:>5}", "", "cores");
    NAMES.iter().for_each(|name| print!(" {name:>12}"));
    println!(" {:>12}", "sum");
    for entry in entries.iter().filter(|entry| entry.runs.iter().any(|run| run.report.stages.is_some())) {
        print_row(entry, true);
    }
    print_row(limits, false);
}

fn print_row(entry: &Entry, shares: bool) {
    let stage = |number: usize| entry.median(|run| run.report.stages.map_or(0.0, |stages| stages[number]));
    let nanos = [0, 1, 2, 3, 4, 5].map(|number| stage(number) * 1e9 / entry.bets as f64);
    let sum: f64 = nanos.iter().sum();
    print!("{:<16} {:>5}", entry.contestant.name, entry.cores);
    for nanos in nanos {
        let share = if shares { format!("{:3.0} %", nanos * 100.0 / sum) } else { String::new() };
        print!(" {nanos:>6.1} {share:>5}");
    }
    println!(" {sum:>12.1}");
}
