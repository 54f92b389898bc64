//! A contestant's process and its children, seen from outside: the same measure for all.
//!
//! Start-up lasts until one of them opens an input. Memory is what they hold of their own, without
//! the page cache behind files mapped into memory; CPU time is that of all of them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::contestant::Report;
use crate::usage::stolen_seconds;

/// How often a process is looked at while it starts, and afterwards.
const STARTING: Duration = Duration::from_millis(4);
const RUNNING: Duration = Duration::from_millis(50);

/// What a run took.
#[derive(Debug, Clone)]
pub struct Run {
    /// Until the first input was opened.
    pub start_s: f64,
    /// From then to the end of the process.
    pub seconds: f64,
    pub cpu_s: f64,
    pub peak_mib: u64,
    pub stolen_s: f64,
    pub report: Report,
}

/// Runs a command to its end. Its output goes to `log`.
///
/// # Errors
/// Says so where it failed or took longer than the limit.
pub fn run(mut command: Command, inputs: &Path, log: &Path, limit: Duration) -> Result<Run, String> {
    let output = File::create(log).unwrap();
    command.stdin(std::process::Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let stolen = stolen_seconds();
    let begun = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut seen = Seen::default();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        seen.look(child.id(), inputs, begun);
        if begun.elapsed() > limit {
            seen.kill_all();
            child.wait().unwrap();
            return Err(format!("took more than {} s", limit.as_secs()));
        }
        std::thread::sleep(if seen.opened.is_some() { RUNNING } else { STARTING });
    };
    let total = begun.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("{status}; its output is in {}", log.display()));
    }
    let report = report(log)?;
    let start = report.pass_s.map_or(seen.opened.unwrap_or(0.0), |pass| total - pass);
    Ok(Run {
        start_s: start,
        seconds: total - start,
        cpu_s: seen.cpu_ticks.values().sum::<u64>() as f64 / 100.0,
        peak_mib: seen.peak_kib / 1024,
        stolen_s: stolen_seconds() - stolen,
        report,
    })
}

/// The last line that is a JSON object.
fn report(log: &Path) -> Result<Report, String> {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
    let line = text.lines().rev().find(|line| line.starts_with('{')).ok_or("it printed no report")?;
    serde_json::from_str(line).map_err(|error| format!("its report {line}: {error}"))
}

/// What was seen of the processes so far.
#[derive(Default)]
struct Seen {
    opened: Option<f64>,
    peak_kib: u64,
    cpu_ticks: HashMap<u32, u64>,
}

impl Seen {
    fn look(&mut self, root: u32, inputs: &Path, begun: Instant) {
        let family = family(root);
        if self.opened.is_none() && family.iter().any(|pid| has_open(*pid, inputs)) {
            self.opened = Some(begun.elapsed().as_secs_f64());
        }
        self.peak_kib = self.peak_kib.max(family.iter().map(|pid| anonymous_kib(*pid)).sum());
        self.cpu_ticks.extend(family.iter().map(|pid| (*pid, ticks(*pid))).filter(|(_, ticks)| *ticks > 0));
    }

    fn kill_all(&self) {
        for pid in self.cpu_ticks.keys().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
    }
}

/// A process and all below it.
fn family(root: u32) -> Vec<u32> {
    let mut family = vec![root];
    let mut next = 0;
    while next < family.len() {
        for task in entries(&format!("/proc/{}/task", family[next])) {
            let children = fs::read_to_string(task.join("children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        next += 1;
    }
    family
}

/// Whether a process has a file open, or mapped into memory, whose path begins like the inputs'.
fn has_open(pid: u32, inputs: &Path) -> bool {
    let inputs = inputs.to_str().unwrap();
    let mut links = entries(&format!("/proc/{pid}/fd")).into_iter().filter_map(|entry| fs::read_link(entry).ok());
    links.any(|link| link.to_str().is_some_and(|link| link.starts_with(inputs)))
        || fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains(inputs))
}

fn entries(folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn anonymous_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// User and system time of a process' threads, at the kernel's 100 ticks a second.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(11..13).map_or(0, |times| times.iter().filter_map(|time| time.parse::<u64>().ok()).sum())
}
