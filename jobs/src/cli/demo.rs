//! `oddsmill demo`: a match day through every job, alive within seconds, with nothing to set up.
//!
//! A generated day (see [`crate::sources::generate`]) is played by a clock that runs faster than the
//! wall's: a minute a second unless told otherwise, from a little before the evening's peak. The rest
//! is the product: the log, the jobs, the socket, the mails.

mod player;
mod rounds;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use pipeline::{Arrival, Clock};
use schemas::time::Timestamp;
use tokio::time::{sleep, timeout};

use super::Context;
use super::answers::cells;
use super::exit::Failure;
use super::next::try_next;
use super::output::{counted, grouped, stdout, wants_json_lines};
use super::signals::Signals;
use super::top::gather::Gather;
use super::top::look::Look;
use super::top::screen::{self, ViewError};
use super::top::{model::Snapshot, plain};
use crate::config::duration::parse_millis;
use crate::control::access::open_alone;
use crate::control::{Access, Mode, Server};
use crate::node::{Node, Running};
use crate::sources::generate::{Defects, MatchDay, Params};
use crate::sql::postgres::Endpoint;
use player::Player;
use rounds::Rounds;

/// In the data directory of a demo: it may be thrown away.
const MARKER: &str = "DEMO";
/// People who bet, and questions of a day.
const BETTORS: u32 = 5_000;
const QUESTIONS: u32 = 150;
/// A day on which sources soon contradict each other, so that there is something to decide.
const SEED: u64 = 4;
/// The minute of the day at which the demo begins: the evening's matches open.
const FIRST_MINUTE: u32 = 19 * 60;
const DAY_MS: i64 = 86_400_000;

const EXAMPLES: &str = "\
Examples:
  oddsmill demo                         until q or Ctrl-C
  oddsmill demo --for 60s --rate 2000   2,000 bets a second at the peak
  oddsmill demo --speed 600 --seed 7    another day, ten times as fast
  oddsmill demo | tee demo.log          lines instead of the live view
  oddsmill demo --for 1m -o jsonl       all that the view shows, as JSON lines

A minute of the day takes a second. It begins in the evening, goes on through
the quiet night, and the next day follows with matches of its own. The data
directory is thrown away by the next demo, so only an empty one or an earlier
demo's is taken. While it runs, every other command works beside it, in another
terminal.
";

/// Play a match day through every job, with a live view
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Demo {
    /// End after so long [default: when told to]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_millis)]
    lasting: Option<i64>,
    /// Bets a second at the peak
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    rate: u32,
    /// Another seed is another day
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// So many times as fast as the wall's clock
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    speed: u32,
}

impl Demo {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let lines = wants_json_lines("demo", context.output)?;
        let mut signals = Signals::listen()?;
        make_way(context).await?;
        let midnight = today();
        let origin = Arrival(midnight.millis() + i64::from(FIRST_MINUTE) * 60_000);
        let clock = Clock::scaled(origin, self.speed);
        let node = open_alone(&context.config, clock).await?;
        std::fs::write(node.dir().join(MARKER), "made by oddsmill demo; the next one throws this directory away\n")?;
        let mut running = node.start_all(false, context.config.mail.as_ref(), Some(&context.config.vision))?;
        let server = Server::start(node.clone(), "demo", Mode::Live)?;
        let endpoint = Endpoint::of(&node, &context.config.sql, true).await?;
        let day = self.day(midnight)?;
        let player = tokio::spawn(Player::new(node.clone(), day).run());
        let psql = endpoint.as_ref().map(Endpoint::psql);
        let rounds = tokio::spawn(Rounds::new(node.clone(), self.speed).run());
        let outcome = self.watch(context, &node, origin, &mut running, &mut signals, psql).await;
        player.abort();
        rounds.abort();
        let drained = drain(context, running, &mut signals).await;
        if let Some(endpoint) = endpoint {
            endpoint.stop().await;
        }
        server.stop().await;
        outcome?;
        drained?;
        summary(context, &node, lines).await
    }

    /// A day with so many bets that its peak has the rate asked for.
    fn day(&self, start: Timestamp) -> Result<MatchDay, Failure> {
        let defects = Defects { duplicate: 5_000, conflict: 500, late: 5_000, bad: 1_500, ..Defects::default() };
        let params = |count: u64| Params {
            count,
            seed: self.seed,
            questions: QUESTIONS,
            bettors: BETTORS,
            start,
            defects,
            ..Params::default()
        };
        let usage = |error: crate::sources::generate::ParamsError| Failure::Usage(error.to_string());
        let probe = MatchDay::new(params(1_000_000)).map_err(usage)?;
        let peak = (0..24 * 60).map(|minute| probe.bets_in(minute)).max().unwrap_or(1).max(1);
        // Bets a minute of the day are bets a second at sixty times the speed.
        let wanted = u64::from(self.rate) * 60 / u64::from(self.speed).max(1);
        MatchDay::starting_at(params(wanted.max(1) * 1_000_000 / peak), FIRST_MINUTE).map_err(usage)
    }

    /// Shows what happens until the time is over, a key or a signal ends it, or a job fails.
    async fn watch(
        &self,
        context: &Context,
        node: &Node,
        origin: Arrival,
        running: &mut Running,
        signals: &mut Signals,
        psql: Option<String>,
    ) -> Result<(), Failure> {
        let access = Access::Local(Box::new(node.clone()));
        let mut gather = Gather::new(&access, Clock::System, Clock::System.now()).beginning(origin);
        let next = async || gather.next().await.map(|shown| Snapshot { psql: psql.clone(), ..shown });
        let over = async {
            let lasting = self.lasting.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
            tokio::select! {
                () = sleep(lasting.unwrap_or(Duration::from_secs(u64::from(u32::MAX)))) => {}
                () = signals.next() => {}
                () = failed(running) => {}
            }
        };
        let ended = if context.output.is_some() {
            plain::follow(Duration::from_secs(2), next, over, |shown| print_line(&plain::json(shown)?)).await
        } else if screen::is_terminal() && std::io::stdin().is_terminal() && !context.quiet {
            let look = Look::of(|name| std::env::var(name).ok());
            screen::run(look, Duration::from_millis(500), next, over).await
        } else {
            let psql = psql.as_ref().map(|psql| format!("; `{psql}` queries it")).unwrap_or_default();
            context.remark(format!("a match day in {}{psql}; Ctrl-C ends it", node.dir().display()));
            plain::follow(Duration::from_secs(2), next, over, |shown| print_line(&plain::line(shown))).await
        };
        match ended {
            Ok(_) => Ok(()),
            Err(ViewError::Source(error)) => Err(error.into()),
            Err(ViewError::Io(error)) => Err(error.into()),
            Err(ViewError::Panicked) => Err(Failure::Failed("the view failed".into())),
        }
    }
}

fn print_line(line: &str) -> std::io::Result<bool> {
    let mut out = stdout();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(true)
}

/// Waits until the jobs have ended: before they are told to, they only fail.
async fn failed(running: &Running) {
    while !running.task.is_finished() {
        sleep(Duration::from_millis(100)).await;
    }
}

/// Takes an empty directory, or throws away an earlier demo's.
async fn make_way(context: &Context) -> Result<(), Failure> {
    let dir = &context.config.data_dir;
    let Ok(mut entries) = std::fs::read_dir(dir) else { return Ok(()) };
    if entries.next().is_none() {
        return Ok(());
    }
    if !dir.join(MARKER).is_file() {
        return Err(Failure::Directory(format!(
            "data directory {} holds data that is not a demo's; choose another with --data-dir",
            dir.display()
        )));
    }
    // Whoever works on it is told, and not robbed.
    drop(open_alone(&context.config, Clock::System).await?);
    Ok(std::fs::remove_dir_all(dir)?)
}

/// Midnight of the running day, UTC.
fn today() -> Timestamp {
    let now = Clock::System.now().0;
    Timestamp::from_millis_clamped(now - now.rem_euclid(DAY_MS))
}

/// Lets the jobs apply what is in the log, within the time limit.
async fn drain(context: &Context, mut running: Running, signals: &mut Signals) -> Result<(), Failure> {
    context.remark("stopping: applying what is in the log; once more stops at once");
    running.stop.when_drained();
    let limit = Duration::from_millis(u64::try_from(context.config.drain_timeout_ms).unwrap_or(0));
    tokio::select! {
        ended = timeout(limit, &mut running.task) => match ended {
            Ok(Ok(outcome)) => Ok(outcome?),
            Ok(Err(cause)) => Err(Failure::Failed(format!("the jobs ended unexpectedly: {cause}"))),
            Err(_) => Err(Failure::Failed("the time limit run.drain_timeout is over; what is left stays in the log".into())),
        },
        () = signals.next() => Err(Failure::Interrupted("stopped at once".into())),
    }
}

/// What it came to, and what to try next; beside lines of JSON only remarks.
async fn summary(context: &Context, node: &Node, json: bool) -> Result<(), Failure> {
    let access = Access::Local(Box::new(node.clone()));
    let one = async |sql: &str| cells(&access, sql).await.map(|rows| rows.into_iter().next().unwrap_or_default());
    let first = |row: Vec<String>| row.into_iter().next().unwrap_or_default();
    let count = |text: String| text.parse::<u64>().unwrap_or(0);
    let bets = count(first(one("SELECT count(*) FROM bets").await?));
    let settled =
        count(first(one("SELECT coalesce(sum(bets_won + bets_lost + bets_void), 0) FROM settlements").await?));
    let mails = count(first(one("SELECT count(*) FROM outbox WHERE state = 'sent'").await?));
    let letters = count(first(one("SELECT count(*) FROM dead_letters").await?));
    let flagged = count(first(one("SELECT count(*) FROM questions WHERE state = 'flagged'").await?));
    let bet = first(one("SELECT bet_uuid FROM outbox WHERE state = 'sent' AND event = 'bet_won' LIMIT 1").await?);
    let came_to = format!(
        "{}, {} settled; {} sent; {}",
        counted(bets, "bet"),
        grouped(settled),
        counted(mails, "mail"),
        counted(letters, "dead letter")
    );
    if json {
        context.remark(came_to);
        return Ok(());
    }
    let mut out = stdout();
    writeln!(out, "{came_to}")?;
    if !context.quiet {
        try_next(&mut out, &context.config.data_dir, &commands(&bet, flagged > 0))?;
    }
    Ok(out.flush()?)
}

/// Commands that have something to show: of a bet whose mail was sent, if there is one.
fn commands(bet: &str, flagged: bool) -> Vec<String> {
    let mut commands = vec![
        "sql \"SELECT username, profit FROM users ORDER BY profit DESC LIMIT 5\"".to_owned(),
        "tap settlements --limit 3".to_owned(),
        "mail list".to_owned(),
    ];
    if !bet.is_empty() {
        commands.extend(["mail show", "trace"].map(|verb| format!("{verb} {bet}")));
    }
    let state = if flagged { " --state flagged" } else { "" };
    commands.extend([format!("question list{state}"), "dlq list".to_owned()]);
    commands
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::settings::Setting;

    #[test]
    fn what_to_try_fits_a_terminal() {
        let mut out = Vec::new();
        let dir = Setting::find("data_dir").unwrap().default;
        try_next(&mut out, Path::new(dir), &commands("0b0a8fd4-7a55-4c5a-9f0e-2f6f1b7a1c01", true)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().count() > 5 && text.lines().all(|line| line.len() <= 80), "{text}");
    }
}
