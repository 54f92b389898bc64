//! Configuration: few settings, each with a default and a reason to exist.
//!
//! Layers, the later the stronger: default, `oddsmill.toml`, environment (`ODDSMILL_` and the key
//! upper-cased, dots as underscores), flags. Each value knows where it comes from, so that
//! `oddsmill config` can say so and an error can name the place to mend.
//!
//! Reading order: [`settings`] lists the keys; [`layers`] collects their texts; [`file`] reads the
//! file, [`window`] the windows it declares; this module turns texts into values and checks what must hold between them.

pub mod duration;
mod file;
mod layers;
pub mod settings;
pub mod window;

use std::path::PathBuf;

use pipeline::adapters::embedded::Durability;

use crate::node::NodeOptions;
use crate::notify::letter::Sender;
use crate::notify::letter::unsubscribe::MIN_SECRET_BYTES;
use crate::notify::{MailOptions, MailServer};
use crate::sql::postgres::{Listen, SqlOptions};
use crate::windows::Times;
use duration::parse_millis;
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
    /// How long the log keeps records, in milliseconds.
    pub retention_ms: i64,
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
            retention_ms: values.parse("log.retention", parse_millis)?,
            max_skew_ms: values.parse("bets.max_skew", parse_millis)?,
            notify: values.parse("bets.notify", boolean)?,
            disorder_ms: values.parse("windows.disorder", parse_millis)?,
            lateness_ms: values.parse("windows.lateness", parse_millis)?,
            parquet: values.parse("windows.parquet", boolean)?,
            challenge_ms: values.parse("settle.challenge", parse_millis)?,
            emergency_delay_ms: values.parse("settle.emergency_delay", parse_millis)?,
            mail: mail(&values)?,
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

/// Resolved settings by key.
struct Values<'a>(&'a [Resolved]);

impl Values<'_> {
    fn find(&self, key: &str) -> Option<&Resolved> {
        self.0.iter().find(|resolved| resolved.setting.key == key)
    }

    fn text(&self, key: &str) -> &str {
        self.find(key).map_or("", |resolved| resolved.text.as_str())
    }

    fn parse<T>(&self, key: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        read(self.text(key)).map_err(|problem| self.wrong(key, problem))
    }

    fn wrong(&self, key: &'static str, problem: String) -> ConfigError {
        let place = self.find(key).map_or_else(String::new, |resolved| resolved.origin.to_string());
        ConfigError::Value { place, key, value: self.text(key).to_owned(), problem }
    }
}

/// The settings of mails. Each text is checked where it stands, so that an error names it.
fn mail(values: &Values) -> Result<Option<MailOptions>, ConfigError> {
    let server = |text: &str| mail_server(text, values.text("aws.prefix"));
    let Some(server) = values.parse("mail.server", server)? else { return Ok(None) };
    let currency = values.text("mail.currency").to_owned();
    let new = |from: &str| Sender::new(from, PRODUCT, &currency).map_err(|error| error.to_string());
    let mut sender = values.parse("mail.from", new)?;
    let (base, secret) = (values.text("mail.link_base"), values.text("mail.link_secret"));
    if !base.is_empty() {
        let linked = sender.with_links(base, secret.as_bytes());
        let blamed = if secret.len() < MIN_SECRET_BYTES { "mail.link_secret" } else { "mail.link_base" };
        sender = linked.map_err(|error| values.wrong(blamed, error.to_string()))?;
    }
    Ok(Some(MailOptions {
        server,
        sender,
        digest_after: values.parse("mail.digest_after", |text| number(text, 0, 1_000_000))?,
        rate: values.parse("mail.rate", |text| number(text, 0, 1_000_000))?,
    }))
}

/// What the mails call the product.
const PRODUCT: &str = "Oddsmill";

fn mail_server(text: &str, prefix: &str) -> Result<Option<MailServer>, String> {
    let (kind, rest) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
    match (kind, rest) {
        ("inbox", None) => Ok(Some(MailServer::Inbox)),
        ("none", None) => Ok(None),
        ("smtp" | "smtps", Some(rest)) if rest.starts_with("//") => Ok(Some(MailServer::Smtp(text.to_owned()))),
        ("ses" | "sns", _) if !cfg!(feature = "aws") => {
            Err(format!("this build has no {kind}; build it with `--features aws`"))
        }
        ("ses", set) => {
            let configuration_set = set.map(configuration_set).transpose()?;
            Ok(Some(MailServer::Ses { configuration_set, prefix: prefix.to_owned() }))
        }
        ("sns", None) => Ok(Some(MailServer::Sns { prefix: prefix.to_owned() })),
        _ => Err("choose inbox, none, smtp://USER:PASSWORD@HOST:PORT, ses, ses:CONFIGURATION_SET or sns".into()),
    }
}

/// What SES takes as the name of a configuration set.
fn configuration_set(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=64).contains(&name.len()) && name.chars().all(plain) {
        return Ok(name.to_owned());
    }
    Err(format!("{name:?} names no configuration set of SES: 1 to 64 letters, digits, - and _"))
}

fn non_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("give a path".into()) } else { Ok(text.to_owned()) }
}

fn adapter(text: &str) -> Result<Adapter, String> {
    match text {
        "embedded" => Ok(Adapter::Embedded),
        "kinesis" if cfg!(feature = "aws") => Ok(Adapter::Kinesis),
        "kinesis" => Err("this build has no kinesis adapter; build it with `--features aws`".into()),
        "kafka" => Err("this build has no kafka adapter; use embedded or kinesis".into()),
        _ => Err("choose embedded, kinesis or kafka".into()),
    }
}

/// What Kinesis and DynamoDB both take in names.
fn prefix(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= 64 && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err("choose at most 64 letters, digits, - _ and .".into())
}

fn failover(text: &str) -> Result<i64, String> {
    let millis = parse_millis(text)?;
    if millis >= 1_000 {
        Ok(millis)
    } else {
        Err("choose a second or more: leases are renewed three times in it".into())
    }
}

fn envelope_secret(text: &str) -> Result<Option<String>, String> {
    match text.len() {
        0 => Ok(None),
        1..16 => Err("choose 16 bytes or more".into()),
        _ => Ok(Some(text.to_owned())),
    }
}

fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "fsync" => Ok(Durability::Fsync),
        "os" => Ok(Durability::Os),
        _ => Err("choose fsync (survives a power cut) or os (survives a killed process)".into()),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("choose true or false".into()),
    }
}

fn listen(text: &str) -> Result<Listen, String> {
    match text {
        "auto" => Ok(Listen::Auto),
        "off" => Ok(Listen::Off),
        address => match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Listen::At(address.to_owned())),
            _ => Err("choose auto, off, or HOST:PORT such as 127.0.0.1:5433".into()),
        },
    }
}

fn parse_positive_millis(text: &str) -> Result<i64, String> {
    parse_millis(text).and_then(|millis| if millis > 0 { Ok(millis) } else { Err("choose more than nothing".into()) })
}

/// Sizes as people write them: `512MiB`, `2GiB`.
fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || "write a whole number and a unit, such as 512MiB or 2GiB, from 16MiB to 1024GiB".to_owned();
    let (number, shift) = match (text.strip_suffix("MiB"), text.strip_suffix("GiB")) {
        (Some(number), _) => (number, 20),
        (_, Some(number)) => (number, 30),
        _ => return Err(wrong()),
    };
    let number = number.trim().parse::<usize>().ok().filter(|number| *number <= 1 << 20).ok_or_else(wrong)?;
    Some(number << shift).filter(|bytes| (16 << 20..=1 << 40).contains(bytes)).ok_or_else(wrong)
}

fn number<T>(text: &str, least: T, most: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let digits = text.replace('_', "");
    let value = digits.parse::<T>().ok().filter(|value| *value >= least && *value <= most);
    value.ok_or_else(|| format!("choose a whole number from {least} to {most}"))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_tests;
