//! Durations as people write them: `500ms`, `30s`, `10m`, `2h`, `7d`.

const UNITS: [(&str, i64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a duration in milliseconds; zero needs no unit.
///
/// # Errors
/// A text for people: what is wrong and what would be right.
pub fn parse_millis(text: &str) -> Result<i64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number == "0" && unit.is_empty() {
        return Ok(0);
    }
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim());
    let (Some((_, factor)), false) = (unit, number.is_empty()) else {
        return Err("write a whole number and a unit, such as 500ms, 30s, 10m, 2h or 7d".into());
    };
    let millis = number.parse::<i64>().ok().and_then(|number| number.checked_mul(*factor));
    millis.ok_or_else(|| "is longer than 292 million years; choose less".into())
}

/// Writes a duration with the largest unit that divides it.
pub fn show_millis(millis: i64) -> String {
    let fits = UNITS.iter().rev().find(|(_, factor)| millis % factor == 0 && millis != 0);
    fits.map_or_else(|| "0s".to_owned(), |(unit, factor)| format!("{}{unit}", millis / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse_millis(text), Ok(millis), "{text}");
        }
        for text in ["500ms", "30s", "10m", "2h", "7d", "90s"] {
            assert_eq!(show_millis(parse_millis(text).unwrap()), text);
        }
        for bad in ["", "10", "s", "-1s", "1.5h", "10 parsecs", "99999999999999999999s", "9223372036854775807d"] {
            assert!(parse_millis(bad).is_err(), "{bad}");
        }
    }
}
