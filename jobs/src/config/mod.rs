//! Configuration: few settings, each with a default and a reason to exist.
//!
//! Layers, the later the stronger: default, `oddsmill.toml`, environment (`ODDSMILL_` and the key
//! upper-cased, dots as underscores), flags. Each value knows where it comes from, so that
//! `oddsmill config` can say so and an error can name the place to mend.
//!
//! Reading order: [`settings`] lists the keys; [`layers`] collects their texts; [`file`] reads the
//! file, [`window`] the windows it declares; [`values`] turns texts into values; this module checks what must hold
//! between them.

pub mod duration;
mod file;
mod layers;
pub mod settings;
mod values;
pub mod window;

use std::path::PathBuf;

use pipeline::adapters::embedded::Durability;

use crate::node::NodeOptions;
use crate::notify::MailOptions;
use crate::retention::Retention;
use crate::sql::postgres::SqlOptions;
use crate::vision::VisionOptions;
use crate::windows::Times;
use duration::parse_millis;
use values::{
    Values, adapter, boolean, bytes, durability, envelope_secret, failover, listen, mail, non_empty, number,
    parse_positive_millis, prefix, vision,
};
use window::WindowConfig;

pub use layers::{Layers, Origin, Resolved};

/// The file looked for in the working directory where no other is named.
pub const FILE_NAME: &str = "oddsmill.toml";

/// What is wrong with the configuration: the place, the value and the way out.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path}: {cause}; name another with --config, or leave it out")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{place}: {problem}")]
    Syntax {
        /// File and line.
        place: String,
        /// What the TOML reader says.
        problem: String,
    },
    /// A key that no setting has.
    #[error("{place}: there is no setting {key:?}{suggestion}; `oddsmill config` lists them all")]
    UnknownKey {
        /// File and line, or the variable, or the flag.
        place: String,
        /// The key as written.
        key: String,
        /// `, did you mean …?` where one is near.
        suggestion: String,
    },
    /// A declared window that cannot be computed; the text has the place.
    #[error("{0}")]
    Window(String),
    /// A value that its setting cannot have.
    #[error("{place}: {key} is {value:?}: {problem}")]
    Value {
        /// Where the value comes from.
        place: String,
        /// The setting.
        key: &'static str,
        /// The value as written.
        value: String,
        /// What is wrong with it and what would be right.
        problem: String,
    },
}

/// Where streams, tables and leases are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adapter {
    /// In the data directory.
    Embedded,
    /// On AWS.
    Kinesis,
}

/// What a worker on AWS needs to know.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    /// What the names of streams and tables begin with.
    pub prefix: String,
    /// Shards of a stream that is created; 0 for streams on demand.
    pub shards: u32,
    /// Where window states are.
    pub states: String,
    /// Whether records are packed into aggregates.
    pub aggregate: bool,
    /// Whether streams are read by enhanced fan-out.
    pub fan_out: bool,
    /// After so many milliseconds without a sign a worker is gone.
    pub failover_ms: i64,
    /// Whether time passes for shards without records.
    pub idle_clock: bool,
    /// What lets a producer set arrival times, if anything does.
    pub envelope_secret: Option<String>,
}

/// The effective configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where log, tables and socket are.
    pub data_dir: PathBuf,
    /// Where streams, tables and leases are.
    pub adapter: Adapter,
    /// What a worker on AWS needs to know.
    pub aws: AwsConfig,
    /// When an append or a commit counts as done.
    pub durability: Durability,
    /// Shards of the stream `bets` when it is created.
    pub bets_shards: u32,
    /// How long the log keeps records.
    pub retention: Retention,
    /// How far a bet's `placed_at` may be from its arrival, in milliseconds.
    pub max_skew_ms: i64,
    /// Whether status changes are emitted to `notifications`.
    pub notify: bool,
    /// How long after its end a window closes, in milliseconds.
    pub disorder_ms: i64,
    /// How long after its end a window is final, in milliseconds.
    pub lateness_ms: i64,
    /// Whether final windows are written as Parquet.
    pub parquet: bool,
    /// How long a proposed answer can be challenged, in milliseconds.
    pub challenge_ms: i64,
    /// How long an emergency answer waits after the second operator, in milliseconds.
    pub emergency_delay_ms: i64,
    /// How mails are written and sent; nothing where none are.
    pub mail: Option<MailOptions>,
    /// How frames are looked at.
    pub vision: VisionOptions,
    /// Where and how SQL is served to other programs.
    pub sql: SqlOptions,
    /// How long a stop may take, in milliseconds.
    pub drain_timeout_ms: i64,
    /// Records of a batch, at most.
    pub batch_records: usize,
    /// Windows that the file declares.
    pub windows: Vec<WindowConfig>,
    /// Every setting's text and origin, in the order of [`settings::SETTINGS`].
    pub resolved: Vec<Resolved>,
}

impl Config {
    /// Reads the layers and checks every value.
    pub fn resolve(layers: &Layers) -> Result<Config, ConfigError> {
        let resolved = layers.resolve()?;
        let values = Values(&resolved);
        let config = Config {
            data_dir: values.parse("data_dir", non_empty)?.into(),
            adapter: values.parse("log.adapter", adapter)?,
            aws: AwsConfig {
                prefix: values.parse("aws.prefix", prefix)?,
                shards: values.parse("aws.shards", |text| number(text, 0, 10_000))?,
                states: values.text("aws.states").to_owned(),
                aggregate: values.parse("aws.aggregate", boolean)?,
                fan_out: values.parse("aws.fan_out", boolean)?,
                failover_ms: values.parse("aws.failover", failover)?,
                idle_clock: values.parse("aws.idle_clock", boolean)?,
                envelope_secret: values.parse("aws.envelope_secret", envelope_secret)?,
            },
            durability: values.parse("log.durability", durability)?,
            bets_shards: values.parse("log.bets_shards", |text| number(text, 1, 1024))?,
            retention: Retention {
                frames_ms: values.parse("log.frames_retention", parse_millis)?,
                others_ms: values.parse("log.retention", parse_millis)?,
            },
            max_skew_ms: values.parse("bets.max_skew", parse_millis)?,
            notify: values.parse("bets.notify", boolean)?,
            disorder_ms: values.parse("windows.disorder", parse_millis)?,
            lateness_ms: values.parse("windows.lateness", parse_millis)?,
            parquet: values.parse("windows.parquet", boolean)?,
            challenge_ms: values.parse("settle.challenge", parse_millis)?,
            emergency_delay_ms: values.parse("settle.emergency_delay", parse_millis)?,
            mail: mail(&values)?,
            vision: vision(&values)?,
            sql: SqlOptions {
                postgres: values.parse("sql.postgres", listen)?,
                timeout_ms: values.parse("sql.timeout", parse_positive_millis)?,
                max_rows: values.parse("sql.max_rows", |text| number(text, 1, u64::MAX))?,
                memory_bytes: values.parse("sql.memory", bytes)?,
                connections: values.parse("sql.connections", |text| number(text, 1, 1_000))?,
            },
            drain_timeout_ms: values.parse("run.drain_timeout", parse_millis)?,
            batch_records: values.parse("engine.batch_records", |text| number(text, 1, 1_000_000))?,
            windows: layers.windows()?,
            resolved: resolved.clone(),
        };
        config.check(&values)?;
        Ok(config)
    }

    /// What must hold between settings.
    fn check(&self, values: &Values) -> Result<(), ConfigError> {
        if self.lateness_ms < self.disorder_ms {
            let problem = format!(
                "a window cannot be final before it closes: choose at least windows.disorder, which is {}",
                values.text("windows.disorder")
            );
            return Err(values.wrong("windows.lateness", problem));
        }
        if self.max_skew_ms > self.lateness_ms {
            let problem = format!(
                "a bet that far behind its arrival could be accepted after its window is final, and profiles and windows \
                 would differ: choose at most windows.lateness, which is {}",
                values.text("windows.lateness")
            );
            return Err(values.wrong("bets.max_skew", problem));
        }
        for window in &self.windows {
            crate::windows::settings(window, self.times()).map_err(ConfigError::Window)?;
        }
        Ok(())
    }

    /// What holds for windows that do not say otherwise.
    pub fn times(&self) -> Times {
        Times { disorder_ms: self.disorder_ms, lateness_ms: self.lateness_ms, max_skew_ms: self.max_skew_ms }
    }

    /// What opening a node needs; an ephemeral one has no directory of its own.
    pub fn node_options(&self, ephemeral: bool) -> NodeOptions {
        NodeOptions {
            data_dir: (!ephemeral).then(|| self.data_dir.clone()),
            durability: self.durability,
            bets_shards: self.bets_shards,
            max_skew_ms: self.max_skew_ms,
            disorder_ms: self.disorder_ms,
            lateness_ms: self.lateness_ms,
            notify: self.notify,
            challenge_ms: self.challenge_ms,
            emergency_delay_ms: self.emergency_delay_ms,
            export: self.parquet,
            batch_records: self.batch_records,
            query_memory_bytes: self.sql.memory_bytes,
            windows: self.windows.clone(),
            ..NodeOptions::default()
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_tests;
