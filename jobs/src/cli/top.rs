//! `oddsmill top`: a running pipeline, live.
//!
//! Reading order: [`model`] is what is shown; [`gather`] reads it; [`draw`] puts it on a screen and
//! [`plain`] on lines; [`screen`] runs the terminal.

mod backend;
mod canvas;
mod cells;
mod draw;
pub mod gather;
mod keys;
mod latest;
mod lists;
pub mod look;
mod markets;
pub mod model;
mod odds;
mod pace;
pub mod plain;
mod rates;
#[cfg(test)]
mod sample;
pub mod screen;
mod settlements;
mod spark;
#[cfg(test)]
mod tests;
mod text;
mod view;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use gather::Gather;
use look::Look;
use model::Snapshot;
use pipeline::{Arrival, Clock, Error};
use screen::ViewError;

use super::Context;
use super::exit::Failure;
use super::output::wants_json_lines;
use super::signals::Signals;
use crate::config::duration::parse_millis;
use crate::control::{Access, Missing, SOCKET_NAME};

/// The shortest interval: shorter ones would measure themselves.
const SHORTEST_MS: i64 = 100;
/// How often a line is printed where standard output is no terminal, in milliseconds.
const LINE_MS: i64 = 5_000;

const EXAMPLES: &str = "\
Examples:
  oddsmill top                      the pipeline of ./oddsmill-data
  oddsmill top --interval 5s --data-dir /var/lib/oddsmill
  oddsmill top | tee progress.log   a line every five seconds instead
  oddsmill top -o jsonl --limit 3   everything shown, as JSON, for scripts

Keys: q quits, p stands still, tab and the arrows choose a panel and a market,
enter shows it alone. NO_COLOR turns colours off. Only what a running pipeline
serves is shown; start one with oddsmill run.
";

/// Watch a running pipeline: odds as they move, settlements, mails, lag
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Top {
    /// How often to look [default: 1s; 5s where standard output is no terminal]
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    interval: Option<i64>,
    /// End after so many lines; a terminal has none
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Top {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let lines = wants_json_lines("top", context.output)?;
        let mut signals = Signals::listen()?;
        let access = Access::open(&context.config, Missing::Refuse).await?;
        if let Access::Local(_) = access {
            let dir = context.config.data_dir.display();
            return Err(Failure::Directory(format!("no pipeline runs on {dir}; start one with `oddsmill run`")));
        }
        let since = since(&context.config.data_dir).unwrap_or_else(|| Clock::System.now());
        let mut gather = Gather::new(&access, Clock::System, since);
        let next = async || gather.next().await;
        let stop = signals.next();
        let every = |default| Duration::from_millis(u64::try_from(self.interval.unwrap_or(default)).unwrap_or(0));
        let ended = if lines {
            plain::follow(every(1000), next, stop, limited(self.limit, plain::json)).await
        } else if screen::is_terminal() {
            let look = Look::of(|name| std::env::var(name).ok());
            screen::run(look, every(1000), next, stop).await
        } else {
            plain::follow(every(LINE_MS), next, stop, limited(self.limit, |shown| Ok(plain::line(shown)))).await
        };
        match ended {
            Ok(_) => Ok(()),
            Err(ViewError::Source(Error::Retry(_))) => {
                context.remark("the pipeline has stopped");
                Ok(())
            }
            Err(ViewError::Source(error)) => Err(error.into()),
            Err(ViewError::Io(cause)) => Err(cause.into()),
            Err(error @ ViewError::Panicked) => Err(Failure::Failed(error.to_string())),
        }
    }
}

/// Since when the pipeline has run: it binds its socket when it starts.
fn since(dir: &Path) -> Option<Arrival> {
    let bound = std::fs::metadata(dir.join(SOCKET_NAME)).ok()?.modified().ok()?;
    let since = bound.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Arrival)
}

fn interval(text: &str) -> Result<i64, String> {
    match parse_millis(text)? {
        millis if millis < SHORTEST_MS => Err(format!("is too short; choose at least {SHORTEST_MS}ms")),
        millis => Ok(millis),
    }
}

/// Prints lines as they come, so many at most; says whether there is room for more.
fn limited(
    limit: Option<u64>,
    line: impl Fn(&Snapshot) -> std::io::Result<String>,
) -> impl FnMut(&Snapshot) -> std::io::Result<bool> {
    let mut left = limit.unwrap_or(u64::MAX);
    move |snapshot| {
        let mut out = std::io::stdout().lock();
        if left > 0 {
            writeln!(out, "{}", line(snapshot)?)?;
            out.flush()?;
        }
        left = left.saturating_sub(1);
        Ok(left > 0)
    }
}
