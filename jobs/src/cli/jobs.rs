//! The names of jobs on the command line.

use super::exit::Failure;
use crate::config::settings::suggestion;

/// Jobs by name. `bets` and `settle` are parts of one loop, which keeps their order; asking for
/// either runs both.
const JOBS: [(&str, &str); 5] = [
    ("betting", "settle and bets in one order: profiles, windows, questions"),
    ("bets", "part of betting"),
    ("settle", "part of betting"),
    ("notify", "mails about status changes; runs beside betting"),
    ("vision", "what is seen in frames; runs beside betting"),
];

/// Whether a job runs: where nobody chose, or where it is among what was chosen.
pub fn has(names: &[String], job: &str) -> bool {
    names.is_empty() || names.iter().any(|name| name == job)
}

/// Checks that every name is a job's.
pub fn check(names: &[String]) -> Result<(), Failure> {
    for name in names {
        if !JOBS.iter().any(|(job, _)| job == name) {
            let suggestion = suggestion(name, JOBS.iter().map(|(job, _)| *job));
            let list: Vec<String> = JOBS.iter().map(|(job, what)| format!("  {job:<8} {what}")).collect();
            return Err(Failure::Usage(format!("there is no job {name:?}{suggestion}; jobs:\n{}", list.join("\n"))));
        }
    }
    Ok(())
}
