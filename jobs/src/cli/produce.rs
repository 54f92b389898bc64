//! `oddsmill produce`: JSON lines into a stream.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipeline::record::Append;

use super::Context;
use super::batch::Batches;
use super::exit::Failure;
use super::lines::{Line, Lines, MAX_LINE_BYTES};
use super::output::counted;
use super::streams::Streams;
use crate::control::Missing;
use crate::partition::{OPEN_STREAMS, of_raw, partition_key};

/// Rejected lines reported one by one; the rest are counted.
const REPORTED: u64 = 20;

const EXAMPLES: &str = "\
Examples:
  oddsmill produce bets bets.jsonl
  oddsmill generate bets --count 1000 --start now --stream game-events \\
      | oddsmill produce game-events
  oddsmill generate bets --count 1000 --start now | oddsmill produce bets
  oddsmill produce bets --raw odd-bytes.txt

Each line is checked against the stream's schema first; the bad ones are
reported by line and left out (exit code 3). With --raw each line's bytes are
appended as they are: bad ones become dead letters. What was appended is
durable, also when the command is interrupted.
";

/// Append JSON lines from a file or standard input to a stream
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Produce {
    /// The stream: bets, game-events, frames; with --raw any
    stream: String,
    /// The file [default: standard input]
    file: Option<PathBuf>,
    /// Append each line's bytes unchecked
    #[arg(long)]
    raw: bool,
    /// With --raw, the partition key of every line [default: each line's hash]
    #[arg(long, requires = "raw")]
    key: Option<String>,
}

/// Rejected lines.
#[derive(Default)]
struct Rejects {
    count: u64,
}

impl Produce {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let input = self.input(context)?;
        let streams = Streams::open(context, Missing::Create).await?;
        self.check_stream(&streams).await?;
        let mut batches = Batches::new(&streams);
        let mut rejects = Rejects::default();
        let mut lines = Lines::new(input.reader);
        while let Some((number, line)) = lines.next()? {
            match self.record(line) {
                Ok(record) => batches.add(&self.stream, record).await?,
                Err(reason) => rejects.report(context, &input.bar, number, &reason),
            }
        }
        batches.flush().await?;
        input.bar.finish_and_clear();
        context.remark(format!("{} appended to {}", counted(batches.appended, "record"), self.stream));
        rejects.outcome()
    }

    /// The record of a line, or why there is none.
    fn record(&self, line: Line) -> Result<Append, String> {
        let Line::Whole(line) = line else {
            return Err(format!("longer than {MAX_LINE_BYTES} bytes; a record has 1048576 at most"));
        };
        let key = match (self.raw, &self.key) {
            (true, Some(key)) => key.clone(),
            (true, None) => of_raw(&line),
            // Streams without a rule were refused before the first line.
            (false, _) => partition_key(&self.stream, &line)
                .unwrap_or_else(|| Ok(of_raw(&line)))
                .map_err(|error| error.to_string())?,
        };
        let record = Append::new(key, line);
        record.check().map_err(|error| error.to_string())?;
        Ok(record)
    }

    async fn check_stream(&self, streams: &Streams) -> Result<(), Failure> {
        streams.check(&self.stream).await?;
        let name = &self.stream;
        if !self.raw && !OPEN_STREAMS.contains(&name.as_str()) {
            let open = OPEN_STREAMS.join(", ");
            return Err(Failure::Usage(format!(
                "stream {name} is written by jobs, producers write {open}; --raw appends to any stream"
            )));
        }
        Ok(())
    }

    fn input(&self, context: &Context) -> Result<Input, Failure> {
        let hidden = context.quiet || !std::io::stderr().is_terminal();
        let (reader, bytes): (Box<dyn Read>, Option<u64>) = match &self.file {
            None => (Box::new(std::io::stdin()), None),
            Some(path) => {
                let file = File::open(path).map_err(|cause| Failure::Failed(format!("{}: {cause}", path.display())))?;
                // A pipe or a device has no length that says anything.
                let length = file.metadata().ok().filter(|data| data.is_file()).map(|data| data.len());
                (Box::new(file), length)
            }
        };
        let bar = bar(bytes, hidden);
        let reader = Box::new(BufReader::with_capacity(256 << 10, bar.wrap_read(reader)));
        Ok(Input { reader, bar })
    }
}

struct Input {
    reader: Box<dyn BufRead>,
    bar: ProgressBar,
}

impl Rejects {
    fn report(&mut self, context: &Context, bar: &ProgressBar, line: u64, reason: &str) {
        self.count += 1;
        if self.count <= REPORTED {
            // The bar moves out of the way of what is printed.
            bar.suspend(|| context.complain(format!("line {line}: {reason}")));
        }
    }

    fn outcome(self) -> Result<(), Failure> {
        if self.count == 0 {
            return Ok(());
        }
        let hidden = self.count.saturating_sub(REPORTED);
        let more = if hidden > 0 { format!(", {} not shown", counted(hidden, "line")) } else { String::new() };
        Err(Failure::Rejected(format!("{} rejected{more}", counted(self.count, "line"))))
    }
}

/// Bytes of a file, or of a stream without an end in sight.
fn bar(bytes: Option<u64>, hidden: bool) -> ProgressBar {
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let (bar, template) = match bytes {
        Some(bytes) => {
            (ProgressBar::with_draw_target(Some(bytes), target), "[{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}")
        }
        None => (ProgressBar::with_draw_target(None, target), "{spinner} {bytes}, {bytes_per_sec}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
