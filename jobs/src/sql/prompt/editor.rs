//! The line editor: when a statement is complete, and which names Tab completes.

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::statements;
use crate::sql::catalog::Table;

const WORDS: [&str; 24] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "AND",
    "OR",
    "NOT",
    "IN",
    "BETWEEN",
    "LIKE",
    "DISTINCT",
    "DESC",
    "WITH",
    "EXPLAIN",
    "count",
    "exact_div",
    "date_trunc",
];

/// What the editor knows of SQL.
pub struct SqlHelper;

impl Helper for SqlHelper {}
impl Highlighter for SqlHelper {}

impl Hinter for SqlHelper {
    type Hint = String;
}

impl Validator for SqlHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match is_complete(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Completer for SqlHelper {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete(line.get(..position).unwrap_or_default()))
    }
}

/// Whether a text can be run: a command, nothing at all, or whole statements.
fn is_complete(text: &str) -> bool {
    let text = text.trim();
    let word = text.trim_end_matches(';').to_lowercase();
    let is_command = text.starts_with('\\') || ["help", "quit", "exit"].contains(&word.as_str());
    is_command || statements::split(text).1.is_empty()
}

/// Names that go on from the last word of a text, and where that word starts.
fn complete(before: &str) -> (usize, Vec<String>) {
    let start = before
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let word = before[start..].to_lowercase();
    if word.is_empty() {
        return (start, Vec::new());
    }
    let tables = Table::ALL.iter().map(|table| table.name().to_owned());
    let columns = Table::ALL
        .iter()
        .flat_map(|table| table.schema().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>());
    let words = WORDS.iter().map(|word| (*word).to_owned());
    let mut names: Vec<String> =
        tables.chain(columns).chain(words).filter(|name| name.to_lowercase().starts_with(&word)).collect();
    names.sort();
    names.dedup();
    (start, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_goes_on_until_its_semicolon() {
        for (text, complete) in
            [("", true), ("\\d", true), ("help", true), ("select 1", false), ("select ';", false), ("select 1;", true)]
        {
            assert_eq!(is_complete(text), complete, "{text}");
        }
    }

    #[test]
    fn names_are_completed_in_any_case() {
        assert_eq!(complete("select * from ODDS_W"), (14, vec!["odds_windows".to_owned()]));
        assert_eq!(complete("select weigh"), (7, vec!["weighted_odds".to_owned()]));
        assert_eq!(complete("select "), (7, Vec::new()));
    }
}
