//! From the texts of settings to values: what each can be, and what to say where it is something else.

use std::path::PathBuf;
use std::time::Duration;

use models::Device;
use pipeline::adapters::embedded::Durability;
use schemas::probability::Probability;

use super::duration::parse_millis;
use super::{Adapter, ConfigError, Resolved};
use crate::notify::letter::Sender;
use crate::notify::letter::unsubscribe::MIN_SECRET_BYTES;
use crate::notify::{MailOptions, MailServer};
use crate::sql::postgres::Listen;
use crate::vision::{REMEMBERED, VisionOptions};

/// Resolved settings by key.
pub(super) struct Values<'a>(pub &'a [Resolved]);

impl Values<'_> {
    fn find(&self, key: &str) -> Option<&Resolved> {
        self.0.iter().find(|resolved| resolved.setting.key == key)
    }

    pub fn text(&self, key: &str) -> &str {
        self.find(key).map_or("", |resolved| resolved.text.as_str())
    }

    pub fn parse<T>(&self, key: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        read(self.text(key)).map_err(|problem| self.wrong(key, problem))
    }

    pub fn wrong(&self, key: &'static str, problem: String) -> ConfigError {
        let place = self.find(key).map_or_else(String::new, |resolved| resolved.origin.to_string());
        ConfigError::Value { place, key, value: self.text(key).to_owned(), problem }
    }
}

/// The settings of mails. Each text is checked where it stands, so that an error names it.
pub(super) fn mail(values: &Values) -> Result<Option<MailOptions>, ConfigError> {
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

/// The settings of vision.
pub(super) fn vision(values: &Values) -> Result<VisionOptions, ConfigError> {
    let folder = |text: &str| match PathBuf::from(text) {
        _ if text.is_empty() => Ok(None),
        path if path.is_dir() => Ok(Some(path)),
        path => Err(format!("there is no folder {}", path.display())),
    };
    let device = |text: &str| text.parse().and_then(Device::built_in).map_err(|cause| cause.to_string());
    let (frames, of) = values.parse("vision.smoothing", smoothing)?;
    let usual = VisionOptions::default();
    let threads = values.parse("vision.threads", |text| number(text, 0, 1_024))?;
    let latency = values.parse("vision.latency", parse_millis)?;
    Ok(VisionOptions {
        weights: values.parse("vision.models", folder)?,
        device: values.parse("vision.device", device)?,
        threads: if threads == 0 { usual.threads } else { threads },
        latency: u64::try_from(latency).ok().filter(|latency| *latency > 0).map(Duration::from_millis),
        confidence: values.parse("vision.confidence", |text| {
            text.parse::<Probability>().map_err(|_| "choose a number from 0 to 1, such as 0.6".to_owned())
        })?,
        frames,
        of,
        objects: values.parse("vision.objects", folder)?,
    })
}

/// `3/5`: in three of five frames.
fn smoothing(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(frames, of)| Some((frames.parse().ok()?, of.parse().ok()?)));
    numbers.filter(|&(frames, of): &(usize, usize)| frames >= 2 && frames <= of && of <= REMEMBERED).ok_or_else(|| {
        format!("write two numbers such as 3/5: seen in 3 of 5 frames, at least 2 of at most {REMEMBERED}")
    })
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

pub(super) fn non_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("give a path".into()) } else { Ok(text.to_owned()) }
}

pub(super) fn adapter(text: &str) -> Result<Adapter, String> {
    match text {
        "embedded" => Ok(Adapter::Embedded),
        "kinesis" if cfg!(feature = "aws") => Ok(Adapter::Kinesis),
        "kinesis" => Err("this build has no kinesis adapter; build it with `--features aws`".into()),
        "kafka" => Err("this build has no kafka adapter; use embedded or kinesis".into()),
        _ => Err("choose embedded, kinesis or kafka".into()),
    }
}

/// What Kinesis and DynamoDB both take in names.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= 64 && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err("choose at most 64 letters, digits, - _ and .".into())
}

pub(super) fn failover(text: &str) -> Result<i64, String> {
    let millis = parse_millis(text)?;
    if millis >= 1_000 {
        Ok(millis)
    } else {
        Err("choose a second or more: leases are renewed three times in it".into())
    }
}

pub(super) fn envelope_secret(text: &str) -> Result<Option<String>, String> {
    match text.len() {
        0 => Ok(None),
        1..16 => Err("choose 16 bytes or more".into()),
        _ => Ok(Some(text.to_owned())),
    }
}

pub(super) fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "fsync" => Ok(Durability::Fsync),
        "os" => Ok(Durability::Os),
        _ => Err("choose fsync (survives a power cut) or os (survives a killed process)".into()),
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("choose true or false".into()),
    }
}

pub(super) fn listen(text: &str) -> Result<Listen, String> {
    match text {
        "auto" => Ok(Listen::Auto),
        "off" => Ok(Listen::Off),
        address => match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Listen::At(address.to_owned())),
            _ => Err("choose auto, off, or HOST:PORT such as 127.0.0.1:5433".into()),
        },
    }
}

pub(super) fn parse_positive_millis(text: &str) -> Result<i64, String> {
    parse_millis(text).and_then(|millis| if millis > 0 { Ok(millis) } else { Err("choose more than nothing".into()) })
}

/// Sizes as people write them: `512MiB`, `2GiB`.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || "write a whole number and a unit, such as 512MiB or 2GiB, from 16MiB to 1024GiB".to_owned();
    let (number, shift) = match (text.strip_suffix("MiB"), text.strip_suffix("GiB")) {
        (Some(number), _) => (number, 20),
        (_, Some(number)) => (number, 30),
        _ => return Err(wrong()),
    };
    let number = number.trim().parse::<usize>().ok().filter(|number| *number <= 1 << 20).ok_or_else(wrong)?;
    Some(number << shift).filter(|bytes| (16 << 20..=1 << 40).contains(bytes)).ok_or_else(wrong)
}

pub(super) fn number<T>(text: &str, least: T, most: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let digits = text.replace('_', "");
    let value = digits.parse::<T>().ok().filter(|value| *value >= least && *value <= most);
    value.ok_or_else(|| format!("choose a whole number from {least} to {most}"))
}
