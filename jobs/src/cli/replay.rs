//! `oddsmill replay`: real files as streams at their own times, and windows computed again.

mod betfair;
pub(super) mod window;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Context;
use super::exit::Failure;
use super::signals::Signals;
use crate::replay::Interrupt;

const EXAMPLES: &str = "\
Examples:
  oddsmill replay betfair 1.200806927
  oddsmill replay --window odds --from 2022-07-11
  oddsmill replay --window turnover --from 2022-07-11T14:00:00Z \\
      --to 2022-07-11T15:00:00Z --fill
  oddsmill replay --window odds --from 2022-07-11 --out ./again
  oddsmill replay --window odds --from 2022-07-11 --archive ./archive \\
      --out ./again

`replay betfair` turns a recorded market into streams; see its own --help.

With --window, a window job is computed again from the bets that the pipeline
has decided (it may be running), or from what `export bets` wrote, and compared
with what is stored: the same bytes, revisions and watermarks included. --fill
stores windows that the pipeline lacks, of a job that was declared later, say:
in its table and as Parquet, without records in its streams. With --out, an
interrupted run goes on where it was.
";

/// Turn recorded files into streams, or compute windows again
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct Replay {
    #[command(subcommand)]
    source: Option<Source>,
    #[command(flatten)]
    window: Option<window::Window>,
}

#[derive(Debug, Subcommand)]
enum Source {
    Betfair(betfair::Betfair),
}

impl Replay {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match (self.source, self.window) {
            (Some(Source::Betfair(betfair)), _) => betfair.run(context).await,
            (None, Some(window)) => {
                context.needs_directory()?;
                window.run(context).await
            }
            (None, None) => Err(Failure::Usage("name a source, such as betfair, or a window with --window".into())),
        }
    }
}

fn interrupt_on_signals() -> Result<Interrupt, Failure> {
    let (mut signals, interrupt) = (Signals::listen()?, Interrupt::default());
    let raised = interrupt.clone();
    tokio::spawn(async move {
        loop {
            signals.next().await;
            raised.raise();
        }
    });
    Ok(interrupt)
}

/// A bar on a terminal, nothing elsewhere.
pub(super) fn bar(context: &Context, template: &str) -> ProgressBar {
    let target = if context.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
