//! An independent answer to what a replay of a Betfair market file must give.
//!
//! It is computed straight from the file and shares no code with the product:
//! plain `serde_json::Value` trees in which every number is kept as its text, the
//! whole file read at once, all increases listed first and grouped afterwards.
//! It is slow and simple, and meant for one file with one market.
//!
//! What counts as a bet: an increase of `rc[].trd` over the last cumulative
//! size at that price, in an update that is not an image, before the market
//! is CLOSED. Windows are five minutes of `pt`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value;

const WINDOW_MS: i64 = 5 * 60 * 1_000;

/// The whole answer. Amounts and odds are in millionths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// By window start (ms since the epoch) and runner id.
    pub windows: BTreeMap<(i64, i64), Window>,
    /// All increases.
    pub bets: u64,
    /// Their sizes, added up.
    pub staked: i128,
    /// When the market was first CLOSED.
    pub closed_at: Option<i64>,
    /// Runners that are WINNER in the last definition.
    pub winners: Vec<i64>,
    /// What the bets on those pay: size × price, each rounded down to the millionth.
    pub returned: i128,
    /// How many bets those are.
    pub won: u64,
}

/// One runner in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Increases.
    pub count: u64,
    /// Their sizes.
    pub stake: i128,
    /// Their prices.
    pub sum_odds: i128,
    /// Sum of odds over count, half to even.
    pub avg_odds: i128,
    /// Odds weighted by stake, half to even.
    pub weighted_odds: i128,
    /// The lowest price.
    pub min_odds: i128,
    /// The highest price.
    pub max_odds: i128,
}

impl Reference {
    /// How many five-minute windows have bets on any runner.
    pub fn window_count(&self) -> usize {
        let mut starts: Vec<i64> = self.windows.keys().map(|(start, _)| *start).collect();
        starts.dedup();
        starts.len()
    }
}

/// One matched increase.
struct Increase {
    pt: i64,
    runner: i64,
    odds: i128,
    stake: i128,
}

/// Computes the answer, or says what in the file is not as expected.
pub fn compute(path: &Path) -> Result<Reference, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let messages = text
        .lines()
        .map(|line| serde_json::from_str(&quote_numbers(line)))
        .collect::<Result<Vec<Value>, _>>()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let closed_at =
        messages.iter().find(|message| has_status(message, "CLOSED")).and_then(|message| integer(&message["pt"]));
    let winners = winners(&messages);
    let increases = increases(&messages, closed_at.unwrap_or(i64::MAX))?;
    let won = || increases.iter().filter(|increase| winners.contains(&increase.runner));
    Ok(Reference {
        bets: increases.len() as u64,
        staked: increases.iter().map(|increase| increase.stake).sum(),
        windows: windows(&increases),
        returned: won().map(|increase| increase.stake * increase.odds / 1_000_000).sum(),
        won: won().count() as u64,
        closed_at,
        winners,
    })
}

/// Lists what was newly matched up to and including a publish time.
fn increases(messages: &[Value], until: i64) -> Result<Vec<Increase>, String> {
    // By market, runner and price in millionths.
    let mut book: HashMap<(String, i64, i128), i128> = HashMap::new();
    let mut increases = Vec::new();
    for message in messages {
        let pt = integer(&message["pt"]).ok_or("a message without pt")?;
        for change in items(&message["mc"]) {
            let market = change["id"].as_str().ok_or("a market without id")?;
            let image = change["img"] == Value::Bool(true);
            if image {
                book.retain(|(known, _, _), _| known != market);
            }
            for runner_change in items(&change["rc"]) {
                let runner = integer(&runner_change["id"]).ok_or("a runner without id")?;
                for level in items(&runner_change["trd"]) {
                    let odds = millionths(&level[0])?;
                    let size = millionths(&level[1])?;
                    let before = book.insert((market.to_owned(), runner, odds), size).unwrap_or(0);
                    if !image && size > before && pt <= until {
                        increases.push(Increase { pt, runner, odds, stake: size - before });
                    }
                }
            }
        }
    }
    Ok(increases)
}

fn windows(increases: &[Increase]) -> BTreeMap<(i64, i64), Window> {
    let mut groups: BTreeMap<(i64, i64), Vec<&Increase>> = BTreeMap::new();
    for increase in increases {
        let start = increase.pt.div_euclid(WINDOW_MS) * WINDOW_MS;
        groups.entry((start, increase.runner)).or_default().push(increase);
    }
    groups.into_iter().map(|(key, group)| (key, window(&group))).collect()
}

fn window(group: &[&Increase]) -> Window {
    let count = group.len() as u64;
    let stake: i128 = group.iter().map(|increase| increase.stake).sum();
    let sum_odds: i128 = group.iter().map(|increase| increase.odds).sum();
    let turnover: i128 = group.iter().map(|increase| increase.odds * increase.stake).sum();
    Window {
        count,
        stake,
        sum_odds,
        avg_odds: divide_half_even(sum_odds, i128::from(count)),
        weighted_odds: divide_half_even(turnover, stake),
        min_odds: group.iter().map(|increase| increase.odds).min().unwrap_or_default(),
        max_odds: group.iter().map(|increase| increase.odds).max().unwrap_or_default(),
    }
}

/// A quotient of positive integers rounded to the nearest, ties to even.
fn divide_half_even(dividend: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    match (2 * rest).cmp(&divisor) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + quotient % 2,
    }
}

/// A decimal text in millionths.
fn millionths(text: &Value) -> Result<i128, String> {
    let wrong = || format!("{text} is no plain decimal with at most six digits after the point");
    let text = text.as_str().ok_or_else(wrong)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 6 {
        return Err(wrong());
    }
    format!("{whole}{fraction:0<6}").parse().map_err(|_| wrong())
}

fn integer(text: &Value) -> Option<i64> {
    text.as_str()?.parse().ok()
}

/// The line with every number made a string, so that none becomes a double on
/// its way through a [`Value`].
fn quote_numbers(line: &str) -> String {
    let mut quoted = String::with_capacity(2 * line.len());
    let mut in_string = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        if in_string {
            quoted.push(char);
            match char {
                '\\' => quoted.extend(chars.next()),
                '"' => in_string = false,
                _ => {}
            }
        } else if char == '-' || char.is_ascii_digit() {
            quoted.push('"');
            quoted.push(char);
            while let Some(more) = chars.next_if(|next| next.is_ascii_digit() || "+-.eE".contains(*next)) {
                quoted.push(more);
            }
            quoted.push('"');
        } else {
            quoted.push(char);
            in_string = char == '"';
        }
    }
    quoted
}

fn has_status(message: &Value, status: &str) -> bool {
    items(&message["mc"]).any(|change| change["marketDefinition"]["status"] == status)
}

fn winners(messages: &[Value]) -> Vec<i64> {
    let definitions =
        messages.iter().flat_map(|message| items(&message["mc"])).map(|change| &change["marketDefinition"]);
    let Some(last) = definitions.filter(|definition| definition.is_object()).last() else {
        return Vec::new();
    };
    items(&last["runners"])
        .filter(|runner| runner["status"] == "WINNER")
        .filter_map(|runner| integer(&runner["id"]))
        .collect()
}

/// The items of an array; none of anything else.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_to_even() {
        for (dividend, divisor, expected) in [(5, 2, 2), (7, 2, 4), (8, 3, 3), (7, 3, 2), (6, 3, 2)] {
            assert_eq!(divide_half_even(dividend, divisor), expected, "{dividend} / {divisor}");
        }
    }

    #[test]
    fn numbers_keep_their_text() {
        let cases = [
            (
                r#"{"a":1.50,"b":[-2,3e1],"c":"4\"5",true:null}"#,
                r#"{"a":"1.50","b":["-2","3e1"],"c":"4\"5",true:null}"#,
            ),
            ("[[1.01,20]]", r#"[["1.01","20"]]"#),
        ];
        for (line, expected) in cases {
            assert_eq!(quote_numbers(line), expected);
        }
    }

    #[test]
    fn reads_decimals_exactly() {
        for (text, expected) in [("1.5", 1_500_000), ("227.81", 227_810_000), ("1000", 1_000_000_000), ("0.07", 70_000)]
        {
            assert_eq!(millionths(&Value::from(text)), Ok(expected), "{text}");
        }
        assert!(millionths(&Value::from("1.1234567")).is_err());
    }

    /// Needs the file that `ODDSMILL_CRICKET` names; it is not ours to ship.
    #[test]
    fn agrees_with_the_published_figures() {
        let Some(path) = std::env::var_os("ODDSMILL_CRICKET") else { return };
        let reference = compute(Path::new(&path)).unwrap();
        assert_eq!(reference.bets, 11_323);
        assert_eq!(reference.staked, 456_536_230_000);
        assert_eq!(reference.window_count(), 97);
        assert_eq!(reference.closed_at, Some(1_657_550_847_332));
        assert_eq!(reference.winners, [228_749]);
    }
}
