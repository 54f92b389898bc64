//! Which mails a person wants, how many at a time, and whose clock they show.

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::decimal::quote;
use crate::notification::NotificationEvent;
use crate::text::named;

/// Longest name of a time zone, in bytes. The longest that IANA has is 32.
const MAX_ZONE_BYTES: usize = 64;

named! {
    /// Whether many notifications come as one mail.
    DigestChoice {
        /// One mail for each, until there are many at once.
        0 Auto = "auto",
        /// Always together.
        1 Always = "always",
        /// One mail for each, however many.
        2 Never = "never",
    }
}

/// What a person has chosen about mails; what is absent was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct MailPreferences {
    /// What to write about; absent is everything, an empty list nothing.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<NotificationEvent>>,
    /// Whether to put many in one; absent is `auto`.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestChoice>,
    /// The IANA time zone of the times in mails, such as `Europe/Madrid`; absent is UTC.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

impl MailPreferences {
    /// The choice of somebody who unsubscribed.
    pub fn unsubscribed() -> MailPreferences {
        MailPreferences { events: Some(Vec::new()), ..MailPreferences::default() }
    }

    /// Whether to write about such an event.
    pub fn wants(&self, event: NotificationEvent) -> bool {
        self.events.as_ref().is_none_or(|events| events.contains(&event))
    }

    /// Takes over what a newer choice says; what it leaves out stays.
    pub fn merge(&mut self, newer: MailPreferences) {
        let MailPreferences { events, digest, time_zone } = newer;
        self.events = events.or(self.events.take());
        self.digest = digest.or(self.digest);
        self.time_zone = time_zone.or(self.time_zone.take());
    }

    /// The bounds. Whether the zone is one of IANA's is not known here; one that is not shows UTC.
    pub fn check(&self) -> Result<(), DecodeError> {
        let kinds = NotificationEvent::ALL.len();
        if let Some(events) = self.events.as_ref().filter(|events| events.len() > kinds) {
            let problem = format!("{} events; there are {kinds}, name each once", events.len());
            return Err(DecodeError::field("mail.events", problem));
        }
        match &self.time_zone {
            Some(zone) if !is_zone(zone) => {
                let problem =
                    format!("{} is not a time zone; write an IANA name such as \"Europe/Madrid\"", quote(zone));
                Err(DecodeError::field("mail.time_zone", problem))
            }
            _ => Ok(()),
        }
    }
}

/// Words of letters, digits, `_`, `+` and `-`, with `/` between them: `America/Argentina/Salta`,
/// `Etc/GMT+3`.
fn is_zone(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-'))
    };
    text.len() <= MAX_ZONE_BYTES && text.split('/').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> MailPreferences {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn choices_survive_json_and_rows() {
        for (json, row) in [
            ("{}", "80"),
            (r#"{"events":[]}"#, "81 80"),
            (r#"{"events":["bet_won","bet_paid"],"digest":"always"}"#, "82 82 02 05 01"),
            (r#"{"digest":"never","time_zone":"UTC"}"#, "83 f6 02 63 555443"),
        ] {
            let choice = read(json);
            choice.check().unwrap();
            assert_eq!(serde_json::to_string(&choice).unwrap(), json);
            let bytes = minicbor::to_vec(&choice).unwrap();
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, row.replace(' ', ""), "{json}");
            assert_eq!(minicbor::decode::<MailPreferences>(&bytes).unwrap(), choice);
        }
        assert_eq!(read(r#"{"later":1}"#), MailPreferences::default());
    }

    #[test]
    fn absent_is_everything_and_empty_is_nothing() {
        let some = read(r#"{"events":["bet_won"]}"#);
        for event in NotificationEvent::ALL.iter().copied() {
            assert!(MailPreferences::default().wants(event));
            assert!(!MailPreferences::unsubscribed().wants(event));
            assert_eq!(some.wants(event), event == NotificationEvent::BetWon);
        }
    }

    #[test]
    fn a_newer_choice_leaves_the_rest() {
        let mut choice = read(r#"{"events":["bet_won"],"time_zone":"UTC"}"#);
        choice.merge(read(r#"{"digest":"never"}"#));
        assert_eq!(choice, read(r#"{"events":["bet_won"],"digest":"never","time_zone":"UTC"}"#));
        choice.merge(MailPreferences::unsubscribed());
        choice.merge(read(r#"{"time_zone":"Asia/Tokyo"}"#));
        assert_eq!(choice, read(r#"{"events":[],"digest":"never","time_zone":"Asia/Tokyo"}"#));
    }

    #[test]
    fn bounds_are_said_with_the_way_out() {
        for zone in ["UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+3", "America/Port-au-Prince"] {
            assert!(MailPreferences { time_zone: Some(zone.into()), ..Default::default() }.check().is_ok(), "{zone}");
        }
        for zone in ["", "/", "Europe/", "Europe//Paris", "Europe/Paris\r\nBcc: x", "Zürich", &"a".repeat(65)] {
            let error = MailPreferences { time_zone: Some(zone.into()), ..Default::default() }.check().unwrap_err();
            assert!(error.to_string().contains("Europe/Madrid"), "{error}");
        }
        let many = MailPreferences { events: Some(vec![NotificationEvent::BetWon; 7]), ..Default::default() };
        assert!(many.check().unwrap_err().to_string().contains("name each once"));
    }
}
