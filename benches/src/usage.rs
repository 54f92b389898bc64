//! What a run used: wall time, CPU time, peak memory, bytes written.

use std::fmt;
use std::time::Instant;

/// The process' counters at one moment.
pub struct Meter {
    begun: Instant,
    cpu_s: f64,
    written: u64,
    stolen_s: f64,
}

/// The difference between two moments.
#[derive(Debug, Clone)]
pub struct Report {
    pub bets: u64,
    pub wall_s: f64,
    pub cpu_s: f64,
    pub peak_mib: u64,
    pub written: u64,
    /// CPU time that the hypervisor gave to others, over all cores.
    pub stolen_s: f64,
}

impl Meter {
    pub fn start() -> Meter {
        // Resets the high-water mark of resident memory, where the kernel allows it.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Meter {
            begun: Instant::now(),
            cpu_s: cpu_seconds(),
            written: field("/proc/self/io", "write_bytes:"),
            stolen_s: stolen_seconds(),
        }
    }

    pub fn stop(&self, bets: u64) -> Report {
        Report {
            bets,
            wall_s: self.begun.elapsed().as_secs_f64(),
            cpu_s: cpu_seconds() - self.cpu_s,
            peak_mib: field("/proc/self/status", "VmHWM:") / 1024,
            written: field("/proc/self/io", "write_bytes:") - self.written,
            stolen_s: stolen_seconds() - self.stolen_s,
        }
    }
}

impl Report {
    pub fn rate(&self) -> f64 {
        self.bets as f64 / self.wall_s
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9.0} bets/s  {:>6.2} CPU s/million  {:>5} MiB peak  {:>4} bytes written/bet  ({} bets, {:.1} s, {:.1} s of CPU stolen)",
            self.rate(),
            self.cpu_s * 1e6 / self.bets as f64,
            self.peak_mib,
            self.written / self.bets,
            self.bets,
            self.wall_s,
            self.stolen_s
        )
    }
}

/// User and system time of all threads, in seconds, at the kernel's 100 ticks a second.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Steal time of all cores: on a shared machine a run with much of it says little.
pub fn stolen_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let total = stat.lines().next().and_then(|line| line.split_whitespace().nth(8)?.parse().ok());
    total.unwrap_or(0.0) / 100.0
}

fn field(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line[name.len()..].split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
