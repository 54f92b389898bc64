//! `oddsmill dlq`: the dead letters, and how they get another chance.

use std::io::Write;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use futures::StreamExt;
use pipeline::dead_letter::Reason;

use super::Context;
use super::answers::literal;
use super::exit::Failure;
use super::listing::{Kind, list};
use super::output::{counted, grouped, print, stdout};
use super::streams;
use crate::control::{Access, Missing};
use crate::redrive::{Selection, UNKNOWN_QUESTION};

const EXAMPLES: &str = "\
Examples:
  oddsmill dlq list --stream bets --reason invalid
  oddsmill dlq show bets/0/17
  oddsmill dlq redrive bets/0/17 bets/1/4
  oddsmill dlq redrive --reason unknown_question --dry-run

A redriven record goes to its stream again with its bytes and its first
arrival, so it is decided as if it had been good then. Filters pass over what
was redriven before; ids do not. unknown_question stands for bets that were
rejected because nobody knew their question; they have no dead letter.
";

/// List, show and redrive records that could not be applied
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Dlq {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List dead letters, or with --reason unknown_question rejected bets
    List(List),
    /// Show one, with its bytes
    Show {
        /// Its id, such as bets/0/17
        id: String,
    },
    /// Append them to their streams again
    Redrive(Redrive),
}

#[derive(Debug, Args)]
struct List {
    /// Only those of a stream
    #[arg(long)]
    stream: Option<String>,
    /// Only those of a reason
    #[arg(long, value_parser = reasons())]
    reason: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: u64,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Redrive {
    /// Ids, such as bets/0/17
    #[arg(value_name = "ID", conflicts_with_all = ["stream", "reason", "all"])]
    ids: Vec<String>,
    /// All of a stream
    #[arg(long)]
    stream: Option<String>,
    /// All of a reason
    #[arg(long, value_parser = reasons())]
    reason: Option<String>,
    /// All
    #[arg(long)]
    all: bool,
    /// Only say what would be redriven
    #[arg(long)]
    dry_run: bool,
}

impl Dlq {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let access = Access::open(&context.config, Missing::Refuse).await?;
        match self.verb {
            Verb::List(list) => list.run(context, &access).await,
            Verb::Show { id } => show(context, &access, &id).await,
            Verb::Redrive(redrive) => redrive.run(context, &access).await,
        }
    }
}

/// What a record is refused for.
fn reasons() -> PossibleValuesParser {
    Reason::ALL.iter().map(|reason| reason.as_str()).chain([UNKNOWN_QUESTION]).collect::<Vec<_>>().into()
}

impl List {
    async fn run(self, context: &Context, access: &Access) -> Result<(), Failure> {
        if let Some(stream) = &self.stream {
            streams::check(access, stream).await?;
        }
        let columns = [("id", Kind::Text), ("at", Kind::Time), ("reason", Kind::Text), ("detail", Kind::Text)];
        list(context, access, &self.query(), &columns).await
    }

    fn query(&self) -> String {
        let limit = self.limit;
        if self.reason.as_deref() == Some(UNKNOWN_QUESTION) {
            return format!(
                "SELECT concat('bets/', CAST(CAST(replace(shard, 'shardId-', '') AS BIGINT) AS VARCHAR), '/', position) AS id, arrived_at, \
                 reject_reason AS reason, concat('question ', question_uuid) AS detail FROM bets \
                 WHERE reject_reason = '{UNKNOWN_QUESTION}' ORDER BY arrived_at LIMIT {limit}"
            );
        }
        let mut conditions = Vec::new();
        conditions.extend(self.stream.as_ref().map(|stream| format!("stream = {}", literal(stream))));
        conditions.extend(self.reason.as_ref().map(|reason| format!("reason = {}", literal(reason))));
        let filter = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        format!(
            "SELECT id, arrived_at, reason, detail FROM dead_letters {filter} ORDER BY arrived_at, id LIMIT {limit}"
        )
    }
}

impl Redrive {
    async fn run(self, context: &Context, access: &Access) -> Result<(), Failure> {
        if let Some(stream) = &self.stream {
            streams::check(access, stream).await?;
        }
        let dry_run = self.dry_run;
        let selection = Selection { ids: self.ids, stream: self.stream, reason: self.reason, all: self.all, dry_run };
        if selection == (Selection { dry_run, ..Selection::default() }) {
            return Err(Failure::Usage("nothing to redrive: name ids, --reason, --stream or --all".into()));
        }
        let report = access.redrive(&selection).await?;
        let mut out = stdout();
        for id in &report.ids {
            writeln!(out, "{id}")?;
        }
        out.flush()?;
        let verb = if dry_run { "would be redriven" } else { "redriven" };
        context.remark(format!("{} {verb}", counted(report.redriven, "record")));
        if report.missing.is_empty() {
            return Ok(());
        }
        Err(Failure::Rejected(format!("not found, or not in the log any more: {}", report.missing.join(", "))))
    }
}

async fn show(context: &Context, access: &Access, id: &str) -> Result<(), Failure> {
    let query = format!("SELECT * FROM dead_letters WHERE id = {}", literal(id));
    let mut rows = access.sql(&query).await?;
    if let Some(format) = context.output {
        return print(rows, format).await;
    }
    while let Some(batch) = rows.batches.next().await {
        let batch = batch?;
        if batch.num_rows() > 0 {
            return in_full(&batch);
        }
    }
    Err(Failure::Failed(format!("there is no dead letter {id:?}; `oddsmill dlq list` shows them")))
}

/// A row, a line a column, its bytes as text at the end.
fn in_full(batch: &RecordBatch) -> Result<(), Failure> {
    let mut out = stdout();
    let (options, mut content) = (FormatOptions::default(), None);
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let name = field.name();
        match column.as_binary_opt::<i32>().filter(|bytes| !bytes.is_null(0)) {
            Some(bytes) => {
                content = Some(String::from_utf8_lossy(bytes.value(0)));
                writeln!(out, "{name:<12} {}", grouped(bytes.value(0).len() as u64))?;
            }
            None => writeln!(out, "{name:<12} {}", ArrayFormatter::try_new(column, &options)?.value(0))?,
        }
    }
    if let Some(content) = content {
        writeln!(out, "\n{content}")?;
    }
    Ok(out.flush()?)
}
