//! What the fold needs of a line, by the shortest way: the usual layout is compared, not parsed, and
//! any other line is left to serde.

use schemas::decimal::parse_micros;
use schemas::ids::QuestionId;
use serde::Deserialize;

/// What the fold needs of a bet.
#[derive(Debug, PartialEq, Eq)]
pub struct Scanned {
    pub question: QuestionId,
    pub outcome: u16,
    /// In millionths.
    pub odds: u64,
    pub placed_at: i64,
}

impl Scanned {
    /// Reads a line.
    #[inline]
    pub fn of(line: &[u8]) -> Scanned {
        usual(line).unwrap_or_else(|| any(line))
    }
}

#[inline]
fn usual(line: &[u8]) -> Option<Scanned> {
    let mut rest = line.strip_prefix(b"{\"bet_uuid\":\"")?.get(36..)?.strip_prefix(b"\",\"question_uuid\":\"")?;
    let question = QuestionId::parse(str::from_utf8(rest.get(..36)?).ok()?).ok()?;
    rest = rest[36..].strip_prefix(b"\",\"outcome_index\":")?;
    let outcome = u16::try_from(integer(&mut rest)?).ok()?;
    rest = rest.strip_prefix(b",\"bettor\":\"")?.get(42..)?.strip_prefix(b"\",\"buy_amount\":\"")?;
    decimal(&mut rest)?;
    rest = rest.strip_prefix(b"\",\"odds\":\"")?;
    let odds = decimal(&mut rest)?;
    rest = rest.strip_prefix(b"\",\"chain_id\":")?;
    integer(&mut rest)?;
    rest = rest.strip_prefix(b",\"placed_at\":")?;
    let placed_at = i64::try_from(integer(&mut rest)?).ok()?;
    (rest == b"}").then_some(Scanned { question, outcome, odds, placed_at })
}

/// Takes the digits in front.
#[inline]
fn integer(rest: &mut &[u8]) -> Option<u64> {
    let mut value: Option<u64> = None;
    while let [digit @ b'0'..=b'9', after @ ..] = *rest {
        value = Some(value.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit - b'0'))?);
        *rest = after;
    }
    value
}

/// Takes the decimal in front, in millionths.
#[inline]
fn decimal(rest: &mut &[u8]) -> Option<u64> {
    let mut micros = integer(rest)?.checked_mul(1_000_000)?;
    if let [b'.', after @ ..] = *rest {
        *rest = after;
        let mut unit = 100_000;
        while let [digit @ b'0'..=b'9', after @ ..] = *rest {
            if unit == 0 {
                return None;
            }
            micros = micros.checked_add(u64::from(digit - b'0') * unit)?;
            unit /= 10;
            *rest = after;
        }
    }
    Some(micros)
}

fn any(line: &[u8]) -> Scanned {
    #[derive(Deserialize)]
    struct Line<'a> {
        question_uuid: &'a str,
        outcome_index: u16,
        odds: &'a str,
        placed_at: i64,
    }
    let line: Line<'_> = serde_json::from_slice(line).unwrap();
    Scanned {
        question: QuestionId::parse(line.question_uuid).unwrap(),
        outcome: line.outcome_index,
        odds: parse_micros(line.odds).unwrap() as u64,
        placed_at: line.placed_at,
    }
}

#[cfg(test)]
mod tests {
    use schemas::codec::Event;

    use super::super::bets::Bets;
    use super::*;

    #[test]
    fn the_usual_line_reads_as_any() {
        for bet in Bets::new(1000, 7) {
            let line = bet.to_json();
            let scanned = usual(&line).unwrap();
            assert_eq!(scanned, any(&line));
            assert_eq!(scanned.odds, bet.odds.micros());
        }
        assert_eq!(usual(b"{}"), None);
    }
}
