//! Numbers, times and names as short texts.

use ratatui_core::text::Span;
use schemas::money::Total;
use schemas::odds::Odds;
use schemas::time::Timestamp;

use super::look::Look;
use crate::cli::output::grouped;

/// Micro-units of a unit.
const UNIT: u128 = 1_000_000;

/// The time of day in UTC: `20:01:00`.
pub fn clock(at: Timestamp) -> String {
    let seconds = at.millis() / 1000;
    format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// A length of time: `3 ms`, `4.2 s`, `3m12s`, `2h05m`, `3d04h`.
pub fn span(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Money in seven characters or so: `12.50`, `12,035`, `3.40M`. Halves go up.
pub fn amount(total: Total) -> String {
    let micros = total.micros().unsigned_abs();
    let sign = if total.micros() < 0 { "-" } else { "" };
    let hundredths = |of: u128| {
        let all = (micros + of / 200) / (of / 100);
        format!("{}.{:02}", grouped(saturated(all / 100)), all % 100)
    };
    let text = match micros / UNIT {
        0..100 => hundredths(UNIT),
        100..1_000_000 => grouped(saturated((micros + UNIT / 2) / UNIT)),
        1_000_000..1_000_000_000 => hundredths(UNIT * 1_000_000) + "M",
        _ => hundredths(UNIT * 1_000_000_000) + "G",
    };
    format!("{sign}{text}")
}

fn saturated(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Decimal odds as traders read them: `1.85`, `34.0`, `110`.
pub fn odds(odds: Odds) -> String {
    decimals(odds.micros(), odds.micros())
}

/// A move of the odds, with as many decimals as the odds have: `+0.05`.
pub fn movement(moved: i64, now: Odds) -> String {
    let sign = if moved < 0 { '-' } else { '+' };
    format!("{sign}{}", decimals(moved.unsigned_abs(), now.micros()))
}

fn decimals(micros: u64, sized_as: u64) -> String {
    let rounded = |step: u64| (micros + step / 2) / step;
    match sized_as / 1_000_000 {
        0..20 => format!("{}.{:02}", rounded(10_000) / 100, rounded(10_000) % 100),
        20..100 => format!("{}.{}", rounded(100_000) / 10, rounded(100_000) % 10),
        _ => grouped(rounded(1_000_000)),
    }
}

/// A number, or a dash where it is not known.
pub fn known(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), grouped)
}

/// A text cut to a width, the cut marked. What would move the cursor becomes a blank.
pub fn fit(text: &str, width: usize, look: Look) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if Span::raw(&text).width() <= width {
        return text;
    }
    let mark = look.glyph("…", "~");
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if Span::raw(&out).width() + 1 > width {
            out.pop();
            break;
        }
    }
    let kept = out.trim_end().len();
    out.truncate(kept);
    if width > 0 { out + mark } else { out }
}

/// An address by its ends: `0x00ab…00aa`.
pub fn address(text: &str, look: Look) -> String {
    match (text.get(..6), text.len().checked_sub(4).and_then(|at| text.get(at..))) {
        (Some(head), Some(tail)) if text.len() > 14 => format!("{head}{}{tail}", look.glyph("…", "~")),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { colour: false, unicode: true };

    #[test]
    fn spans_are_short() {
        let cases = [(3, "3 ms"), (4250, "4.2 s"), (192_000, "3m12s"), (7_500_000, "2h05m"), (273_600_000, "3d04h")];
        for (ms, text) in cases {
            assert_eq!(span(ms), text);
        }
        assert_eq!(clock(Timestamp::from_millis_clamped(1_657_550_847_332)), "14:47:27");
    }

    #[test]
    fn amounts_keep_what_matters() {
        let cases = [
            (0, "0.00"),
            (12_505_000, "12.51"),
            (-99_990_000, "-99.99"),
            (456_536_230_000, "456,536"),
            (3_400_000_000_000, "3.40M"),
            (1_250_000_000_000_000, "1.25G"),
        ];
        for (micros, text) in cases {
            assert_eq!(amount(Total::from_micros(micros).unwrap()), text);
        }
    }

    #[test]
    fn odds_have_fewer_decimals_as_they_grow() {
        let cases = [(1_850_000, "1.85"), (19_994_000, "19.99"), (34_000_000, "34.0"), (1_100_000_000, "1,100")];
        for (micros, text) in cases {
            assert_eq!(odds(Odds::from_micros(micros).unwrap()), text);
        }
        let now = Odds::from_micros(1_850_000).unwrap();
        assert_eq!((movement(50_000, now), movement(-20_000, now)), ("+0.05".into(), "-0.02".into()));
    }

    #[test]
    fn texts_are_cut_to_their_width() {
        for (text, width, fitted) in [
            ("England", 7, "England"),
            ("England", 6, "Engla…"),
            ("New Zealand", 5, "New…"),
            ("東京タワー", 6, "東京…"),
            ("a\u{1b}[2Jb", 9, "a [2Jb"),
            ("abc", 0, ""),
        ] {
            assert_eq!(fit(text, width, LOOK), fitted);
        }
        assert_eq!(address("0x00000000000000000000000000000000000000aa", LOOK), "0x0000…00aa");
        assert_eq!(address("ann", LOOK), "ann");
    }
}
