//! `oddsmill config`: the effective configuration and where each value comes from.

use clap::Args;

use super::Context;
use super::exit::Failure;
use super::output::{OutputFormat, print_texts};

const EXAMPLES: &str = "\
Examples:
  oddsmill config
  oddsmill config -o json
  ODDSMILL_WINDOWS_LATENESS=20m oddsmill config --set log.durability=os
";

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
        print_texts(["setting", "value", "source", "default", "about"], rows.collect(), format).await
    }
}
