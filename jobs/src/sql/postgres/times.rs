//! Times as PostgreSQL writes them, in text and counted from 2000.

use arrow::datatypes::IntervalMonthDayNano;
use chrono::DateTime;

/// Days and microseconds from 1970 to 2000, where PostgreSQL's counts begin.
pub const EPOCH_DAYS: i32 = 10_957;
pub const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;
const DAY_MICROS: i64 = 86_400_000_000;

/// A moment, given in microseconds from 1970; nothing for one beyond the calendar.
pub fn moment(micros: i64, zoned: bool) -> Option<String> {
    let at = DateTime::from_timestamp_micros(micros)?;
    let mut text = at.format("%Y-%m-%d %H:%M:%S").to_string();
    push_fraction(&mut text, micros.rem_euclid(1_000_000));
    if zoned {
        text.push_str("+00");
    }
    Some(text)
}

/// A day, given in days from 1970; nothing for one beyond the calendar.
pub fn day(days: i32) -> Option<String> {
    let at = DateTime::from_timestamp(i64::from(days) * 86_400, 0)?;
    Some(at.format("%Y-%m-%d").to_string())
}

/// A time of day, given in microseconds from midnight.
pub fn time_of_day(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    push_fraction(&mut text, micros % 1_000_000);
    text
}

/// A length of time.
pub fn interval(length: IntervalMonthDayNano) -> String {
    let plural = |count: i32| if count == 1 { "" } else { "s" };
    let (years, months) = (length.months / 12, length.months % 12);
    let mut parts: Vec<String> = [(years, "year"), (months, "mon"), (length.days, "day")]
        .into_iter()
        .filter(|(count, _)| *count != 0)
        .map(|(count, unit)| format!("{count} {unit}{}", plural(count)))
        .collect();
    let micros = length.nanoseconds / 1_000;
    if micros != 0 || parts.is_empty() {
        let sign = if micros < 0 { "-" } else { "" };
        parts.push(format!("{sign}{}", time_of_day(micros.saturating_abs())));
    }
    parts.join(" ")
}

fn push_fraction(text: &mut String, micros: i64) {
    if micros != 0 {
        text.push_str(format!(".{micros:06}").trim_end_matches('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_in_postgres() {
        assert_eq!(moment(1_700_000_100_123_000, true).as_deref(), Some("2023-11-14 22:15:00.123+00"));
        assert_eq!(moment(-1, false).as_deref(), Some("1969-12-31 23:59:59.999999"));
        assert_eq!(day(EPOCH_DAYS).as_deref(), Some("2000-01-01"));
        assert_eq!((moment(i64::MAX, true), day(i32::MAX)), (None, None));
        for (months, days, nanoseconds, expected) in [
            (0, 0, 0, "00:00:00"),
            (14, -3, 5_000_000_000, "1 year 2 mons -3 days 00:00:05"),
            (0, 1, -90_000_500_000_000, "1 day -25:00:00.5"),
        ] {
            assert_eq!(interval(IntervalMonthDayNano { months, days, nanoseconds }), expected);
        }
    }
}
