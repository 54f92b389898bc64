//! What is wrong with a declared window's SQL, and where in the file.

use pipeline::window::WindowError;

use crate::config::window::WindowConfig;
use crate::sql::SqlError;

/// A place in a text: line and column, from 1.
type LineColumn = (usize, usize);

/// File, line and column, the window, what is wrong; then the line with a mark under the place.
pub fn explain(config: &WindowConfig, error: WindowError) -> String {
    let (text, place) = in_sql(&config.sql, error);
    let (path, name) = (&config.at.path, &config.name);
    let Some((line, column)) = place else {
        return format!("{path}:{}: window {name:?}: {text}", config.at.line);
    };
    let (first, indent) = config.at.sql;
    let (in_file, at) = (first + line - 1, if line == 1 { column + indent - 1 } else { column });
    let shown = config.sql.lines().nth(line - 1).unwrap_or_default();
    let margin = " ".repeat(in_file.to_string().len());
    let mark = " ".repeat(column.saturating_sub(1));
    format!("{path}:{in_file}:{at}: window {name:?}: {text}\n{in_file} | {shown}\n{margin} | {mark}^")
}

/// What is wrong, and the place in the SQL where one is known.
fn in_sql(sql: &str, error: WindowError) -> (String, Option<LineColumn>) {
    let source = match error {
        WindowError::Sql { source, .. } => source,
        WindowError::Unsupported { what, instead, .. } => {
            let place = find(sql, &what);
            return (format!("{what} is not supported: {instead}"), place);
        }
        WindowError::Spec { detail, .. } => return (detail, None),
        other => return (other.to_string(), None),
    };
    let syntax = named_place(&source.to_string());
    match SqlError::of(*source, "") {
        SqlError::NoTable { name, .. } => {
            (format!("there is no table {name} here; windows read the table bets"), find(sql, &name))
        }
        error => {
            let place = match &error {
                SqlError::NoColumn { name, .. } => find(sql, name),
                // The planner names no place; the statement is where to look.
                _ => syntax.or(Some((1, 1))),
            };
            (error.to_string(), place)
        }
    }
}

/// The place that a parser's error names: `… at Line: 2, Column: 7`.
fn named_place(text: &str) -> Option<LineColumn> {
    let number = |after: &str| {
        let rest = text.split(after).nth(1)?.trim_start();
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some((number("Line:")?, number("Column:")?))
}

/// Where the first word of a part of the query stands.
fn find(sql: &str, part: &str) -> Option<LineColumn> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = part.split(|c| !in_word(c)).find(|word| !word.is_empty())?.to_lowercase();
    sql.lines().enumerate().find_map(|(line, text)| {
        let text = text.to_lowercase();
        let whole = |at: &usize| !text[..*at].ends_with(in_word) && !text[at + word.len()..].starts_with(in_word);
        let column = text.match_indices(&word).map(|(at, _)| at).find(whole)?;
        Some((line + 1, column + 1))
    })
}
