//! How a connection begins: encryption is declined, a cancellation is passed on, a session opened.

use std::collections::BTreeMap;
use std::io;

use bytes::BufMut;

use super::message::Body;
use super::refusal::{NOT_SUPPORTED, PROTOCOL, Refusal};
use super::settings::Settings;
use super::wire::{Wire, text};

const CANCEL: u32 = 80_877_102;
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];
const VERSION: u32 = 3;
/// Wishes for encryption before the client must say something else.
const MAX_WISHES: usize = 4;

/// What a client came for.
#[derive(Debug)]
pub enum Arrival {
    /// A session.
    Session {
        /// Whom the client says it is; nobody asks for proof.
        user: String,
        /// The database it asked for; there is one, under any name.
        database: String,
        /// What it set at once.
        settings: Settings,
    },
    /// To cancel a statement of another connection.
    Cancel {
        /// The connection's number.
        number: u32,
        /// Its secret.
        secret: u32,
    },
    /// Nothing: it is gone.
    Gone,
}

/// Reads what a client came for.
///
/// # Errors
/// What it is told before the connection ends.
pub async fn arrive(wire: &mut Wire) -> io::Result<Result<Arrival, Refusal>> {
    for _ in 0..MAX_WISHES {
        let Some(message) = wire.startup().await? else { return Ok(Ok(Arrival::Gone)) };
        let mut body = Body(message);
        let code = body.u32().unwrap_or_default();
        match code {
            CANCEL => {
                let pair = body.u32().and_then(|number| Ok((number, body.u32()?)));
                return Ok(pair.map(|(number, secret)| Arrival::Cancel { number, secret }));
            }
            code if ENCRYPTION.contains(&code) => {
                wire.byte(b'N');
                wire.flush().await?;
            }
            code => return Ok(session(wire, code, body)),
        }
    }
    Ok(Err(Refusal::fatal(PROTOCOL, "encryption is not offered here; connect without it (sslmode=prefer or disable)")))
}

fn session(wire: &mut Wire, version: u32, mut body: Body) -> Result<Arrival, Refusal> {
    if version >> 16 != VERSION {
        let problem = format!("protocol {}.{} is not spoken here, only 3.0", version >> 16, version & 0xffff);
        return Err(Refusal::fatal(NOT_SUPPORTED, problem));
    }
    let mut said = BTreeMap::new();
    loop {
        let name = body.text()?;
        if name.is_empty() {
            break;
        }
        said.insert(name, body.text()?);
    }
    let unknown: Vec<&String> = said.keys().filter(|name| name.starts_with("_pq_.")).collect();
    if version & 0xffff != 0 || !unknown.is_empty() {
        wire.send(b'v', |out| {
            out.put_u32(VERSION << 16);
            out.put_u32(unknown.len() as u32);
            unknown.iter().for_each(|name| text(out, name));
        });
    }
    if said.get("replication").is_some_and(|value| !["off", "false", "no", "0"].contains(&value.as_str())) {
        return Err(Refusal::fatal(NOT_SUPPORTED, "there is no replication here"));
    }
    let user = said.remove("user").unwrap_or_default();
    let database = said.remove("database").unwrap_or_else(|| user.clone());
    let mut settings = Settings::default();
    for (name, value) in options(said.remove("options").unwrap_or_default()).chain(said) {
        if !name.starts_with("_pq_.") && name != "replication" {
            settings.set(&name, Some(&value)).map_err(|refusal| Refusal { fatal: true, ..refusal })?;
        }
    }
    Ok(Arrival::Session { user, database, settings })
}

/// `-c name=value` and `--name=value`, as PostgreSQL's command line has them.
fn options(text: String) -> impl Iterator<Item = (String, String)> {
    let words: Vec<String> = text.split_whitespace().filter(|word| *word != "-c").map(str::to_owned).collect();
    words.into_iter().filter_map(|word| {
        let (name, value) = word.trim_start_matches("-c").trim_start_matches("--").split_once('=')?;
        Some((name.replace('-', "_"), value.to_owned()))
    })
}
