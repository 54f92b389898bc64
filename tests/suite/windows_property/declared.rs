//! Windows that a world declares, drawn from a seed, and what their columns mean.

use std::fmt::Write;

use jobs::config::window::{WindowConfig, windows};
use pipeline::window::times::Late;
use tests::random::Random;

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
/// How far `placed_at` may be from the arrival: what nodes do unless told otherwise.
pub const MAX_SKEW: i64 = 10 * MINUTE;

/// A column by name, and its SQL.
const COLUMNS: [(&str, &str); 11] = [
    ("bets", "count(*)"),
    ("stake", "sum(buy_amount)"),
    ("sum_odds", "sum(odds)"),
    ("avg_odds", "exact_div(sum(odds), count(*))"),
    ("weighted_odds", "exact_div(sum(odds * buy_amount), sum(buy_amount))"),
    ("min_odds", "min(odds)"),
    ("max_odds", "max(odds)"),
    ("first_odds", "first_value(odds ORDER BY placed_at, bet_uuid)"),
    ("last_odds", "last_value(odds ORDER BY placed_at, bet_uuid)"),
    ("bettors", "count(DISTINCT bettor)"),
    ("questions", "count(DISTINCT question_uuid)"),
];

/// A window job. Times are milliseconds.
#[derive(Debug, Clone)]
pub struct Declared {
    pub name: &'static str,
    pub length: i64,
    pub hop: i64,
    pub disorder: i64,
    pub lateness: i64,
    pub late: Late,
    pub early: Option<i64>,
    pub parquet: bool,
    pub stream: bool,
    pub keys: Vec<&'static str>,
    pub columns: Vec<&'static str>,
}

/// The product's own window.
pub fn odds() -> Declared {
    Declared {
        name: "odds",
        length: 5 * MINUTE,
        hop: 5 * MINUTE,
        disorder: 30 * SECOND,
        lateness: 10 * MINUTE,
        late: Late::Update,
        early: None,
        parquet: true,
        stream: true,
        keys: vec!["question_uuid", "outcome_index"],
        columns: COLUMNS[..9].iter().map(|(name, _)| *name).collect(),
    }
}

/// Windows of three of the kinds, so that a seed stays cheap; what does not make the kind is drawn.
pub fn draw(random: &mut Random) -> Vec<Declared> {
    let mut kinds = vec![
        ("revised", Late::Update, 1, None),
        ("aside", Late::Side, random.pick(&[1, 1, 2]), None),
        ("dropping", Late::Drop, random.pick(&[1, 1, 3]), None),
        ("hopping", Late::Update, random.pick(&[2, 3, 5]), None),
        ("hasty", random.pick(&[Late::Update, Late::Side]), random.pick(&[1, 2]), Some([15, 20, 30, 60])),
    ];
    while kinds.len() > 3 {
        kinds.remove(random.below(kinds.len() as u64) as usize);
    }
    kinds
        .into_iter()
        .map(|(name, late, hops, early)| {
            let hop = random.pick(&[1, 2, 3]) * MINUTE;
            let by: &[&str] = random.pick(&[
                &["question_uuid", "outcome_index"][..],
                &["question_uuid", "outcome_index"],
                &["question_uuid"],
                &["bettor"],
                &["outcome_index", "bettor"],
                &[],
            ]);
            let columns: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).filter(|_| random.percent(60)).collect();
            Declared {
                name,
                length: hop * hops,
                hop,
                disorder: random.pick(&[0, 5, 10, 30]) * SECOND,
                // Not under the skew, nor always on the grid of closes.
                lateness: random.pick(&[600, 600, 615, 690]) * SECOND,
                late,
                early: early.map(|of| random.pick(&of) * SECOND),
                parquet: random.percent(60),
                stream: random.percent(75),
                keys: by.to_vec(),
                columns: if columns.is_empty() { vec!["bets"] } else { columns },
            }
        })
        .collect()
}

impl Declared {
    pub fn closes_at(&self, start: i64) -> i64 {
        start + self.length + self.disorder
    }

    pub fn final_at(&self, start: i64) -> i64 {
        match self.late {
            Late::Update => start + self.length + self.lateness.max(self.disorder),
            Late::Side | Late::Drop => self.closes_at(start),
        }
    }

    /// The starts of the windows that a time falls into, the earliest first.
    pub fn starts_of(&self, time: i64) -> impl Iterator<Item = i64> {
        let last = time - time.rem_euclid(self.hop);
        let (hop, hops) = (self.hop, self.length / self.hop);
        (0..hops).rev().map(move |back| last - back * hop)
    }

    /// The SELECT list as the table shows it.
    pub fn shown(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().chain(&self.columns).copied()
    }

    fn toml(&self) -> String {
        let select: Vec<String> = self.shown().map(expression).collect();
        let mut sql = format!("SELECT {} FROM bets", select.join(", "));
        if !self.keys.is_empty() {
            write!(sql, " GROUP BY {}", self.keys.join(", ")).unwrap();
        }
        let seconds = |ms: i64| format!("'{}s'", ms / SECOND);
        let late = match self.late {
            Late::Update => "update",
            Late::Side => "side",
            Late::Drop => "drop",
        };
        let mut outputs = vec!["'table'"];
        outputs.extend(self.parquet.then_some("'parquet'"));
        outputs.extend(self.stream.then_some("'stream'"));
        let mut text = format!("[[window]]\nname = '{}'\nsql = '{sql}'\nlate = '{late}'\n", self.name);
        for (key, ms) in [
            ("length", Some(self.length)),
            ("hop", (self.hop != self.length).then_some(self.hop)),
            ("disorder", Some(self.disorder)),
            ("lateness", Some(self.lateness)),
            ("early", self.early),
        ] {
            if let Some(ms) = ms {
                writeln!(text, "{key} = {}", seconds(ms)).unwrap();
            }
        }
        writeln!(text, "outputs = [{}]", outputs.join(", ")).unwrap();
        text
    }
}

fn expression(column: &str) -> String {
    match COLUMNS.iter().find(|(name, _)| *name == column) {
        Some((name, sql)) => format!("{sql} AS {name}"),
        None => column.to_owned(),
    }
}

/// The configuration that declares these windows.
pub fn configuration(declared: &[Declared]) -> (String, Vec<WindowConfig>) {
    let text: String = declared.iter().map(Declared::toml).collect();
    let configs = windows("world.toml", &text).unwrap();
    (text, configs)
}
