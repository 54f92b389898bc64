//! What a session is set to: `SET` and `SHOW`, and what is reported when it begins.
//!
//! Clients set many things that mean nothing here, and are let. Refused is what a client would rely
//! on in vain: another encoding or date style, and to write.

use std::collections::BTreeMap;
use std::time::Duration;

use super::refusal::{BAD_SETTING, READ_ONLY, Refusal};
use crate::config::duration::parse_millis;

/// The version that clients are told, whose catalog they then ask for.
pub const SERVER_VERSION: &str = "15.0";
/// The longest value kept.
const MAX_VALUE: usize = 256;
/// The names kept, at most.
const MAX_NAMES: usize = 64;

/// What is told at the start of a session.
pub const REPORTED: [&str; 12] = [
    "server_version",
    "server_encoding",
    "client_encoding",
    "application_name",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
    "is_superuser",
    "session_authorization",
    "default_transaction_read_only",
];

/// What a session starts with.
const DEFAULTS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("DateStyle", "ISO, MDY"),
    ("default_table_access_method", "heap"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("is_superuser", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("row_security", "on"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", "150000"),
    ("session_authorization", "oddsmill"),
    ("ssl", "off"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("TimeZone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// A session's settings.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    changed: BTreeMap<String, String>,
}

impl Settings {
    /// A setting's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = canonical(name);
        let default = DEFAULTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)).map(|(_, value)| *value);
        self.changed.get(&name).map(String::as_str).or(default)
    }

    /// Every setting and its value.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        DEFAULTS.iter().map(|(name, default)| (*name, self.get(name).unwrap_or(default)))
    }

    /// Changes a setting; nothing is its default.
    ///
    /// # Errors
    /// A value that a client would rely on in vain.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), Refusal> {
        let name = canonical(name);
        let Some(value) = value else {
            self.changed.remove(&name);
            return Ok(());
        };
        let lower = value.to_lowercase();
        let refuse =
            |way_out: &str| Err(Refusal::new(BAD_SETTING, format!("{name} cannot be {value:?} here; {way_out}")));
        match name.as_str() {
            "client_encoding" | "names" if !["utf8", "utf-8", "unicode"].contains(&lower.as_str()) => {
                return refuse("use UTF8");
            }
            "datestyle" if !lower.starts_with("iso") => return refuse("use ISO"),
            "intervalstyle" if lower != "postgres" => return refuse("use postgres"),
            "standard_conforming_strings" if is_off(&lower) => return refuse("use on"),
            "transaction_read_only" | "default_transaction_read_only" if is_off(&lower) => {
                return Err(Refusal::new(READ_ONLY, "a read-write mode is not possible: this surface is read-only"));
            }
            "statement_timeout" if timeout(&lower).is_none() => return refuse("give milliseconds, or such as 5s"),
            // Told as they are, whatever clients wish them to be.
            "client_encoding"
            | "names"
            | "datestyle"
            | "timezone"
            | "transaction_read_only"
            | "default_transaction_read_only"
            | "server_version"
            | "server_version_num"
            | "is_superuser"
            | "session_authorization"
            | "transaction_isolation" => return Ok(()),
            _ => {}
        }
        if value.len() <= MAX_VALUE && (self.changed.len() < MAX_NAMES || self.changed.contains_key(&name)) {
            self.changed.insert(name, value.to_owned());
        }
        Ok(())
    }

    /// Sets everything back.
    pub fn reset(&mut self) {
        self.changed.clear();
    }

    /// How long a statement may take, where the session asked for less than `limit`.
    pub fn timeout(&self, limit: Duration) -> Duration {
        let asked = self.get("statement_timeout").and_then(|text| timeout(&text.to_lowercase()));
        asked.filter(|asked| !asked.is_zero()).map_or(limit, |asked| asked.min(limit))
    }
}

/// A name as it is kept: in lower case, and one for what has several.
fn canonical(name: &str) -> String {
    match name.to_lowercase().as_str() {
        "time zone" => "timezone".to_owned(),
        "names" => "client_encoding".to_owned(),
        "transaction isolation level" => "transaction_isolation".to_owned(),
        "session characteristics" | "transaction" | "local transaction" => "transaction".to_owned(),
        other => other.to_owned(),
    }
}

fn is_off(value: &str) -> bool {
    ["off", "false", "no", "0", "f"].contains(&value)
}

fn timeout(text: &str) -> Option<Duration> {
    let text = text.trim().replace("min", "m");
    let millis = text.parse().ok().or_else(|| parse_millis(&text).ok())?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_relied_on_in_vain_is_refused() {
        let mut settings = Settings::default();
        for (name, value, code) in [
            ("client_encoding", "LATIN1", BAD_SETTING),
            ("DateStyle", "German", BAD_SETTING),
            ("transaction_read_only", "off", READ_ONLY),
            ("statement_timeout", "soon", BAD_SETTING),
        ] {
            assert_eq!(settings.set(name, Some(value)).unwrap_err().code, code, "{name}");
        }
        for (name, value) in [("client_encoding", "utf-8"), ("TimeZone", "Europe/Berlin"), ("geqo", "off")] {
            settings.set(name, Some(value)).unwrap();
        }
        assert_eq!(settings.get("time zone"), Some("UTC"));
        assert_eq!((settings.get("GEQO"), settings.get("nope")), (Some("off"), None));
    }

    #[test]
    fn a_session_may_wait_for_less_and_not_for_more() {
        let limit = Duration::from_secs(30);
        let mut settings = Settings::default();
        for (text, seconds) in [("5s", 5), ("2000", 2), ("1min", 30), ("0", 30)] {
            settings.set("statement_timeout", Some(text)).unwrap();
            assert_eq!(settings.timeout(limit), Duration::from_secs(seconds), "{text}");
        }
    }
}
