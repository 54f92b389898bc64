//! What clients ask about the database itself: `pg_catalog` and `information_schema`.
//!
//! psql's `\d`, SQLAlchemy's reflection and the query builders of dashboards ask with queries that
//! use much of PostgreSQL's SQL (subqueries in every place, arrays, its own types and operators) over
//! a few hundred rows. A small interpreter answers them, which knows little and forgives much: a
//! catalog table that is not listed has no rows, a column that is not listed is NULL, a function
//! `pg_…` that is not known gives NULL. So a client of tomorrow finds less, and no error.
//!
//! Reading order: [`tables`] and [`information`] are what there is; [`select`] goes from tables
//! ([`from`]) to rows ([`shown`]); [`expr`], [`operators`], [`functions`], [`casts`] and
//! [`aggregate`] from rows to [`value`]s; [`infer`] says which types columns have.

mod aggregate;
mod casts;
mod expr;
mod from;
mod functions;
mod infer;
mod information;
mod operators;
mod rows;
mod select;
mod shown;
mod tables;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::sql::sqlparser::ast::{SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::super::error::SqlError;
use super::super::session::check_size;
use super::lex::{Word, words};
use super::refusal::{NOT_SUPPORTED, Refusal, SYNTAX};
use super::settings::Settings;
use select::Interpreter;
use value::Value;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Session {
    /// As the client calls itself.
    pub user: String,
    /// As the client calls the database.
    pub database: String,
    /// What is set.
    pub settings: Settings,
    /// The connection's number.
    pub number: u32,
    /// Tables of windows that the configuration declares.
    pub declared: Vec<tables::Shown>,
}

/// Schemas whose tables are answered here.
const SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];
/// Functions about the session, which a query without tables may ask for.
const ABOUT_SESSION: [&str; 14] = [
    "version",
    "current_schema",
    "current_schemas",
    "current_database",
    "current_catalog",
    "current_user",
    "session_user",
    "user",
    "current_role",
    "current_setting",
    "set_config",
    "has_database_privilege",
    "has_schema_privilege",
    "has_table_privilege",
];

/// Whether a query is about the database itself, and not about what is in the tables.
pub fn concerns(text: &str) -> bool {
    let (mut about_session, mut from) = (false, false);
    for word in words(text) {
        if !matches!(word.token, Token::Word(_)) {
            continue;
        }
        let name = word.value();
        if name.starts_with("pg_") || SCHEMAS.contains(&name.as_str()) {
            return true;
        }
        from |= word.is("FROM");
        about_session |= ABOUT_SESSION.contains(&name.as_str());
    }
    about_session && !from
}

/// How many parameters a query has.
pub fn parameters(text: &str) -> usize {
    let place = |word: Word| match word.token {
        Token::Placeholder(name) => name.strip_prefix('$')?.parse::<u16>().ok(),
        _ => None,
    };
    words(text).into_iter().filter_map(place).max().unwrap_or(0).into()
}

/// The rows of a query about the database itself. A parameter that is not given is NULL.
///
/// # Errors
/// SQL that is beyond the interpreter, and names that are not there.
pub fn answer(text: &str, session: &Session, params: &[Option<String>]) -> Result<RecordBatch, Refusal> {
    check_size(text).map_err(|error| Refusal::of(&error, text))?;
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, text)
        .map_err(|error| Refusal::of(&SqlError::Syntax(error.to_string().replace("sql parser error: ", "")), text))?;
    let [Statement::Query(query)] = parsed.as_slice() else {
        return Err(Refusal::new(NOT_SUPPORTED, "the catalog answers one SELECT at a time"));
    };
    if matches!(*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)) {
        return Err(Refusal::read_only("writing to the catalog"));
    }
    let params = params.iter().map(|text| text.as_deref().map_or(Value::Null, Value::text)).collect();
    let table = Interpreter::new(session, params).query(query, None)?;
    rows::batch(Arc::unwrap_or_clone(table)).map_err(|error| Refusal::new(SYNTAX, error.to_string()))
}
