//! Streams as commands reach them: in a data directory, or in Kinesis.

#[cfg(feature = "aws")]
use pipeline::adapters::aws::log::KinesisLog;
use pipeline::record::Append;

use super::Context;
use super::exit::Failure;
use crate::config::Adapter;
use crate::config::settings::suggestion;
use crate::control::{Access, Missing};

/// A way to the streams.
pub enum Streams {
    /// In a data directory.
    Directory(Access),
    /// In Kinesis.
    #[cfg(feature = "aws")]
    Kinesis(KinesisLog),
}

impl Streams {
    /// Reaches the streams of the configured log.
    pub async fn open(context: &Context, missing: Missing) -> Result<Streams, Failure> {
        match context.config.adapter {
            Adapter::Embedded => Ok(Streams::Directory(Access::open(&context.config, missing).await?)),
            #[cfg(feature = "aws")]
            Adapter::Kinesis => Ok(Streams::Kinesis(super::aws::open(context).await?.log)),
            #[cfg(not(feature = "aws"))]
            Adapter::Kinesis => Err(Failure::Usage("this oddsmill is built without the feature aws".into())),
        }
    }

    /// Checks that there is a stream of the name.
    pub async fn check(&self, name: &str) -> Result<(), Failure> {
        match self {
            Streams::Directory(access) => check(access, name).await,
            #[cfg(feature = "aws")]
            Streams::Kinesis(log) => {
                let known: Vec<String> = crate::node::streams(1).iter().map(|(name, _)| (*name).to_owned()).collect();
                among(name, &known)?;
                match pipeline::adapters::aws::streams::describe(log.aws(), &log.name(name)).await? {
                    Some(_) => Ok(()),
                    None => Err(Failure::Failed(format!(
                        "there is no Kinesis stream {}; `oddsmill aws init` creates it, aws.prefix names others",
                        log.name(name)
                    ))),
                }
            }
        }
    }

    /// Appends records in order; returns once they are durable.
    pub async fn append(&self, stream: &str, records: &[Append]) -> pipeline::Result<()> {
        match self {
            Streams::Directory(access) => access.append(stream, records.to_vec()).await.map(drop),
            #[cfg(feature = "aws")]
            Streams::Kinesis(log) => log.append(stream, records).await.map(drop),
        }
    }
}

/// Checks that a directory has a stream of the name.
pub async fn check(access: &Access, name: &str) -> Result<(), Failure> {
    among(name, &access.streams().await?)
}

fn among(name: &str, streams: &[String]) -> Result<(), Failure> {
    if streams.iter().any(|stream| stream == name) {
        return Ok(());
    }
    let near = suggestion(name, streams.iter().map(String::as_str));
    Err(Failure::Usage(format!("there is no stream {name:?}{near}; streams here: {}", streams.join(", "))))
}
