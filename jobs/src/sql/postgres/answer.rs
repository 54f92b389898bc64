//! From a reading statement to its rows: of the catalog, or of the tables.
//!
//! What clients ask about the database itself is answered by [`super::catalog`]; everything else is
//! planned anew each time it runs, over the tables as of that moment.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Sql;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use futures::StreamExt;
use futures::stream::BoxStream;

use super::super::error::SqlError;
use super::super::session::{self, Planned};
use super::catalog::{self, Session};
use super::names::{Names, number};
use super::params::Param;
use super::refusal::Refusal;
use super::server::Service;
use super::types::{Column, Kind, Scalar, columns};

/// How DataFusion begins to refuse `SELECT 1, 1`.
const EQUAL_NAMES: &str = "Projections require unique expression names";

/// Rows as they come.
pub struct Answer {
    /// Their columns.
    pub columns: Arc<[Column]>,
    /// Batches of them.
    pub batches: BoxStream<'static, Result<RecordBatch, Refusal>>,
}

/// What is known of a statement before it runs.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// The types of its parameters.
    pub parameters: Vec<u32>,
    /// The columns of its rows, if it has rows.
    pub columns: Option<Arc<[Column]>>,
}

/// What a reading statement takes and gives. `given` are the types that the client has said.
pub async fn shape(service: &Service, session: &Session, text: &str, given: &[u32]) -> Result<Shape, Refusal> {
    let (found, columns) = if catalog::concerns(text) {
        let batch = catalog::answer(text, session, &[])?;
        (vec![None; catalog::parameters(text)], columns(&batch.schema()))
    } else {
        let (planned, names) = plan(service, text).await?;
        let types = planned.parameters().map_err(|error| Refusal::of(&error, text))?;
        let mut columns = columns(&planned.schema());
        names.give(&mut columns);
        (types, columns)
    };
    let oid = |place: usize, data_type: &Option<DataType>| {
        let given = given.get(place).copied().filter(|oid| *oid != 0);
        let planned = data_type.as_ref().map(|data_type| Kind::of_type(data_type).oid());
        given.or(planned).unwrap_or(Scalar::Text.facts().oid)
    };
    let parameters = found.iter().enumerate().map(|(place, data_type)| oid(place, data_type)).collect();
    Ok(Shape { parameters, columns: Some(columns.into()) })
}

/// Runs a reading statement.
pub async fn open(service: &Service, session: &Session, text: &str, params: &[Param]) -> Result<Answer, Refusal> {
    if catalog::concerns(text) {
        let values = (1..).zip(params).map(|(place, param)| param.text(place)).collect::<Result<Vec<_>, _>>()?;
        return Ok(Answer::of(catalog::answer(text, session, &values)?));
    }
    let (planned, names) = plan(service, text).await?;
    let explain = |error: SqlError| Refusal::of(&error, "");
    let types = planned.parameters().map_err(explain)?;
    if types.len() > params.len() {
        let problem = format!("the statement has {} parameters, and {} values are bound", types.len(), params.len());
        return Err(Refusal::new(super::refusal::PROTOCOL, problem));
    }
    let values = (1..).zip(params).zip(types.iter().chain(std::iter::repeat(&None)));
    let values =
        values.map(|((place, param), wanted)| param.scalar(place, wanted.as_ref())).collect::<Result<_, _>>()?;
    let (schema, batches) = planned.run(values).await.map_err(explain)?;
    let batches = batches.map(move |batch| batch.map_err(|error| Refusal::of(&error.into(), ""))).boxed();
    let mut columns = columns(&schema);
    names.give(&mut columns);
    Ok(Answer { columns: columns.into(), batches })
}

async fn plan(service: &Service, text: &str) -> Result<(Planned, Names), Refusal> {
    let explain = |error: SqlError| Refusal::of(&error, text);
    let meant = session::meant(text);
    let statement = session::parse(meant, &PostgreSqlDialect {}).map_err(explain)?;
    let plan = |statement| session::plan(&service.node, statement, meant, service.memory.clone());
    let query = match &statement {
        Statement::Statement(sql) => match &**sql {
            Sql::Query(query) => Some(query.clone()),
            _ => None,
        },
        _ => None,
    };
    let Some(mut query) = query else { return Ok((plan(statement).await.map_err(explain)?, Names::default())) };
    let names = Names::of(&query);
    let planned = match plan(statement).await {
        Err(SqlError::Query(cause)) if cause.starts_with(EQUAL_NAMES) => {
            number(&mut query.body);
            plan(Statement::Statement(Box::new(Sql::Query(query)))).await
        }
        outcome => outcome,
    };
    Ok((planned.map_err(explain)?, names))
}

impl Answer {
    /// Rows that are there already.
    pub fn of(batch: RecordBatch) -> Answer {
        let columns = columns(&batch.schema()).into();
        Answer { columns, batches: futures::stream::iter([Ok(batch)]).boxed() }
    }

    /// One text.
    pub fn one(name: &str, value: &str) -> Result<Answer, Refusal> {
        let schema = Schema::new(vec![Field::new(name, DataType::Utf8, true)]);
        let values = Arc::new(StringArray::from(vec![value]));
        let batch = RecordBatch::try_new(Arc::new(schema), vec![values]);
        batch.map(Answer::of).map_err(|error| Refusal::new(super::refusal::DATA, error.to_string()))
    }
}
