//! `oddsmill schema`: JSON Schema of what streams carry.

use std::io::Write;

use clap::Args;
use schemas::json_schema;
use serde_json::Value;

use super::exit::Failure;
use super::output::{print_json, stdout};
use crate::config::settings::suggestion;

const EXAMPLES: &str = "\
Examples:
  oddsmill schema bets            what a bet looks like
  oddsmill schema --list          every stream with a schema
  oddsmill schema > schemas.json  all of them, by stream
";

/// Print the JSON Schema of a stream's events
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Schema {
    /// A stream, or an event's title such as Bet [default: all, by stream]
    #[arg(value_name = "EVENT|STREAM")]
    name: Option<String>,
    /// Only list the names
    #[arg(long, conflicts_with = "name")]
    list: bool,
}

impl Schema {
    /// Runs the verb.
    pub fn run(self) -> Result<(), Failure> {
        let all = json_schema::all();
        if self.list {
            let mut out = stdout();
            for (stream, schema) in &all {
                writeln!(out, "{stream:<14} {}", title(schema))?;
            }
            return Ok(out.flush()?);
        }
        let Some(name) = self.name else {
            return print_json(&Value::Object(
                all.into_iter().map(|(stream, schema)| (stream.to_owned(), schema)).collect(),
            ));
        };
        match all.iter().find(|(stream, schema)| **stream == name || title(schema).eq_ignore_ascii_case(&name)) {
            Some((_, schema)) => print_json(schema),
            None => {
                let near = suggestion(&name, all.keys().copied());
                let streams: Vec<&str> = all.keys().copied().collect();
                Err(Failure::Usage(format!("there is no schema of {name:?}{near}; schemas: {}", streams.join(", "))))
            }
        }
    }
}

fn title(schema: &Value) -> &str {
    schema.get("title").and_then(Value::as_str).unwrap_or_default()
}
