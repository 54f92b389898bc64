//! Times on the command line.

use std::fmt;
use std::str::FromStr;

use schemas::time::Timestamp;

/// A time as people write it: RFC 3339, or a date, which means its first moment in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(Timestamp);

impl Time {
    /// Milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0.millis()
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Time, String> {
        let whole = if text.len() == "2022-07-11".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
        let wrong = |_| "write a time such as 2022-07-11T14:00:00Z, or a date such as 2022-07-11".to_owned();
        Timestamp::parse_rfc3339(&whole).map(Time).map_err(wrong)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_dates() {
        for (text, shown) in [
            ("2022-07-11", Some("2022-07-11T00:00:00.000Z")),
            ("2022-07-11T14:30:00Z", Some("2022-07-11T14:30:00.000Z")),
            ("2022-07-11T16:30:00+02:00", Some("2022-07-11T14:30:00.000Z")),
            ("yesterday", None),
            ("2022-13-01", None),
        ] {
            assert_eq!(text.parse::<Time>().ok().map(|time| time.to_string()).as_deref(), shown, "{text}");
        }
    }
}
