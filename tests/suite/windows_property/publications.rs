//! What a window must publish, and what must stand in its table in the end.
//!
//! At each of its moments (early ticks, the close, ticks of the hop after it, the end of its lateness)
//! a window shows the bets that arrived before; a row whose values changed since gets the next
//! revision, and is told.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::window::times::Late;
use schemas::bet::Bet;
use schemas::codec::Event;
use schemas::ids::QuestionId;
use schemas::late_bet::LateBet;
use schemas::money::Total;
use schemas::odds::Odds;
use schemas::odds_event::OddsEvent;
use schemas::time::Timestamp;
use schemas::window_row::WindowRow;

use super::cells::{Cell, key_of, value_of};
use super::declared::{Declared, MINUTE};
use super::model::Decided;
use super::told::{self, Met, Told};
use super::world::BASE;

/// What a window's rows were last published as, by key: values and revision.
#[derive(Default)]
struct Standing {
    rows: BTreeMap<Vec<Cell>, (Vec<Cell>, u32)>,
    /// The last moment that counts.
    published: Option<i64>,
}

/// All that there is in the end.
pub fn tell(window: &Declared, accepted: &[Decided], told: &mut Told, met: &mut Met) {
    for row in accepted {
        let starts = || window.starts_of(row.bet.placed_at.millis());
        let missed = starts().filter(|start| row.effective >= window.closes_at(*start));
        missed.for_each(|_| met.one(&format!("late {:?}", window.late)));
        let first = starts().next().unwrap();
        if window.late == Late::Side && row.effective >= window.closes_at(first) {
            told.extend("late-bets", [late_bet(window, first, row)]);
        }
    }
    for (start, rows) in windows(window, accepted) {
        let tell = |at, row: (&[Cell], &[Cell], u32)| tell_row(window, start, at, row, told);
        let standing = publish(window, start, &rows, i64::MAX, tell);
        told.extend(&format!("{}_windows", window.name), lines(window, start, &standing));
        if window.parquet {
            told.extend("files", [file_name(window, start)]);
        }
    }
}

/// What a query shows once all that arrived up to a moment is applied.
pub fn look(window: &Declared, accepted: &[Decided], at: i64, told: &mut Told) {
    for (start, rows) in windows(window, accepted) {
        let mut standing = publish(window, start, &rows, at, |_, _| {});
        if standing.published.is_none() {
            standing.rows = groups(window, &rows, i64::MAX).map(|(keys, values)| (keys, (values, 0))).collect();
        }
        told.extend(&format!("{}_windows at {at}", window.name), lines(window, start, &standing));
    }
}

/// The windows by their starts, each with the bets that reach it before it is final.
fn windows<'a>(window: &Declared, accepted: &'a [Decided]) -> BTreeMap<i64, Vec<&'a Decided>> {
    let mut windows: BTreeMap<i64, Vec<&Decided>> = BTreeMap::new();
    for row in accepted {
        let starts = window.starts_of(row.bet.placed_at.millis());
        for start in starts.filter(|start| row.effective < window.final_at(*start)) {
            windows.entry(start).or_default().push(row);
        }
    }
    windows
}

/// Publishes at every moment up to `until`, and tells of each new and changed row.
fn publish(
    window: &Declared,
    start: i64,
    rows: &[&Decided],
    until: i64,
    mut tell: impl FnMut(i64, (&[Cell], &[Cell], u32)),
) -> Standing {
    let mut standing = Standing::default();
    for moment in moments(window, start, rows).into_iter().filter(|moment| *moment <= until) {
        standing.published = Some(moment);
        for (keys, values) in groups(window, rows, moment) {
            let (before, revision) = standing.rows.entry(keys.clone()).or_insert((Vec::new(), 0));
            if *before != values {
                (*before, *revision) = (values, *revision + 1);
                tell(moment, (&keys, before, *revision));
            }
        }
    }
    standing
}

/// Keys and values of the bets that arrived before a moment.
fn groups(window: &Declared, rows: &[&Decided], before: i64) -> impl Iterator<Item = (Vec<Cell>, Vec<Cell>)> {
    let mut groups: BTreeMap<Vec<Cell>, Vec<Bet>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.effective < before) {
        let keys = window.keys.iter().map(|key| key_of(&row.bet, key)).collect();
        groups.entry(keys).or_default().push(row.bet);
    }
    groups.into_iter().map(move |(keys, mut bets)| {
        bets.sort_by_key(|bet| (bet.placed_at, bet.bet_uuid));
        (keys, window.columns.iter().map(|column| value_of(column, &bets)).collect())
    })
}

/// When the window publishes: at early ticks and the close where bets are there by then, at the tick
/// after each late bet, and when it is final.
fn moments(window: &Declared, start: i64, rows: &[&Decided]) -> BTreeSet<i64> {
    let (close, last) = (window.closes_at(start), window.final_at(start));
    let opened = rows.iter().map(|row| row.effective).min().unwrap_or(last);
    let early = window.early.into_iter().flat_map(|step| (start + step..close).step_by(step as usize));
    let late = rows.iter().filter(|row| row.effective >= close);
    let revised = late.map(|row| close + ((row.effective - close) / window.hop + 1) * window.hop);
    early.chain([close]).filter(|moment| opened < *moment).chain(revised).filter(|m| *m < last).chain([last]).collect()
}

/// The window's rows as the table shows them.
fn lines(window: &Declared, start: i64, standing: &Standing) -> Vec<String> {
    let (end, last) = (start + window.length, window.final_at(start));
    let published = standing.published.map_or(String::new(), |at| at.to_string());
    let line = |(keys, (values, revision)): (&Vec<Cell>, &(Vec<Cell>, u32))| {
        let cells: Vec<String> = keys.iter().chain(values).map(Cell::text).collect();
        let is_final = standing.published == Some(last);
        format!("{start} | {end} | {} | {revision} | {is_final} | {published}", cells.join(" | "))
    };
    standing.rows.iter().map(line).collect()
}

fn tell_row(window: &Declared, start: i64, at: i64, row: (&[Cell], &[Cell], u32), told: &mut Told) {
    if !window.stream {
        return;
    }
    let (keys, values, revision) = row;
    let texts: Vec<String> = keys.iter().map(Cell::text).collect();
    let key = texts.first().map_or(window.name, String::as_str);
    let (window_start, window_end) = (time(start), time(start + window.length));
    let is_final = at == window.final_at(start);
    let (stream, event) = if window.name == "odds" {
        ("odds", odds_event(window_start, window_end, &texts, values, revision, is_final).to_json())
    } else {
        let cells = keys.iter().chain(values).map(Cell::json);
        let event = WindowRow {
            event_uuid: WindowRow::id_of(window.name, window_start, &texts, revision),
            window_name: window.name.to_owned(),
            window_start,
            window_end,
            row: window.shown().map(str::to_owned).zip(cells).collect(),
            revision,
            is_final,
        };
        ("windows", event.to_json())
    };
    told.extend(stream, [told::record(at, key, &event)]);
}

fn odds_event(
    window_start: Timestamp,
    window_end: Timestamp,
    keys: &[String],
    values: &[Cell],
    revision: u32,
    is_final: bool,
) -> OddsEvent {
    let (question_uuid, outcome_index) = (keys[0].parse::<QuestionId>().unwrap(), keys[1].parse().unwrap());
    let micros = |column: usize| match values[column] {
        Cell::Micros(micros) => micros,
        _ => unreachable!("column {column} is no amount"),
    };
    let total = |column| Total::from_micros(micros(column)).unwrap();
    let odds = |column| Odds::from_micros(micros(column) as u64).unwrap();
    OddsEvent {
        event_uuid: OddsEvent::id_of("odds", window_start, question_uuid, outcome_index, revision),
        window_name: "odds".into(),
        window_start,
        window_end,
        question_uuid,
        outcome_index,
        bets: values[0].text().parse().unwrap(),
        stake: total(1),
        sum_odds: total(2),
        avg_odds: odds(3),
        weighted_odds: odds(4),
        min_odds: odds(5),
        max_odds: odds(6),
        first_odds: odds(7),
        last_odds: odds(8),
        revision,
        is_final,
    }
}

fn late_bet(window: &Declared, start: i64, row: &Decided) -> String {
    let event = LateBet {
        event_uuid: LateBet::id_of(window.name, row.bet.bet_uuid),
        window_name: window.name.to_owned(),
        window_start: time(start),
        window_end: time(start + window.length),
        arrived_at: time(row.arrived),
        bet: row.bet,
    };
    told::record(row.arrived, &row.bet.question_uuid.to_string(), &event.to_json())
}

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms).unwrap()
}

/// Where a final window's Parquet file stands; every world is within one day.
fn file_name(window: &Declared, start: i64) -> String {
    let minutes = 22 * 60 + (start - BASE) / MINUTE;
    let (name, day, hour, minute) = (window.name, "2023-11-14", minutes / 60, minutes % 60);
    format!("{name}/date={day}/hour={hour:02}/{name}-{day}T{hour:02}-{minute:02}-00Z.parquet")
}
