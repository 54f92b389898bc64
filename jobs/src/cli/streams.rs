//! Streams named on the command line.

use super::exit::Failure;
use crate::config::settings::suggestion;
use crate::control::Access;

/// Checks that there is a stream of the name.
pub async fn check(access: &Access, name: &str) -> Result<(), Failure> {
    let streams = access.streams().await?;
    if streams.iter().any(|stream| stream == name) {
        return Ok(());
    }
    let near = suggestion(name, streams.iter().map(String::as_str));
    Err(Failure::Usage(format!("there is no stream {name:?}{near}; streams here: {}", streams.join(", "))))
}
