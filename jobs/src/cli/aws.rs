//! `oddsmill aws`: what the pipeline needs on AWS, made and checked; and a worker there.

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, Subcommand};
use pipeline::Clock;
use pipeline::adapters::aws::check::Finding;
use pipeline::adapters::aws::envelope::Secret;
use pipeline::adapters::aws::mail_check::{self, Way};
use pipeline::adapters::aws::setup;
use pipeline::adapters::aws::storage;
use pipeline::adapters::aws::{Aws as Account, check, sns_topics};
use pipeline::engine::Stop;
use pipeline::lease::WorkerId;
use pipeline::metrics::Metric;

use super::Context;
use super::emf::Embedded;
use super::exit::Failure;
use super::output::{counted, grouped};
use super::signals::Signals;
use crate::cluster::{Cluster, ClusterOptions};
use crate::config::duration::show_millis;
use crate::node::INBOX;
use crate::notify::MailServer;

/// How often a worker shows its progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// How often metrics are printed for CloudWatch.
const METRICS: Duration = Duration::from_secs(60);

const EXAMPLES: &str = "\
Examples:
  oddsmill aws init --dry-run     what would be created, and nothing else
  oddsmill aws init               streams, tables, indexes, the lease table
  oddsmill aws check              permissions and settings, each with its fix
  oddsmill run --log kinesis --set aws.states=s3://BUCKET/oddsmill

Account, region and endpoint come from where AWS' own tools look: AWS_REGION,
AWS_PROFILE, AWS_ENDPOINT_URL, roles of instances and tasks.
";

/// Create and check what the pipeline needs on AWS
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Aws {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create what is missing: streams, tables, indexes
    #[command(
        after_help = "Examples:\n  oddsmill aws init --dry-run\n  oddsmill aws init --set aws.prefix=staging- --set aws.shards=4\n"
    )]
    Init {
        /// Print what would be created, and create nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Check permissions and settings, each problem with its fix
    #[command(
        after_help = "Examples:\n  oddsmill aws check\n  AWS_PROFILE=worker oddsmill aws check --set aws.prefix=staging-\n"
    )]
    Check,
}

impl Aws {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let cluster = open(context).await?;
        match self.verb {
            Verb::Init { dry_run } => init(context, &cluster, dry_run).await,
            Verb::Check => check_all(context, &cluster).await,
        }
    }
}

async fn init(context: &Context, cluster: &Cluster, dry_run: bool) -> Result<(), Failure> {
    let missing = cluster.missing().await?;
    let needed = cluster.needed();
    let there = needed.streams.len() + needed.tables.len() + 1 - missing.len();
    let region = cluster.aws.config.region().map(ToString::to_string).unwrap_or_default();
    context.remark(format!(
        "{} in {region}: {there} there, {} missing",
        counted_things(there + missing.len()),
        missing.len()
    ));
    for missing in &missing {
        if dry_run {
            println!("would create {missing}");
            continue;
        }
        setup::create(&cluster.aws, missing).await?;
        println!("created {missing}");
    }
    let by_sns = matches!(&context.config.mail, Some(mail) if matches!(mail.server, MailServer::Sns { .. }));
    match &context.config.aws.prefix {
        prefix if by_sns && dry_run => {
            println!("would create topic {}, unless it is there", sns_topics::name(prefix, 0))
        }
        prefix if by_sns => {
            let topics = sns_topics::create(&cluster.aws, prefix, 1).await?;
            topics.iter().for_each(|topic| println!("topic {topic} is there"));
        }
        _ => {}
    }
    if dry_run && !missing.is_empty() {
        context.remark("nothing was created; leave out --dry-run to do it");
    }
    Ok(())
}

fn counted_things(count: usize) -> String {
    counted(count as u64, "stream and table").replace("stream and tables", "streams and tables")
}

async fn check_all(context: &Context, cluster: &Cluster) -> Result<(), Failure> {
    let mut findings = check::all(&cluster.aws, &cluster.needed()).await?;
    if let Some(mail) = &context.config.mail {
        let way = match &mail.server {
            MailServer::Ses { .. } => Way::Ses,
            MailServer::Sns { .. } => Way::Sns,
            MailServer::Inbox | MailServer::Smtp(_) => Way::Neither,
        };
        let prefix = &context.config.aws.prefix;
        findings.extend(mail_check::all(&cluster.aws, prefix, mail.sender.email(), way).await?);
    }
    findings.push(match context.config.aws.states.as_str() {
        "" => Finding::Problem {
            what: "aws.states is not set: window states would stay on this machine".into(),
            fix: "set aws.states=s3://BUCKET/FOLDER".into(),
        },
        place => storage::finding(&*cluster.states, &cluster.folder, place).await,
    });
    findings.iter().for_each(|finding| println!("{finding}"));
    let problems = findings.iter().filter(|finding| finding.is_problem()).count();
    if problems > 0 {
        return Err(Failure::Failed(format!("{} found", counted(problems as u64, "problem"))));
    }
    Ok(())
}

/// The cluster that the settings name.
pub async fn open(context: &Context) -> Result<Cluster, Failure> {
    let config = &context.config;
    let states = match config.aws.states.as_str() {
        "" => config.data_dir.join("states").display().to_string(),
        states => states.to_owned(),
    };
    let options = ClusterOptions {
        prefix: config.aws.prefix.clone(),
        shards: (config.aws.shards > 0).then_some(config.aws.shards),
        states,
        secret: config.aws.envelope_secret.as_deref().map(Secret::new),
        aggregate: config.aws.aggregate,
        fan_out: config.aws.fan_out,
        idle_clock: config.aws.idle_clock,
        failover: Duration::from_millis(u64::try_from(config.aws.failover_ms).unwrap_or(10_000)),
        mail: config.mail.clone(),
        inbox: config.data_dir.join(INBOX),
        node: config.node_options(true),
    };
    Ok(Cluster::open(Account::from_env().await?, options, Clock::System)?)
}

/// `oddsmill run --log kinesis`: works until told to stop.
pub async fn work(context: &Context, signals: &mut Signals) -> Result<(), Failure> {
    let cluster = open(context).await?;
    if context.config.aws.states.is_empty() {
        context.remark("aws.states is not set: window states stay on this machine, so run one worker only");
    }
    let me = worker_id();
    let region = cluster.aws.config.region().map(ToString::to_string).unwrap_or_default();
    context.remark(format!(
        "oddsmill {}\n  worker   {me}\n  region   {region}\n  streams  {}bets, game-events, notifications\n  states   {}\n  Ctrl-C stops",
        env!("CARGO_PKG_VERSION"),
        context.config.aws.prefix,
        if context.config.aws.states.is_empty() { "on this machine" } else { &context.config.aws.states },
    ));
    let stop = Stop::default();
    let (working, metrics) = (cluster.run(me, stop.clone()), cluster.metrics.clone());
    tokio::pin!(working);
    let mut ticks = tokio::time::interval(PROGRESS);
    let (mut emitted, mut embedded) = (Embedded::new(&context.config.aws.prefix), tokio::time::interval(METRICS));
    // Lines for a machine: a person's terminal is spared.
    let for_machines = !std::io::stdout().is_terminal();
    let mut before = 0;
    loop {
        tokio::select! {
            ended = &mut working => return Ok(ended?),
            () = signals.next() => break,
            _ = embedded.tick(), if for_machines => println!("{}", emitted.line(&metrics, Clock::System.now())),
            _ = ticks.tick() => {
                let read = metrics.get(Metric::LogReadRecords);
                if read != before {
                    let (accepted, dead) = (metrics.get(Metric::JobAccepted), metrics.get(Metric::EngineDeadLetters));
                    context.remark(format!(
                        "{} records/s · {} read · {} bets accepted · {}",
                        grouped((read - before) / PROGRESS.as_secs()),
                        grouped(read),
                        grouped(accepted),
                        counted(dead, "dead letter")
                    ));
                }
                before = read;
            }
        }
    }
    stop.now();
    let limit = context.config.drain_timeout_ms;
    context.remark(format!("stopping: shards are checkpointed and let go, {} at most", show_millis(limit)));
    let limit = Duration::from_millis(u64::try_from(limit).unwrap_or(0));
    tokio::select! {
        ended = tokio::time::timeout(limit, &mut working) => match ended {
            Ok(ended) => Ok(ended?),
            Err(_) => Err(Failure::Failed("stopped at once: the time limit run.drain_timeout is over; other workers take the shards over when their leases expire".into())),
        },
        () = signals.next() => Err(Failure::Failed("stopped at once: told twice; other workers take the shards over when their leases expire".into())),
    }
}

/// A name that no other worker has: this machine's, the process' and the moment's.
fn worker_id() -> WorkerId {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty()).unwrap_or(host);
    let host = if host.trim().is_empty() { "worker" } else { host.trim() };
    WorkerId(format!("{host}-{}-{}", std::process::id(), Clock::System.now().0))
}
