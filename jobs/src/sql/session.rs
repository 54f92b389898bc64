//! From the text of a query to the stream of its rows.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::prelude::{DataFrame, SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as Sql;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use futures::StreamExt;
use pipeline::window::exact_div;

use super::catalog::Table;
use super::declared::{Declared, table_name};
use super::error::SqlError;
use super::memory::memory;
use super::provider::Provider;
use super::view::View;
use crate::bets::odds;
use crate::node::Node;

/// Bytes that one query may have on disk, for sorts and aggregates that do not fit its memory.
pub(super) const SPILL_BYTES: u64 = 8 << 30;
/// Threads of one query: the pipeline beside it keeps working.
const PARTITIONS: usize = 2;
/// Rows of a batch, at most.
pub const BATCH_ROWS: usize = 8192;
/// Batches computed ahead of who reads them.
const AHEAD_BATCHES: usize = 2;
/// Longest query. A list of ten thousand ids takes 400 KB.
const MAX_BYTES: usize = 1 << 20;
/// Operators of a query, at most: a chain of them is as deep a tree, and the planner goes down it
/// by recursion. Lists of values do not count.
const MAX_OPERATORS: usize = 300;
/// Parameters of a query, at most.
const MAX_PARAMETERS: usize = 1_000;
/// Stack of every thread that plans or runs queries, in bytes. The planner, compiled for a quick
/// build, takes up to 27 KB an operator (measured), so [`MAX_OPERATORS`] take about 8 MiB; a stack
/// that overflows takes the process with it.
pub const STACK_BYTES: usize = 16 << 20;

/// What `SHOW TABLES` means here: our tables by name, without the planner's own.
pub const SHOW_TABLES: &str =
    "SELECT table_name AS \"table\" FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1";

/// Runs one reading statement on the node as it is now.
///
/// A few batches at most are computed ahead of the reader; dropping the stream ends the query.
///
/// # Errors
/// See [`SqlError`]. Errors met while streaming come through the stream; `SqlError::from` explains
/// them as well.
pub async fn query(node: &Node, sql: &str) -> Result<(SchemaRef, SendableRecordBatchStream), SqlError> {
    let sql = meant(sql);
    let memory = memory(node.options().query_memory_bytes);
    let planned = plan(node, parse(sql, &GenericDialect)?, sql, memory).await?;
    planned.run(Vec::new()).await
}

/// The query that a text stands for: itself, unless it asks for the tables.
pub(super) fn meant(sql: &str) -> &str {
    let shows_tables = sql.trim().trim_end_matches(';').to_lowercase().split_whitespace().eq(["show", "tables"]);
    if shows_tables { SHOW_TABLES } else { sql }
}

/// A query that is planned over one view, and not yet run.
pub(super) struct Planned {
    state: SessionState,
    plan: LogicalPlan,
}

/// Plans a reading statement on the node as it is now.
pub(super) async fn plan(
    node: &Node,
    statement: Statement,
    sql: &str,
    memory: Arc<dyn MemoryPool>,
) -> Result<Planned, SqlError> {
    let state = open(node, memory)?.state();
    let plan = planner::plan(&state, statement).await.map_err(|error| SqlError::of(error, sql))?;
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(&plan).map_err(|_| SqlError::ReadOnly(format!("writing with {}", verb(sql))))?;
    Ok(Planned { state, plan })
}

impl Planned {
    /// Its rows' columns.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema().inner().clone()
    }

    /// The types of its parameters `$1`, `$2` and so on, as far as they follow from the query.
    pub fn parameters(&self) -> Result<Vec<Option<DataType>>, SqlError> {
        let mut types = Vec::new();
        for (name, data_type) in self.plan.get_parameter_types()? {
            let place = name.trim_start_matches('$').parse().ok().filter(|place| (1..=MAX_PARAMETERS).contains(place));
            let Some(place) = place else { return Err(SqlError::Query(format!("there is no parameter {name}"))) };
            types.resize(types.len().max(place), None);
            types[place - 1] = data_type;
        }
        Ok(types)
    }

    /// Runs it with these parameters.
    pub async fn run(self, parameters: Vec<ScalarValue>) -> Result<(SchemaRef, SendableRecordBatchStream), SqlError> {
        let Planned { state, mut plan } = self;
        if !parameters.is_empty() {
            plan = plan.with_param_values(parameters)?;
        }
        let stream = DataFrame::new(state, plan).execute_stream().await?;
        Ok((stream.schema(), apart(stream)))
    }
}

/// Drives a stream on a task of its own: an operator that works for seconds between two batches
/// then holds up that task and not the caller, who may drop the stream meanwhile.
fn apart(mut stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let mut driven = RecordBatchReceiverStream::builder(stream.schema(), AHEAD_BATCHES);
    let sender = driven.tx();
    driven.spawn(async move {
        while let Some(batch) = stream.next().await {
            if sender.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    });
    driven.build()
}

/// A session of its own for each query, over one view.
fn open(node: &Node, memory: Arc<dyn MemoryPool>) -> Result<SessionContext, SqlError> {
    let config = SessionConfig::new()
        .with_target_partitions(PARTITIONS)
        .with_batch_size(BATCH_ROWS)
        .with_default_catalog_and_schema("oddsmill", "public")
        .with_information_schema(true);
    let runtime =
        RuntimeEnvBuilder::new().with_memory_pool(memory).with_max_temp_directory_size(SPILL_BYTES).build_arc()?;
    let context = SessionContext::new_with_config_rt(config, runtime);
    context.register_udf(exact_div());
    let view = Arc::new(View::open(node));
    for table in Table::ALL {
        context.register_table(table.name(), Arc::new(Provider::new(table, view.clone())))?;
    }
    for job in node.windows.iter().filter(|job| job.spec.name != odds::NAME) {
        context.register_table(table_name(&job.spec.name), Arc::new(Declared::new(job.clone(), view.clone())))?;
    }
    Ok(context)
}

/// The one reading statement that a text is.
pub(super) fn parse(sql: &str, dialect: &dyn Dialect) -> Result<Statement, SqlError> {
    check_size(sql)?;
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(dialect)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| SqlError::of(error, sql))?;
    match (statements.pop_front(), statements.len()) {
        (None, _) => Err(SqlError::Statements(0)),
        (Some(statement), 0) if reads(&statement) => Ok(statement),
        (Some(_), 0) => Err(SqlError::ReadOnly(verb(sql))),
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

pub(super) fn check_size(sql: &str) -> Result<(), SqlError> {
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

/// Whether a token makes the tree of a query deeper: all do that are not names, values and what
/// stands between them. (Parentheses are counted by the parser, which takes fifty.)
fn is_operator(token: &Token) -> bool {
    const DEEPER: [&str; 12] =
        ["AND", "OR", "NOT", "UNION", "INTERSECT", "EXCEPT", "JOIN", "WHEN", "IS", "LIKE", "BETWEEN", "AT"];
    match token {
        Token::Word(word) => {
            word.quote_style.is_none() && DEEPER.iter().any(|name| word.value.eq_ignore_ascii_case(name))
        }
        Token::Whitespace(_) | Token::Number(..) | Token::SingleQuotedString(_) | Token::Comma => false,
        Token::LParen | Token::RParen | Token::Period | Token::SemiColon | Token::EOF => false,
        _ => true,
    }
}

/// What a statement does, for errors: its first word, or the first one that is explained.
fn verb(sql: &str) -> String {
    let mut words = sql.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_uppercase);
    let verb = words.find(|word| !["EXPLAIN", "ANALYZE", "VERBOSE"].contains(&word.as_str()));
    verb.unwrap_or_default().chars().take(20).collect()
}
