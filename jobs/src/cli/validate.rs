//! `oddsmill validate`: would it run?

use clap::Args;
use pipeline::window::times::WindowSettings;

use super::Context;
use super::exit::Failure;
use super::output::{OutputFormat, print_texts};
use crate::bets::odds;
use crate::config::Origin;
use crate::control::access::exists;
use crate::control::{Access, Client, Missing};

const EXAMPLES: &str = "\
Examples:
  oddsmill validate
  oddsmill validate --config /etc/oddsmill.toml --data-dir /var/lib/oddsmill
  oddsmill validate -o json
";

/// Check configuration, data directory and window queries
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Validate {}

/// What a check found.
type Finding = Result<String, String>;

impl Validate {
    /// Runs the verb. An invalid configuration has ended the program before.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let findings = [
            ("configuration", configuration(context)),
            ("data directory", data_dir(context).await),
            ("windows", windows(context)),
        ];
        let problems = findings.iter().filter(|(_, finding)| finding.is_err()).count();
        let rows = findings.into_iter().map(|(what, finding)| match finding {
            Ok(detail) => [what.into(), "ok".into(), detail],
            Err(detail) => [what.into(), "problem".into(), detail],
        });
        print_texts(["check", "result", "detail"], rows.collect(), context.output.unwrap_or(OutputFormat::Table))
            .await?;
        match problems {
            0 => Ok(()),
            1 => Err(Failure::Failed("one check found a problem".into())),
            n => Err(Failure::Failed(format!("{n} checks found problems"))),
        }
    }
}

fn configuration(context: &Context) -> Finding {
    let set = context.config.resolved.iter().filter(|resolved| resolved.origin != Origin::Default).count();
    Ok(format!("{set} of {} settings are not defaults", context.config.resolved.len()))
}

async fn data_dir(context: &Context) -> Finding {
    let dir = &context.config.data_dir;
    if let Some(client) = Client::connect(dir).await.map_err(|error| error.to_string())? {
        let status = client.status;
        return Ok(format!(
            "{}: oddsmill {} {} runs on it (process {})",
            dir.display(),
            status.version,
            status.command,
            status.pid
        ));
    }
    if !exists(dir) {
        return Ok(format!("{} is not there yet; the first command that writes creates it", dir.display()));
    }
    let access = Access::open(&context.config, Missing::Refuse).await.map_err(|error| error.to_string())?;
    let streams = access.streams().await.map_err(|error| error.to_string())?;
    Ok(format!("{} opens: {} streams, nobody else uses it", dir.display(), streams.len()))
}

/// The odds and what the file declares; a window that does not compile has ended the program before.
fn windows(context: &Context) -> Finding {
    let config = &context.config;
    let odds = odds::settings(config.disorder_ms, config.lateness_ms);
    let mut found = vec![odds.map_err(|error| error.to_string())?];
    for declared in &config.windows {
        found.push(crate::windows::settings(declared, config.times())?);
    }
    let columns = |window: &WindowSettings| window.plan.result_schema().fields().len();
    let told = found.iter().map(|window| format!("{} ({} columns)", window.spec.name, columns(window)));
    Ok(format!("{} compile", told.collect::<Vec<_>>().join(", ")))
}
