//! Why a query has no answer, in words that say what to write instead.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use super::catalog::Table;
use super::memory::SETTING;
use super::session::SPILL_BYTES;

/// Columns named in an error, at most.
const NAMED_COLUMNS: usize = 40;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The text is not SQL; the place is in the message.
    #[error("syntax error: {0}")]
    Syntax(String),
    /// None, or more than one.
    #[error("{0} statements were given; run one at a time")]
    Statements(usize),
    /// A statement that would change something.
    #[error(
        "{0} is not possible: this surface is read-only; use SELECT, WITH, VALUES, EXPLAIN, SHOW TABLES, SHOW COLUMNS or DESCRIBE"
    )]
    ReadOnly(String),
    /// A text that would take more than a process can give.
    #[error("the query has {found} {what}, at most {limit} are taken; shorten it (a long chain of OR is an IN list)")]
    TooLong {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much may be.
        limit: usize,
    },
    /// No such table.
    #[error("there is no table {name}{}; the tables are {}", did_you_mean(.close), tables())]
    NoTable {
        /// The name as written.
        name: String,
        /// The table that may be meant.
        close: Option<String>,
    },
    /// No such column.
    #[error("there is no column {name}{}; the columns here are {known}", did_you_mean(.close))]
    NoColumn {
        /// The name as written.
        name: String,
        /// The column that may be meant.
        close: Option<String>,
        /// The columns there are.
        known: String,
    },
    /// A query that cannot be planned or fails on the values it meets.
    #[error("{0}")]
    Query(String),
    /// A query that needs more memory than it may have, which the text says.
    #[error(
        "the query needs more memory than it may have: {0}; add WHERE or LIMIT, aggregate to fewer groups, or raise {SETTING}"
    )]
    Memory(String),
    /// A query that needs more of the disk than it may have.
    #[error(
        "the query needs more than {} GiB on disk for what does not fit into {SETTING}; add WHERE or LIMIT, aggregate to fewer groups, or raise {SETTING}",
        SPILL_BYTES >> 30
    )]
    Disk,
    /// The store below failed.
    #[error("{0}")]
    Store(String),
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> SqlError {
        SqlError::of(error, "")
    }
}

impl SqlError {
    /// Explains DataFusion's error about a query.
    pub(crate) fn of(error: DataFusionError, sql: &str) -> SqlError {
        match error.find_root() {
            DataFusionError::SQL(cause, _) => {
                let text = cause.to_string();
                SqlError::Syntax(with_place(text.trim_start_matches("sql parser error: "), sql))
            }
            DataFusionError::SchemaError(cause, _) => of_schema(cause),
            DataFusionError::ResourcesExhausted(text) => match text.find(SETTING) {
                Some(at) => SqlError::Memory(text[at..].to_owned()),
                None => SqlError::Disk,
            },
            DataFusionError::External(cause) => SqlError::Store(cause.to_string()),
            DataFusionError::ArrowError(cause, _) => SqlError::Query(cause.to_string()),
            DataFusionError::Plan(text) => of_plan(text),
            DataFusionError::Execution(text) | DataFusionError::Configuration(text) => SqlError::Query(one_line(text)),
            DataFusionError::NotImplemented(text) => SqlError::Query(format!("not supported: {}", one_line(text))),
            other => SqlError::Query(one_line(&other.strip_backtrace())),
        }
    }
}

fn of_plan(text: &str) -> SqlError {
    let table = text.strip_prefix("table '").and_then(|rest| rest.split_once("' not found"));
    match table {
        Some((path, _)) => {
            let name = path.rsplit('.').next().unwrap_or(path).to_owned();
            let close = closest(&name, Table::ALL.iter().map(|table| table.name().to_owned()));
            SqlError::NoTable { name, close }
        }
        None => SqlError::Query(one_line(text)),
    }
}

fn of_schema(cause: &SchemaError) -> SqlError {
    let SchemaError::FieldNotFound { field, valid_fields } = cause else {
        return SqlError::Query(one_line(&cause.to_string()));
    };
    let mut known: Vec<String> = valid_fields.iter().map(|column| column.name.clone()).collect();
    known.dedup();
    let close = closest(&field.name, known.iter().cloned());
    let more = known.len().saturating_sub(NAMED_COLUMNS);
    known.truncate(NAMED_COLUMNS);
    let mut list = known.join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    if list.is_empty() {
        list.push_str("none");
    }
    SqlError::NoColumn { name: field.name.clone(), close, known: list }
}

/// The text with the line it is about, and a mark under the place.
fn with_place(text: &str, sql: &str) -> String {
    let place = || {
        let (_, place) = text.rsplit_once("at Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        let (line, column): (usize, usize) = (line.trim().parse().ok()?, column.trim().parse().ok()?);
        let line = sql.lines().nth(line.checked_sub(1)?)?;
        // A long line would wrap, and the mark would stand under nothing.
        (line.chars().count() <= 120).then(|| format!("\n  {line}\n  {}^", " ".repeat(column.saturating_sub(1))))
    };
    format!("{text}{}", place().unwrap_or_default())
}

fn closest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let name = name.to_lowercase();
    let scored = known.map(|candidate| (strsim::damerau_levenshtein(&name, &candidate), candidate));
    let (distance, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + name.len() / 4).then_some(candidate)
}

fn did_you_mean(close: &Option<String>) -> String {
    close.as_ref().map(|name| format!(", did you mean {name}?")).unwrap_or_default()
}

fn tables() -> String {
    Table::ALL.map(Table::name).join(", ")
}

/// The text on one line, without what DataFusion says to its own developers.
fn one_line(text: &str) -> String {
    // The failed signatures in front of this sentence say less than it does.
    let text = text.find("No function matches the given name").map_or(text, |start| &text[start..]);
    let text = text.trim_start_matches("Internal error: ");
    let text = text.split("This issue was likely caused by a bug").next().unwrap_or(text);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
