//! Why something was not done, with the code by which clients tell one reason from another.

use super::super::error::SqlError;

/// An error as clients are told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE.
    pub code: &'static str,
    /// What is wrong, and the way out.
    pub message: String,
    /// Where in the text of the query, in characters from 1.
    pub position: Option<usize>,
    /// Whether the connection ends with it.
    pub fatal: bool,
}

pub const PROTOCOL: &str = "08P01";
pub const NOT_SUPPORTED: &str = "0A000";
pub const DATA: &str = "22000";
pub const OUT_OF_RANGE: &str = "22003";
pub const BAD_SETTING: &str = "22023";
pub const BAD_TEXT: &str = "22P02";
pub const READ_ONLY: &str = "25006";
pub const FAILED_TRANSACTION: &str = "25P02";
pub const NO_STATEMENT: &str = "26000";
pub const NO_PORTAL: &str = "34000";
pub const SYNTAX: &str = "42601";
pub const NO_COLUMN: &str = "42703";
pub const NO_FUNCTION: &str = "42883";
pub const NO_TABLE: &str = "42P01";
pub const OUT_OF_MEMORY: &str = "53200";
pub const TOO_MANY_CONNECTIONS: &str = "53300";
pub const LIMIT: &str = "54000";
pub const TOO_COMPLEX: &str = "54001";
pub const CANCELLED: &str = "57014";
pub const STOPPING: &str = "57P01";
const DIVISION_BY_ZERO: &str = "22012";
const SYSTEM: &str = "58000";

impl Refusal {
    /// An error that ends the statement.
    pub fn new(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into(), position: None, fatal: false }
    }

    /// An error that ends the connection.
    pub fn fatal(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { fatal: true, ..Refusal::new(code, message) }
    }

    /// A statement that would change something.
    pub fn read_only(verb: &str) -> Refusal {
        Refusal::new(READ_ONLY, SqlError::ReadOnly(verb.to_owned()).to_string())
    }

    /// Explains why the query in `text` has no answer.
    pub fn of(error: &SqlError, text: &str) -> Refusal {
        let message = error.to_string();
        let code = match error {
            SqlError::Syntax(_) => return syntax(&message, text),
            SqlError::Statements(_) => SYNTAX,
            SqlError::ReadOnly(_) => READ_ONLY,
            SqlError::TooLong { .. } => TOO_COMPLEX,
            SqlError::NoTable { .. } => NO_TABLE,
            SqlError::NoColumn { .. } => NO_COLUMN,
            SqlError::Query(cause) => code_of(cause),
            SqlError::Memory(_) | SqlError::Disk => OUT_OF_MEMORY,
            SqlError::Store(_) => SYSTEM,
        };
        Refusal::new(code, message)
    }
}

/// Clients mark the place themselves, so the message says only what is wrong.
fn syntax(message: &str, text: &str) -> Refusal {
    let first = message.lines().next().unwrap_or_default();
    let Some((said, place)) = first.rsplit_once(" at Line: ") else { return Refusal::new(SYNTAX, first) };
    let position = place.split_once(", Column: ").and_then(|(line, column)| {
        let (line, column): (usize, usize) = (line.trim().parse().ok()?, column.trim().parse().ok()?);
        let before: usize = text.split('\n').take(line.checked_sub(1)?).map(|line| line.chars().count() + 1).sum();
        Some(before + column)
    });
    Refusal { position, ..Refusal::new(SYNTAX, said) }
}

/// What DataFusion's words stand for.
fn code_of(cause: &str) -> &'static str {
    let cause = cause.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if says(&["divide by zero", "division by zero"]) {
        DIVISION_BY_ZERO
    } else if says(&["overflow", "out of range"]) {
        OUT_OF_RANGE
    } else if says(&["cannot cast string", "error parsing", "cast error", "parser error"]) {
        BAD_TEXT
    } else if says(&["invalid function", "no function matches"]) {
        NO_FUNCTION
    } else if says(&["not supported", "not implemented", "unsupported"]) {
        NOT_SUPPORTED
    } else if says(&["error during planning", "must be", "coerce", "ambiguous"]) {
        "42000"
    } else {
        DATA
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_has_its_place() {
        let error = SqlError::Syntax("Expected: an expression, found: FORM at Line: 2, Column: 3\n  x\n  ^".into());
        let refusal = Refusal::of(&error, "SELECT\n* FORM bets");
        assert_eq!((refusal.code, refusal.position), (SYNTAX, Some(10)));
        assert_eq!(refusal.message, "syntax error: Expected: an expression, found: FORM");
    }
}
