//! Amounts, odds, times and names as people read them.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike as _, Offset as _, TimeZone as _, Timelike as _};
use chrono_tz::{OffsetName as _, Tz};
use schemas::money::{Money, Total};
use schemas::odds::Odds;
use schemas::time::Timestamp;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `1,234.50 USDC`.
pub(super) fn money(amount: Money, currency: &str) -> String {
    format!("{} {currency}", grouped(i128::from(amount.micros())))
}

/// [`money`] of a sum.
pub(super) fn total(amount: Total, currency: &str) -> String {
    format!("{} {currency}", grouped(amount.micros()))
}

/// `2.35`.
pub(super) fn odds(odds: Odds) -> String {
    grouped(i128::from(odds.micros()))
}

/// Millionths as a decimal number: thousands apart, two decimals, more only where they count.
fn grouped(micros: i128) -> String {
    let magnitude = micros.unsigned_abs();
    let (whole, mut fraction, mut decimals) = ((magnitude / 1_000_000).to_string(), magnitude % 1_000_000, 6);
    while decimals > 2 && fraction % 10 == 0 {
        (fraction, decimals) = (fraction / 10, decimals - 1);
    }
    let mut text = String::with_capacity(whole.len() + whole.len() / 3 + 8);
    if micros < 0 {
        text.push('-');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    // Writing to a String cannot fail.
    let _ = write!(text, ".{fraction:0decimals$}");
    text
}

fn local(at: Timestamp, zone: Tz) -> DateTime<Tz> {
    let utc = DateTime::from_timestamp_millis(at.millis()).unwrap_or_default();
    zone.from_utc_datetime(&utc.naive_utc())
}

fn day_and_month(time: &DateTime<Tz>) -> (&'static str, &'static str) {
    (DAYS[time.weekday().num_days_from_monday() as usize % 7], MONTHS[time.month0() as usize % 12])
}

/// `Mon 11 Jul 2022, 16:47 CEST`.
pub(super) fn moment(at: Timestamp, zone: Tz) -> String {
    let time = local(at, zone);
    let (weekday, month) = day_and_month(&time);
    let (day, year, hour, minute) = (time.day(), time.year(), time.hour(), time.minute());
    let mut text = format!("{weekday} {day} {month} {year}, {hour:02}:{minute:02} ");
    match time.offset().abbreviation() {
        Some(name) if name.starts_with(|char: char| char.is_ascii_alphabetic()) => text.push_str(name),
        // Many zones have no name but their offset: `+0530` says less than `UTC+5:30`.
        _ => {
            let minutes = time.offset().fix().local_minus_utc() / 60;
            let sign = if minutes < 0 { '-' } else { '+' };
            let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
            let _ = write!(text, "UTC{sign}{hours}");
            if rest != 0 {
                let _ = write!(text, ":{rest:02}");
            }
        }
    }
    text
}

/// `Mon, 11 Jul 2022 16:47:27 +0200`, for the header `Date`.
pub(super) fn date_header(at: Timestamp, zone: Tz) -> String {
    let time = local(at, zone);
    let (weekday, month) = day_and_month(&time);
    let minutes = time.offset().fix().local_minus_utc() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    let (day, year, hour, minute, second) = (time.day(), time.year(), time.hour(), time.minute(), time.second());
    format!("{weekday}, {day} {month} {year} {hour:02}:{minute:02}:{second:02} {sign}{hours:02}{rest:02}")
}

/// A stranger's text on one line of at most `max` characters: runs of blanks and control
/// characters are one blank, and marks that turn the reading direction are left out, since they
/// could make `won` of `now`.
pub(super) fn line(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(4 * max));
    let (mut length, mut gap) = (0, false);
    for char in text.chars() {
        if char.is_whitespace() || char.is_control() {
            gap = length > 0;
            continue;
        }
        if matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}') {
            continue;
        }
        length += 1 + usize::from(gap);
        if length > max {
            out.push_str("...");
            break;
        }
        if gap {
            out.push(' ');
            gap = false;
        }
        out.push(char);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        for (micros, text) in [
            (0, "0.00"),
            (1, "0.000001"),
            (2_350_000, "2.35"),
            (2_345_000, "2.345"),
            (10_500_000, "10.50"),
            (1_234_500_000, "1,234.50"),
            (-999_000_000, "-999.00"),
            (1_000_000_000_000, "1,000,000.00"),
            (123_456_789_123_456, "123,456,789.123456"),
        ] {
            assert_eq!(grouped(micros), text);
        }
        assert_eq!(money("1234.5".parse().unwrap(), "USDC"), "1,234.50 USDC");
        assert_eq!(odds("2.35".parse().unwrap()), "2.35");
    }

    #[test]
    fn times_are_the_readers_own() {
        let at: Timestamp = "2022-07-11T14:47:27.332Z".parse().unwrap();
        for (zone, text, header) in [
            ("UTC", "Mon 11 Jul 2022, 14:47 UTC", "Mon, 11 Jul 2022 14:47:27 +0000"),
            ("Europe/Madrid", "Mon 11 Jul 2022, 16:47 CEST", "Mon, 11 Jul 2022 16:47:27 +0200"),
            ("Asia/Kolkata", "Mon 11 Jul 2022, 20:17 IST", "Mon, 11 Jul 2022 20:17:27 +0530"),
            ("Asia/Kathmandu", "Mon 11 Jul 2022, 20:32 UTC+5:45", "Mon, 11 Jul 2022 20:32:27 +0545"),
            ("America/Sao_Paulo", "Mon 11 Jul 2022, 11:47 UTC-3", "Mon, 11 Jul 2022 11:47:27 -0300"),
            ("Pacific/Auckland", "Tue 12 Jul 2022, 02:47 NZST", "Tue, 12 Jul 2022 02:47:27 +1200"),
        ] {
            let zone = zone.parse().unwrap();
            assert_eq!((moment(at, zone).as_str(), date_header(at, zone).as_str()), (text, header));
        }
    }

    #[test]
    fn a_strangers_text_stays_one_line() {
        assert_eq!(line("  Who\r\n\twins? ", 99), "Who wins?");
        assert_eq!(line("a\u{202e}b\u{0}c", 99), "ab c");
        assert_eq!(line("\u{2028}Größe\u{2029}", 99), "Größe");
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line("abc defg", 6), "abc de...");
    }
}
