//! `oddsmill config`: the effective configuration and where each value comes from.

use clap::Args;

use super::Context;
use super::exit::Failure;
use super::output::{OutputFormat, print_texts};
use crate::sql::output::terminal_width;

const EXAMPLES: &str = "\
Examples:
  oddsmill config
  oddsmill config -o jsonl      also the defaults, and what each is for
  ODDSMILL_WINDOWS_LATENESS=20m oddsmill config --set log.durability=os
";

/// What a terminal has room for: the other columns are as wide as it by themselves.
const AT_A_TERMINAL: [&str; 3] = ["setting", "value", "source"];

/// Show the effective configuration and each value's source
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ShowConfig {}

impl ShowConfig {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let rows = context.config.resolved.iter().map(|resolved| {
            let setting = resolved.setting;
            [
                setting.key.into(),
                resolved.text.clone(),
                resolved.origin.to_string(),
                setting.default.into(),
                setting.help.into(),
            ]
        });
        let format = context.output.unwrap_or(OutputFormat::Table);
        if format == OutputFormat::Table && terminal_width().is_some() {
            let rows = rows.map(|[setting, value, source, ..]| [setting, value, source]).collect();
            print_texts(AT_A_TERMINAL, rows, format).await?;
            context.remark("-o jsonl also says the defaults, and what each is for");
            return Ok(());
        }
        print_texts(["setting", "value", "source", "default", "about"], rows.collect(), format).await
    }
}
