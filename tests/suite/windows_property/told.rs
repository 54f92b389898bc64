//! All that a node tells of its bets and windows, as text that is equal when the contents are: shards
//! and positions are left out, and so is the order of what has none.

use std::collections::BTreeMap;
use std::fmt::Write;

use jobs::backfill::source::Source;
use jobs::backfill::{self, Sink, Wanted};
use jobs::bets::totals::TotalsRow;
use jobs::control::Access;
use jobs::node::Node;
use jobs::replay::Interrupt;
use pipeline::dead_letter::DeadLetter;
use pipeline::tables::system;
use schemas::bet::Bet;
use schemas::bet_row::RejectReason;
use schemas::row::Row;
use schemas::user::UserRow;
use tests::{dump, invariants, read};

use super::declared::Declared;

/// How often what was met: worlds and ways that never meet something prove nothing about it.
#[derive(Debug, Clone, Default)]
pub struct Met(BTreeMap<String, usize>);

impl Met {
    pub fn one(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }

    pub fn add(&mut self, other: Met) {
        other.0.into_iter().for_each(|(what, times)| *self.0.entry(what).or_default() += times);
    }

    pub fn lacks(&self, what: &str) -> bool {
        !self.0.contains_key(what)
    }
}

/// Lines by what they are about.
#[derive(Debug, Clone, Default)]
pub struct Told(BTreeMap<String, Vec<String>>);

impl Told {
    pub fn extend(&mut self, about: &str, lines: impl IntoIterator<Item = String>) {
        self.0.entry(about.to_owned()).or_default().extend(lines);
    }

    /// Where `other` says something else of what this tells about.
    pub fn difference(&self, other: &Told) -> Option<String> {
        let nothing = Vec::new();
        self.0.iter().find_map(|(about, expected)| {
            let got = other.0.get(about).unwrap_or(&nothing);
            let (lacks, extra) = (without(expected, got), without(got, expected));
            (!lacks.is_empty() || !extra.is_empty()).then(|| {
                let mut text = format!("{about}: {} lines lacking, {} too many", lacks.len(), extra.len());
                lacks.iter().take(3).for_each(|line| write!(text, "\n  - {line}").unwrap());
                extra.iter().take(3).for_each(|line| write!(text, "\n  + {line}").unwrap());
                text
            })
        })
    }
}

/// What is left of these lines when each of those takes one away.
fn without(lines: &[String], those: &[String]) -> Vec<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    those.iter().for_each(|line| *counts.entry(line).or_default() += 1);
    let mut left: Vec<String> = Vec::new();
    for line in lines {
        match counts.get_mut(line.as_str()).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            None => left.push(line.clone()),
        }
    }
    left.sort();
    left
}

/// The windows' tables as a query shows them when all that arrived up to `at` is applied.
pub async fn look(node: &Node, windows: &[Declared], at: i64, told: &mut Told) {
    for window in windows {
        told.extend(&format!("{} at {at}", table(window)), read::rows(node, &select(window)).await);
    }
}

fn table(window: &Declared) -> String {
    format!("{}_windows", window.name)
}

fn select(window: &Declared) -> String {
    let shown: Vec<&str> = window.shown().collect();
    let ms = |column: &str| format!("CAST({column} AS BIGINT)");
    let (start, end, watermark) = (ms("window_start"), ms("window_end"), ms("watermark"));
    let (shown, table) = (shown.join(", "), table(window));
    format!("SELECT {start}, {end}, {shown}, revision, final, {watermark} FROM {table}")
}

/// Computes every window again from the bets: what is stored must be the same bytes.
///
/// # Panics
/// Where it is not.
pub async fn compute_again(node: &Node) {
    let access = Access::Local(Box::new(node.clone()));
    for settings in node.windows.clone() {
        let name = settings.spec.name.clone();
        let wanted = Wanted { settings, starts: 0..i64::MAX / 4, max_skew_ms: node.options().max_skew_ms };
        let sink = Sink { access: Some(&access), fill: false, out: None };
        let outcome =
            backfill::run(&wanted, Source::Pipeline(&access), &sink, &Interrupt::default(), &mut |_| {}).await.unwrap();
        assert_eq!((outcome.alike, outcome.missing), (outcome.windows, 0), "{name} computed again: {outcome:?}");
    }
}

/// All that a node tells.
pub async fn tell(node: &Node, windows: &[Declared], told: &mut Told) {
    for window in windows {
        told.extend(&table(window), read::rows(node, &select(window)).await);
    }
    for stream in ["odds", "windows", "late-bets"] {
        let line =
            |r: &pipeline::record::Record| record(r.arrived_at.0, &String::from_utf8_lossy(&r.partition_key), &r.data);
        told.extend(stream, read::records(node, stream).iter().map(line));
    }
    let rows = invariants::bets(node);
    told.extend(
        "bets",
        rows.iter().map(|row| bet(&row.bet, row.reject_reason, row.status_version, row.arrived_at.millis())),
    );
    let letters = node.tables.scan(system::DEAD_LETTERS, &[]).unwrap();
    let letters = letters.iter().map(|(_, value)| DeadLetter::decode(value).unwrap());
    told.extend(
        "dead letters",
        letters.map(|letter| dead_letter(letter.arrived_at.0, letter.reject.reason.as_str(), &letter.bytes)),
    );
    for table in [UserRow::TABLE, TotalsRow::TABLE] {
        let rows = node.tables.scan(table, &[]).unwrap();
        told.extend(table, rows.iter().map(|(key, value)| format!("{key:02x?} {value:02x?}")));
    }
    let files = dump::hashes(&node.dir().join("parquet")).unwrap();
    told.extend("files", files.iter().map(|(name, _)| name.clone()));
    told.extend("bytes of files", files.iter().map(|(name, hash)| format!("{name} {hash:x}")));
}

/// A record of a stream.
pub fn record(arrived: i64, key: &str, data: &[u8]) -> String {
    format!("{arrived} {key} {}", String::from_utf8_lossy(data))
}

/// A row of `bets`.
pub fn bet(bet: &Bet, rejected: Option<RejectReason>, version: u32, arrived: i64) -> String {
    format!("{} {rejected:?} version {version} arrived {arrived}", bet.bet_uuid)
}

pub fn dead_letter(arrived: i64, reason: &str, bytes: &[u8]) -> String {
    format!("{arrived} {reason} {}", String::from_utf8_lossy(bytes))
}
