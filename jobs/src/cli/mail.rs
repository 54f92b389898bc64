//! `oddsmill mail`: what was sent, what waits, and how a mail reads.

use std::io::Write;

use clap::{Args, Subcommand};
use pipeline::adapters::mail;
use schemas::ids::{Address, BetId, NotificationId, derive};

use super::Context;
use super::answers::{literal, objects};
use super::exit::Failure;
use super::output::{OutputFormat, print, stdout};
use crate::control::{Access, Missing};
use crate::node::INBOX;
use crate::notify::letter::readable;

const EXAMPLES: &str = "\
Examples:
  oddsmill mail list                              the latest, with their states
  oddsmill mail list --state pending
  oddsmill mail list --to bettor-7@example.test --limit 5
  oddsmill mail show 5c1d4f0e-…                   the mail, as a person reads it
  oddsmill mail show 5c1d4f0e-… --raw | less      the bytes that were sent

An id is a notification's; a bet's uuid shows its latest mail. States: pending, sent, failed, and
skipped where nobody wants it (no confirmed address, unsubscribed, or an address that bounced). With
mail.server = inbox the mails are .eml files in the folder inbox of the data directory; any mail
program opens them.
";

/// List and read the mails about bets
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Mail {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the outbox, the latest first
    List(List),
    /// Show a mail of the local inbox
    Show {
        /// A notification's id, or a bet's
        id: String,
        /// The whole file, with headers and HTML
        #[arg(long)]
        raw: bool,
    },
}

#[derive(Debug, Args)]
struct List {
    /// Only those in a state: pending, sent, failed, skipped [default: all but skipped]
    #[arg(long)]
    state: Option<String>,
    /// Only those to an email or an account's address
    #[arg(long, value_name = "WHOM")]
    to: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    limit: u64,
}

impl Mail {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let access = Access::open(&context.config, Missing::Refuse).await?;
        match self.verb {
            Verb::List(list) => {
                print(access.sql(&list.query()).await?, context.output.unwrap_or(OutputFormat::Table)).await
            }
            Verb::Show { id, raw } => show(context, &access, &id, raw).await,
        }
    }
}

impl List {
    fn query(&self) -> String {
        let mut conditions = Vec::new();
        conditions.push(match &self.state {
            Some(state) => format!("state = {}", literal(state)),
            None => "state <> 'skipped'".to_owned(),
        });
        conditions.extend(self.to.as_ref().map(|to| match Address::parse(to) {
            Ok(address) => format!("address = '{address}'"),
            Err(_) => format!("email = {}", literal(to)),
        }));
        let filter = format!("WHERE {}", conditions.join(" AND "));
        format!(
            "SELECT notification_id, created_at, event, state, coalesce(email, address) AS \"to\", last_error AS note \
             FROM outbox {filter} ORDER BY created_at DESC, status_version DESC LIMIT {}",
            self.limit
        )
    }
}

async fn show(context: &Context, access: &Access, id: &str, raw: bool) -> Result<(), Failure> {
    let id = BetId::parse(id).map_err(|error| Failure::Usage(error.to_string()))?;
    let columns = "notification_id, address, state, digest_at, last_error";
    let filter = format!("notification_id = '{id}'");
    let mut found = objects(access, &format!("SELECT {columns} FROM outbox WHERE {filter}")).await?;
    if found.is_empty() {
        let latest =
            format!("SELECT {columns} FROM outbox WHERE bet_uuid = '{id}' ORDER BY status_version DESC LIMIT 1");
        found = objects(access, &latest).await?;
    }
    let row = found.pop().ok_or_else(|| {
        Failure::Failed(format!("there is no mail of notification or bet {id}; `oddsmill mail list` shows the latest"))
    })?;
    let state = row["state"].as_str().unwrap_or_default();
    if state != "sent" {
        let why = row["last_error"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
        return Err(Failure::Failed(format!("that mail is {state}{why}")));
    }
    let dir = context.config.data_dir.join(INBOX);
    let name = row["notification_id"].as_str().unwrap_or_default();
    let path = match mail::find(&dir, name)? {
        Some(path) => path,
        None => digest_of(access, &dir, &row).await?.ok_or_else(|| {
            Failure::Failed(format!("mail {name} is not in {}; it went to a mail server", dir.display()))
        })?,
    };
    let bytes = std::fs::read(&path)?;
    let mut out = stdout();
    if raw {
        out.write_all(&bytes)?;
    } else {
        out.write_all(readable(&bytes).as_bytes())?;
    }
    out.flush()?;
    context.remark(path.display());
    Ok(())
}

/// The digest that told of a notification: named by the person and the first that it told of.
async fn digest_of(
    access: &Access,
    dir: &std::path::Path,
    row: &serde_json::Value,
) -> Result<Option<std::path::PathBuf>, Failure> {
    let (Some(address), Some(until)) = (row["address"].as_str(), row["digest_at"].as_str()) else { return Ok(None) };
    let sql = format!("SELECT notification_id FROM outbox WHERE address = '{address}' AND digest_at = '{until}'");
    let address = Address::parse(address).map_err(|error| Failure::Failed(error.to_string()))?;
    for other in objects(access, &sql).await? {
        let Ok(first) = NotificationId::parse(other["notification_id"].as_str().unwrap_or_default()) else { continue };
        let parts: [&[u8]; 2] = [address.as_bytes(), first.as_bytes()];
        if let Some(path) = mail::find(dir, &derive("digest", &parts).to_string())? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
