//! `oddsmill tap`: a stream's records, as they come.

mod tail;

use std::borrow::Cow;
use std::io::Write;
use std::str::FromStr;

use clap::Args;
use pipeline::record::{Position, Record};
use pipeline::shard::ShardId;
use pipeline::{Arrival, Error};
use schemas::time::Timestamp;

use self::tail::Tail;
use super::Context;
use super::event::{event_json, on_one_line};
use super::exit::Failure;
use super::filter::Filter;
use super::output::{OutputFormat, stdout};
use super::streams::Streams;
use crate::bets::event_time;
use crate::control::{Access, Missing};

const EXAMPLES: &str = "\
Examples:
  oddsmill tap bets
  oddsmill tap odds --from earliest --limit 5
  oddsmill tap bets --from 2022-07-11T14:00:00Z --no-follow \\
      --filter 'odds>=5 and outcome_index=0'
  oddsmill tap game-events \\
      --filter 'type=question_opened and question.game~cricket'

Filters are conditions joined by and: field=value, field!=value, field>number
(>=, <, <=), field~part; fields inside others are reached by dots. Each line is
the event with its place in front: _shard, _position, _arrived_at. On a
directory where no pipeline runs, tap shows what the log holds and ends.
";

/// Print a stream's records as they come
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Tap {
    /// The stream
    stream: String,
    /// earliest, latest, a time (RFC 3339) or a position [default: latest; earliest where nothing runs]
    #[arg(long, value_name = "PLACE")]
    from: Option<Place>,
    /// Only this shard, by number or name
    #[arg(long, value_parser = shard)]
    shard: Option<ShardId>,
    /// Only events that meet these conditions
    #[arg(long, value_name = "EXPR")]
    filter: Option<Filter>,
    /// End after so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// End at the last record instead of waiting for more
    #[arg(long)]
    no_follow: bool,
}

/// Where to begin.
#[derive(Debug, Clone, Copy)]
enum Place {
    Earliest,
    Latest,
    Time(Arrival),
    From(Position),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        match text {
            "earliest" => Ok(Place::Earliest),
            "latest" => Ok(Place::Latest),
            position if position.bytes().all(|byte| byte.is_ascii_digit()) => {
                position.parse().map(Place::From).map_err(|error: Error| error.to_string())
            }
            time => match Timestamp::parse_rfc3339(time) {
                Ok(time) => Ok(Place::Time(Arrival(time.millis()))),
                Err(_) => Err("choose earliest, latest, a time such as 2022-07-11T14:00:00Z, or a position".into()),
            },
        }
    }
}

impl Tap {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let streams = Streams::open(context, Missing::Refuse).await?;
        streams.check(&self.stream).await?;
        let alone = matches!(streams, Streams::Directory(Access::Local(_)));
        let from = self.from.unwrap_or(if alone { Place::Earliest } else { Place::Latest });
        let mut tail = Tail::new(&streams, &self.stream, self.shard, from);
        let mut printer = Printer::new(context.output.unwrap_or(OutputFormat::Jsonl), self.limit);
        loop {
            let appends = tail.appends().await?;
            while let Some((shard, record)) = tail.next().await? {
                let event = event_json(&self.stream, &record.data);
                if self.passes(event.as_deref()) && !printer.print(shard, &record, event)? {
                    return printer.finish();
                }
            }
            printer.flush()?;
            if alone && !self.no_follow {
                context.remark("no pipeline runs on this directory, so nothing more comes");
            }
            if alone || self.no_follow {
                return printer.finish();
            }
            match tail.wait(appends).await {
                Ok(_) => {}
                Err(Error::Retry(_)) => {
                    context.remark("the pipeline has stopped");
                    return printer.finish();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn passes(&self, event: Option<&[u8]>) -> bool {
        match (&self.filter, event) {
            (None, _) => true,
            (Some(filter), Some(event)) => filter.matches(event),
            (Some(_), None) => false,
        }
    }
}

/// Prints records in one of the formats.
struct Printer {
    out: std::io::BufWriter<std::io::Stdout>,
    format: OutputFormat,
    printed: u64,
    limit: u64,
}

impl Printer {
    fn new(format: OutputFormat, limit: Option<u64>) -> Printer {
        Printer { out: stdout(), format, printed: 0, limit: limit.unwrap_or(u64::MAX) }
    }

    /// Prints a record; says whether there is room for more.
    fn print(&mut self, shard: ShardId, record: &Record, event: Option<Cow<'_, [u8]>>) -> Result<bool, Failure> {
        if self.printed >= self.limit {
            return Ok(false);
        }
        let at = event_time(record.arrived_at);
        let place = format!("\"_shard\":\"{shard}\",\"_position\":\"{}\",\"_arrived_at\":\"{at}\"", record.position);
        // What is no JSON object is shown as text.
        let event = event.map_or_else(|| as_text(&record.data), |event| on_one_line(&event));
        let comma = if event[1..].trim_start() == "}" { "" } else { "," };
        match (self.format, self.printed) {
            (OutputFormat::Jsonl, _) => writeln!(self.out, "{{{place}{comma}{}", &event[1..])?,
            (OutputFormat::Json, 0) => write!(self.out, "[\n{{{place}{comma}{}", &event[1..])?,
            (OutputFormat::Json, _) => write!(self.out, ",\n{{{place}{comma}{}", &event[1..])?,
            (OutputFormat::Csv, printed) => {
                if printed == 0 {
                    writeln!(self.out, "arrived_at,shard,position,event")?;
                }
                writeln!(self.out, "{at},{shard},{},\"{}\"", record.position, event.replace('"', "\"\""))?;
            }
            (OutputFormat::Table, _) => {
                writeln!(self.out, "{at}  {:>2}  {:>10}  {event}", shard.0, record.position.to_string())?
            }
        }
        self.printed += 1;
        Ok(self.printed < self.limit)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    fn finish(mut self) -> Result<(), Failure> {
        match (self.format, self.printed) {
            (OutputFormat::Json, 0) => writeln!(self.out, "[]")?,
            (OutputFormat::Json, _) => writeln!(self.out, "\n]")?,
            _ => {}
        }
        self.flush()
    }
}

fn as_text(data: &[u8]) -> String {
    serde_json::json!({ "_text": String::from_utf8_lossy(data) }).to_string()
}

fn shard(text: &str) -> Result<ShardId, String> {
    text.parse().map_err(|error: Error| error.to_string())
}
