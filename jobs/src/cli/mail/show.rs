//! A mail as a person reads it, or its bytes.

use std::io::Write;
use std::path::{Path, PathBuf};

use pipeline::adapters::mail;
use schemas::ids::{Address, NotificationId, derive};
use serde_json::Value;

use crate::cli::Context;
use crate::cli::answers::objects;
use crate::cli::exit::Failure;
use crate::cli::ids::Ids;
use crate::cli::output::stdout;
use crate::control::Access;
use crate::node::INBOX;
use crate::notify::letter::readable;

/// What names a mail.
const IDS: Ids = Ids {
    of: "notification or bet with a mail",
    places: &[("outbox", "notification_id"), ("outbox", "bet_uuid")],
    hint: "`oddsmill mail list` shows the latest",
};

/// Prints a mail of the local inbox, by the start of an id.
pub async fn show(context: &Context, access: &Access, id: &str, raw: bool) -> Result<(), Failure> {
    let row = row(access, id).await?;
    let state = row["state"].as_str().unwrap_or_default();
    if state != "sent" {
        return Err(Failure::Failed(format!("that mail is {state}{}", why(&row))));
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

/// The outbox' row of a notification, or the latest of a bet.
async fn row(access: &Access, id: &str) -> Result<Value, Failure> {
    let id = IDS.find(access, id).await?;
    let columns = "notification_id, address, state, digest_at, last_error";
    let of = |column: &str| {
        format!("SELECT {columns} FROM outbox WHERE {column} = '{id}' ORDER BY status_version DESC LIMIT 1")
    };
    let mut found = objects(access, &of("notification_id")).await?;
    if found.is_empty() {
        found = objects(access, &of("bet_uuid")).await?;
    }
    found.pop().ok_or_else(|| Failure::Failed(format!("there is no mail of notification or bet {id}; {}", IDS.hint)))
}

/// What keeps a mail from having been sent.
fn why(row: &Value) -> String {
    match (row["last_error"].as_str(), row["digest_at"].as_str()) {
        (Some(error), _) => format!(": {error}"),
        (None, Some(at)) => format!(": it waits for the digest at {at}"),
        (None, None) => String::new(),
    }
}

/// The digest that told of a notification: named by the person and the first that it told of.
async fn digest_of(access: &Access, dir: &Path, row: &Value) -> Result<Option<PathBuf>, Failure> {
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
