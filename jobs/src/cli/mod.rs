//! The command line: one verb a file, and what they share.
//!
//! Reading order: this module parses, configures and dispatches; [`exit`] says what exit codes
//! mean; [`output`] prints; then the verbs.

mod answers;
#[cfg(feature = "aws")]
mod aws;
mod batch;
mod completions;
mod config;
mod demo;
mod dlq;
#[cfg(feature = "aws")]
mod emf;
mod event;
pub mod exit;
mod export;
mod filter;
mod frames;
mod generate;
mod ids;
mod jobs;
mod lines;
mod listing;
mod mail;
mod models;
mod next;
pub mod output;
mod produce;
mod question;
mod replay;
mod run;
mod schema;
mod signals;
mod sql;
mod streams;
mod summary;
mod tap;
mod times;
mod top;
mod trace;
mod validate;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use exit::Failure;
use output::OutputFormat;
use tracing_subscriber::EnvFilter;

use crate::config::{Adapter, Config, Layers};
use crate::sql::STACK_BYTES;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed
  2    wrong usage or configuration
  3    done, but some input records were rejected
  4    the data directory is missing, busy or unusable
  130  interrupted

Settings come from oddsmill.toml, from variables ODDSMILL_* and from flags, the
later the stronger; `oddsmill config` shows each value and where it comes from.

Start here:
  oddsmill demo                         a match day through every job, live
  oddsmill replay betfair MARKET_FILE   a real market, in an empty directory
  oddsmill sql \"SELECT * FROM users\"    what came of it
  oddsmill run                          a live pipeline; then, beside it:
  oddsmill produce bets bets.jsonl
";

/// Bets in, profiles and five-minute odds windows out: the data plane of a live-betting product.
#[derive(Debug, Parser)]
#[command(name = "oddsmill", version, about, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Directory of the log, the tables and the control socket [default: ./oddsmill-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Configuration file [default: oddsmill.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "ODDSMILL_CONFIG", hide_env = true)]
    config: Option<PathBuf>,
    /// Where streams live: embedded, kinesis or kafka [default: embedded]
    #[arg(long, global = true, value_name = "ADAPTER")]
    log: Option<String>,
    /// Any setting by its key, such as windows.lateness=20m; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// How data is printed
    #[arg(short, long, global = true, value_name = "FORMAT")]
    output: Option<OutputFormat>,
    /// Print no progress and no remarks
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more on standard error; twice for every detail
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Demo),
    Run(run::Run),
    Replay(replay::Replay),
    Generate(generate::Generate),
    Produce(produce::Produce),
    Tap(tap::Tap),
    Top(top::Top),
    Sql(sql::Sql),
    Question(question::Question),
    Mail(mail::Mail),
    Trace(trace::Trace),
    Export(export::Export),
    Dlq(dlq::Dlq),
    Frames(frames::Frames),
    Models(models::Models),
    #[cfg(feature = "aws")]
    Aws(aws::Aws),
    Validate(validate::Validate),
    Schema(schema::Schema),
    Config(config::ShowConfig),
    Completions(completions::Completions),
}

/// What a verb is given besides its own arguments.
pub struct Context {
    /// The effective configuration.
    pub config: Config,
    /// How data is printed, if the user chose.
    pub output: Option<OutputFormat>,
    /// Print no progress and no remarks.
    pub quiet: bool,
    /// Say more.
    pub verbose: bool,
}

impl Context {
    /// Refuses where the log is Kinesis.
    fn needs_directory(&self) -> Result<(), Failure> {
        match self.config.adapter {
            Adapter::Embedded => Ok(()),
            Adapter::Kinesis => Err(Failure::Usage(NEEDS_DIRECTORY.into())),
        }
    }

    /// What is wrong with some of the input, on standard error.
    pub fn complain(&self, text: impl std::fmt::Display) {
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// A remark for the person at the terminal, on standard error.
    pub fn remark(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            self.complain(text);
        }
    }
}

/// Parses the process' arguments and runs the verb.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.global.verbose);
    // A verb may plan a query, which the main thread's stack may be too small for.
    let verb = std::thread::Builder::new().name("verb".into()).stack_size(STACK_BYTES).spawn(move || run(cli));
    match verb.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(cause) => exit::report(Err(cause.into())),
    }
}

/// What commands say that are told of Kinesis and know nothing of it.
const NEEDS_DIRECTORY: &str = "this command works on a data directory; with --log kinesis there are `run`, `aws`, \
                               `produce`, `tap`, `generate --into-log`, `replay betfair`, `validate` and `config`";

/// How long the process waits for its threads once the verb is done.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(200);

fn run(cli: Cli) -> ExitCode {
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(dispatch(cli));
        // Threads are waited for: one that is let go in the moment in which it ends crashes in glibc's
        // pthread_detach (its bug 19951), since stacks as large as ours are unmapped at once. But one
        // that waits for standard input or a disk must not keep the process.
        runtime.shutdown_timeout(SHUTDOWN_LIMIT);
        outcome
    });
    exit::report(outcome)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build()?)
}

async fn dispatch(cli: Cli) -> Result<(), Failure> {
    let Cli { global, verb } = cli;
    let anywhere = || context(&global);
    let context = || {
        let context = anywhere()?;
        context.needs_directory()?;
        Ok::<_, Failure>(context)
    };
    match verb {
        Verb::Run(verb) => verb.run(&anywhere()?).await,
        Verb::Replay(verb) => verb.run(&anywhere()?).await,
        Verb::Generate(verb) => verb.run(&anywhere()?).await,
        Verb::Produce(verb) => verb.run(&anywhere()?).await,
        Verb::Tap(verb) => verb.run(&anywhere()?).await,
        Verb::Top(verb) => verb.run(&context()?).await,
        Verb::Sql(verb) => verb.run(&context()?).await,
        Verb::Demo(verb) => verb.run(&context()?).await,
        Verb::Question(verb) => verb.run(&context()?).await,
        Verb::Mail(verb) => verb.run(&context()?).await,
        Verb::Trace(verb) => verb.run(&context()?).await,
        Verb::Export(verb) => verb.run(&context()?).await,
        Verb::Dlq(verb) => verb.run(&context()?).await,
        Verb::Frames(verb) => verb.run(&anywhere()?).await,
        Verb::Models(verb) => verb.run(&anywhere()?),
        #[cfg(feature = "aws")]
        Verb::Aws(verb) => verb.run(&anywhere()?).await,
        Verb::Validate(verb) => verb.run(&anywhere()?).await,
        Verb::Config(verb) => verb.run(&anywhere()?).await,
        // These two need no valid configuration: one looks things up, the other helps to install.
        Verb::Schema(verb) => verb.run(),
        Verb::Completions(verb) => verb.run(),
    }
}

fn context(global: &Global) -> Result<Context, Failure> {
    let flag = |flag: &str, key: &str, value: &Option<String>| {
        value.as_ref().map(|value| (flag.to_owned(), key.to_owned(), value.clone()))
    };
    let mut flags: Vec<_> =
        global.set.iter().map(|(key, value)| ("--set".to_owned(), key.clone(), value.clone())).collect();
    flags.extend(flag("--data-dir", "data_dir", &global.data_dir));
    flags.extend(flag("--log", "log.adapter", &global.log));
    // Variables that are no Unicode cannot be ours.
    let env =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let layers = Layers { file: global.config.clone(), env: env.collect(), flags };
    let config = Config::resolve(&layers)?;
    Ok(Context { config, output: global.output, quiet: global.quiet, verbose: global.verbose > 0 })
}

/// `ODDSMILL_LOG_LEVEL` or `RUST_LOG` say what is logged; else `-v` does.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let named = ["ODDSMILL_LOG_LEVEL", "RUST_LOG"].into_iter().find_map(|name| std::env::var(name).ok());
    let filter = EnvFilter::builder().parse_lossy(named.as_deref().unwrap_or(level));
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(coloured);
    // Only a second call in the same process fails.
    let _ = logger.try_init();
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as windows.lateness=20m")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_examples() {
        for verb in Cli::command().get_subcommands_mut() {
            let help = verb.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{}", verb.get_name());
        }
    }

    #[test]
    fn help_fits_a_terminal_of_eighty_columns() {
        let mut command = Cli::command().term_width(80);
        command.build();
        check_help(&mut command);
    }

    /// A footer that is too wide would be wrapped wherever the terminal ends.
    fn check_help(command: &mut clap::Command) {
        let name = command.get_name().to_owned();
        let wide = |text: &str, most| text.lines().find(|line| line.chars().count() > most).map(str::to_owned);
        let footer = command.get_after_help().map(|text| text.to_string()).unwrap_or_default();
        assert_eq!(wide(&footer, 79), None, "the footer of {name}");
        assert_eq!(wide(&command.render_long_help().to_string(), 80), None, "the help of {name}");
        command.get_subcommands_mut().for_each(check_help);
    }
}
