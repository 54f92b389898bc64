//! The results: medians, ratios to ours, and what was measured with which settings.

use super::contestant::Contestant;
use super::measure::Run;
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
        "\n{:<13} {:<9} {:>5} {:>11} {:>8} {:>8} {:>7} {:>8} {:>8} {:>9}",
        "", "kind", "cores", "bets", "start s", "seconds", "M/s", "× ours", "CPU s/M", "peak MiB"
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
    print!("{:<13} {:<9} {cores:>5} {bets:>11}", contestant.name, contestant.kind);
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

/// How many times our time for a bet an entry takes, on as many cores.
fn ratio(entry: &Entry, entries: &[Entry]) -> String {
    let ours = entries.iter().find(|other| {
        other.contestant.kind == "ours"
            && other.cores == entry.cores
            && !other.runs.is_empty()
            && other.failed.is_none()
    });
    ours.map_or("-".to_owned(), |ours| format!("{:.2}", entry.per_million() / ours.per_million()))
}
