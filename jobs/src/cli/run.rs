//! `oddsmill run`: the live pipeline.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use pipeline::Clock;
use pipeline::metrics::{Metric, Metrics};
use tokio::time::{interval, timeout};

use super::exit::Failure;
use super::output::{counted, grouped};
use super::signals::Signals;
use super::{Context, jobs};
#[cfg(feature = "aws")]
use crate::config::Adapter;
use crate::config::duration::show_millis;
use crate::control::access::{open_alone, socket_path};
use crate::control::{Mode, Server};
use crate::node::{Node, Running};
use crate::notify::fold;
use crate::sql::postgres::Endpoint;
use crate::{betting, retention, vision};

/// How often progress is shown.
const PROGRESS_SECONDS: u64 = 5;

const EXAMPLES: &str = "\
Examples:
  oddsmill run               all jobs, until Ctrl-C or SIGTERM
  oddsmill run --drain       apply all that the log holds, then exit
  oddsmill run --ephemeral   in memory; its directory is printed, for the
                             --data-dir of other commands
  oddsmill run --set windows.lateness=20m --data-dir /var/lib/oddsmill

While it runs, the other commands use its socket. Ctrl-C finishes what is
begun; a second one stops at once. Nothing that was acknowledged is lost either
way: the next start goes on from there.
";

/// Run the pipeline: apply what producers append, until told to stop
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// Jobs to run: betting (or its parts bets and settle), notify, vision [default: all]
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    /// Apply all that the log holds, close what is final, and exit
    #[arg(long)]
    drain: bool,
    /// Keep everything in memory and nothing afterwards
    #[arg(long)]
    ephemeral: bool,
}

impl Run {
    /// The verb as `run --drain`.
    pub fn draining() -> Run {
        Run { jobs: Vec::new(), drain: true, ephemeral: false }
    }

    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        jobs::check(&self.jobs)?;
        let mut signals = Signals::listen()?;
        #[cfg(feature = "aws")]
        if context.config.adapter == Adapter::Kinesis {
            self.check_for_aws()?;
            return super::aws::work(context, &mut signals).await;
        }
        let node = self.open(context).await?;
        let server = Server::start(node.clone(), "run", Mode::Live)?;
        let endpoint = Endpoint::of(&node, &context.config.sql, false).await?;
        let mail = context.config.mail.as_ref().filter(|_| jobs::has(&self.jobs, "notify"));
        let sees = Some(&context.config.vision).filter(|_| jobs::has(&self.jobs, "vision"));
        banner(context, &node, self.ephemeral, endpoint.as_ref(), [mail.map(|_| "notify"), sees.map(|_| "vision")]);
        let mut running = node.start_all(self.drain, mail, sees)?;
        let loops = [Some(betting::LOOP), mail.map(|_| fold::LOOP), sees.map(|_| vision::LOOP)];
        let loops = loops.into_iter().flatten().collect();
        let trimming = tokio::spawn(retention::keep(node.clone(), context.config.retention, loops));
        let outcome = watch(context, &node, &mut running, &mut signals, server).await;
        if let Some(endpoint) = endpoint {
            endpoint.stop().await;
        }
        trimming.abort();
        // An ephemeral directory goes with the last handle, and the task may still hold one.
        let _ = trimming.await;
        match outcome? {
            Ended::ByItself if self.drain => context.remark(format!("drained: {}", Totals::of(&node.metrics))),
            Ended::BySignal if self.drain => {
                let text = "interrupted before all was applied; run it again to go on";
                return Err(Failure::Interrupted(text.into()));
            }
            _ => {}
        }
        Ok(())
    }

    #[cfg(feature = "aws")]
    fn check_for_aws(&self) -> Result<(), Failure> {
        for (given, what) in [(self.drain, "--drain"), (self.ephemeral, "--ephemeral"), (!self.jobs.is_empty(), "JOB")]
        {
            if given {
                return Err(Failure::Usage(format!(
                    "{what} is for a data directory; a worker on AWS runs all jobs until it is stopped"
                )));
            }
        }
        Ok(())
    }

    async fn open(&self, context: &Context) -> Result<Node, Failure> {
        if self.ephemeral {
            return Ok(Node::open(context.config.node_options(true), Clock::System)?);
        }
        Ok(open_alone(&context.config, Clock::System).await?)
    }
}

/// How the jobs came to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByItself,
    BySignal,
}

/// Watches the jobs until they end or a signal comes.
async fn watch(
    context: &Context,
    node: &Node,
    running: &mut Running,
    signals: &mut Signals,
    server: Server,
) -> Result<Ended, Failure> {
    let shown = context.verbose || (std::io::stderr().is_terminal() && !context.quiet);
    let mut ticks = interval(Duration::from_secs(PROGRESS_SECONDS));
    let mut before = Totals::of(&node.metrics);
    loop {
        tokio::select! {
            ended = &mut running.task => {
                server.stop().await;
                return joined(ended).map(|()| Ended::ByItself);
            }
            () = signals.next() => return stop(context, running, signals, server).await.map(|()| Ended::BySignal),
            _ = ticks.tick() => {
                let now = Totals::of(&node.metrics);
                // A pipeline that stands still says nothing.
                if shown && now != before {
                    let rate = (now.read - before.read) / PROGRESS_SECONDS;
                    let lag = node.metrics.get(Metric::EngineLagMs);
                    context.remark(format!("{} records/s · lag {lag} ms · {now}", grouped(rate)));
                }
                before = now;
            }
        }
    }
}

/// Takes no more records, lets the jobs finish what they have begun, within the time limit.
async fn stop(context: &Context, running: &mut Running, signals: &mut Signals, server: Server) -> Result<(), Failure> {
    let limit = context.config.drain_timeout_ms;
    context
        .remark(format!("stopping: finishing what is begun, {} at most; once more stops at once", show_millis(limit)));
    running.stop.now();
    let limit = Duration::from_millis(u64::try_from(limit).unwrap_or(0));
    let finishing = async {
        server.stop().await;
        (&mut running.task).await
    };
    let why = tokio::select! {
        ended = timeout(limit, finishing) => match ended {
            Ok(ended) => return joined(ended),
            Err(_) => "the time limit run.drain_timeout is over",
        },
        () = signals.next() => "told twice",
    };
    Err(Failure::Failed(format!(
        "stopped at once: {why}. The batch in hand is not committed; nothing is lost, the next start applies it again from the log"
    )))
}

fn joined(ended: Result<pipeline::Result<()>, tokio::task::JoinError>) -> Result<(), Failure> {
    match ended {
        Ok(outcome) => Ok(outcome?),
        Err(cause) => Err(Failure::Failed(format!("the jobs ended unexpectedly: {cause}"))),
    }
}

fn banner(context: &Context, node: &Node, ephemeral: bool, endpoint: Option<&Endpoint>, beside: [Option<&str>; 2]) {
    let durability =
        if ephemeral { "in memory".to_owned() } else { format!("{:?}", node.options().durability).to_lowercase() };
    let shards =
        |stream: &str| node.log.shards(stream).map_or(0, |shards| shards.iter().filter(|shard| !shard.closed).count());
    let streams: Vec<String> =
        node.log.streams().iter().map(|stream| format!("{stream} ({})", shards(stream))).collect();
    let windows: Vec<&str> = node.windows.iter().map(|window| window.spec.name.as_str()).collect();
    let sql = endpoint.map(|endpoint| format!("\n  sql      {}", endpoint.psql())).unwrap_or_default();
    context.remark(format!(
        "oddsmill {}\n  data     {} ({durability})\n  socket   {}{sql}\n  jobs     betting (settle, bets){}; windows: {}\n  streams  {}\n  Ctrl-C stops",
        env!("CARGO_PKG_VERSION"),
        node.dir().display(),
        socket_path(node).display(),
        beside.into_iter().flatten().map(|job| format!(", {job}")).collect::<String>(),
        windows.join(", "),
        streams.join(", "),
    ));
}

/// What the jobs have counted since they started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Totals {
    read: u64,
    accepted: u64,
    rejected: u64,
    duplicates: u64,
    dead: u64,
    frames: u64,
    passed_over: u64,
}

impl Totals {
    fn of(metrics: &Metrics) -> Totals {
        Totals {
            read: metrics.get(Metric::LogReadRecords),
            accepted: metrics.get(Metric::JobAccepted),
            rejected: metrics.get(Metric::JobRejected),
            duplicates: metrics.get(Metric::EngineDuplicates),
            dead: metrics.get(Metric::EngineDeadLetters),
            frames: metrics.get(Metric::VisionSeen),
            passed_over: metrics.get(Metric::VisionSkipped),
        }
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} read · bets: {} accepted, {} rejected · {}, {}",
            counted(self.read, "record"),
            grouped(self.accepted),
            grouped(self.rejected),
            counted(self.duplicates, "duplicate"),
            counted(self.dead, "dead letter"),
        )?;
        if self.frames + self.passed_over > 0 {
            let passed_over = grouped(self.passed_over);
            write!(f, " · {} looked at, {passed_over} passed over", counted(self.frames, "frame"))?;
        }
        Ok(())
    }
}
