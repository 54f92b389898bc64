//! From the text of a query to the stream of its rows.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as Sql;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use pipeline::window::exact_div;

use super::catalog::Table;
use super::error::SqlError;
use super::provider::Provider;
use super::view::View;
use crate::node::Node;

/// Memory of one query's sorts, joins and aggregates; sorts and aggregates over it go to disk.
const MEMORY_BYTES: usize = 512 << 20;
/// Threads of one query: the pipeline beside it keeps working.
const PARTITIONS: usize = 2;
/// Rows of a batch, at most.
pub const BATCH_ROWS: usize = 8192;
/// Longest query. A list of ten thousand ids takes 400 KB.
const MAX_BYTES: usize = 1 << 20;
/// Stack of every thread that plans or runs queries, in bytes: [`MAX_OPERATORS`] take under 8 MiB.
pub const STACK_BYTES: usize = 16 << 20;
/// Operators of a query, at most. The planner goes down chains of operators by recursion, and it is
/// compiled for a quick build, so each takes some 30 KiB of [`STACK_BYTES`]; beyond that the process
/// would die. Lists of values (`IN (…)`) do not count.
const MAX_OPERATORS: usize = 200;

/// Runs one reading statement on the node as it is now.
///
/// Nothing is read before the stream is polled; dropping the stream ends the query.
///
/// # Errors
/// See [`SqlError`]. Errors met while streaming come through the stream; `SqlError::from` explains
/// them as well.
pub async fn query(node: &Node, sql: &str) -> Result<(SchemaRef, SendableRecordBatchStream), SqlError> {
    let statement = parse(sql)?;
    let context = open(node)?;
    let explain = |error| SqlError::of(error, sql);
    let plan = context.state().statement_to_plan(statement).await.map_err(explain)?;
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(&plan).map_err(|_| SqlError::ReadOnly(first_word(sql)))?;
    let frame = context.execute_logical_plan(plan).await.map_err(explain)?;
    let stream = frame.execute_stream().await.map_err(explain)?;
    Ok((stream.schema(), stream))
}

/// A session of its own for each query, over one view.
fn open(node: &Node) -> Result<SessionContext, SqlError> {
    let config = SessionConfig::new()
        .with_target_partitions(PARTITIONS)
        .with_batch_size(BATCH_ROWS)
        .with_default_catalog_and_schema("oddsmill", "public")
        .with_information_schema(true);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(MEMORY_BYTES))).build_arc()?;
    let context = SessionContext::new_with_config_rt(config, runtime);
    context.register_udf(exact_div());
    let view = Arc::new(View::open(node));
    for table in Table::ALL {
        context.register_table(table.name(), Arc::new(Provider::new(table, view.clone())))?;
    }
    Ok(context)
}

fn parse(sql: &str) -> Result<Statement, SqlError> {
    check_size(sql)?;
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(&GenericDialect)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| SqlError::of(error, sql))?;
    match (statements.pop_front(), statements.len()) {
        (None, _) => Err(SqlError::Statements(0)),
        (Some(statement), 0) if reads(&statement) => Ok(statement),
        (Some(_), 0) => Err(SqlError::ReadOnly(first_word(sql))),
        (Some(_), more) => Err(SqlError::Statements(more + 1)),
    }
}

/// Whether a statement only reads.
fn reads(statement: &Statement) -> bool {
    let mut left = VecDeque::from([statement]);
    while let Some(statement) = left.pop_front() {
        match statement {
            Statement::Statement(sql) if reads_sql(sql) => {}
            Statement::Explain(explain) => left.push_back(&explain.statement),
            _ => return false,
        }
    }
    true
}

fn reads_sql(sql: &Sql) -> bool {
    match sql {
        Sql::Query(_) | Sql::ShowTables { .. } | Sql::ShowColumns { .. } | Sql::ShowFunctions { .. } => true,
        Sql::ExplainTable { .. } => true,
        Sql::Explain { statement, .. } => reads_sql(statement),
        _ => false,
    }
}

fn check_size(sql: &str) -> Result<(), SqlError> {
    if sql.len() > MAX_BYTES {
        return Err(SqlError::TooLong { what: "bytes", found: sql.len(), limit: MAX_BYTES });
    }
    // A text that has no tokens has a syntax error, which the parser explains better.
    let tokens = Tokenizer::new(&GenericDialect, sql).tokenize().unwrap_or_default();
    let found = tokens.iter().filter(|token| is_operator(token)).count();
    if found > MAX_OPERATORS {
        return Err(SqlError::TooLong { what: "operators", found, limit: MAX_OPERATORS });
    }
    Ok(())
}

/// What makes the tree of a query deeper.
fn is_operator(token: &Token) -> bool {
    const DEEPER: [&str; 9] = ["AND", "OR", "NOT", "UNION", "INTERSECT", "EXCEPT", "JOIN", "WHEN", "IS"];
    match token {
        Token::Word(word) => {
            word.quote_style.is_none() && DEEPER.iter().any(|name| word.value.eq_ignore_ascii_case(name))
        }
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => true,
        Token::Pipe | Token::Ampersand | Token::Caret | Token::DoubleColon | Token::ExclamationMark | Token::Tilde => {
            true
        }
        _ => false,
    }
}

fn first_word(sql: &str) -> String {
    let word = sql.trim_start().split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    word.chars().take(20).collect::<String>().to_uppercase()
}
