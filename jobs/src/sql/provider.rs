//! A table as DataFusion reads it: filters and columns pushed down, batches streamed.
//!
//! Reading blocks (a disk, a decompression), so each part of a table is read on a thread that
//! may block, two batches ahead of the query at most.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::ask::{self, Ask};
use super::catalog::Table;
use super::view::View;

/// Batches read ahead of the query, for each part of a table.
pub(super) const AHEAD_BATCHES: usize = 2;

/// A table of one query.
pub struct Provider {
    table: Table,
    view: Arc<View>,
    schema: SchemaRef,
}

impl Provider {
    /// A table as the view shows it.
    pub fn new(table: Table, view: Arc<View>) -> Provider {
        Provider { table, view, schema: table.schema() }
    }

    fn ask(&self, projection: Option<&Vec<usize>>, filters: &[Expr], limit: Option<usize>) -> Result<Ask> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema: Schema = self.schema.project(&columns)?;
        let keys = filters.iter().filter_map(|filter| ask::keys(self.table, filter)).collect();
        let times = filters.iter().filter_map(|filter| ask::times(self.table, filter)).fold(ask::ALWAYS, ask::both);
        Ok(Ask { columns, schema: Arc::new(schema), keys, times, limit })
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("table", &self.table).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let push = |filter: &&Expr| {
            if ask::keys(self.table, filter).is_some() {
                TableProviderFilterPushDown::Exact
            } else if ask::times(self.table, filter).is_some() {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(push).collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let ask = Arc::new(self.ask(projection, filters, limit)?);
        let parts = self.table.parts(&self.view, &ask).map_err(outside)?;
        let part = |part| {
            Arc::new(Part { table: self.table, view: self.view.clone(), ask: ask.clone(), part, parts })
                as Arc<dyn PartitionStream>
        };
        let partitions = (0..parts).map(part).collect();
        Ok(Arc::new(StreamingTableExec::try_new(ask.schema.clone(), partitions, None, [], false, limit)?))
    }
}

/// A part of a table, to be read once or more.
struct Part {
    table: Table,
    view: Arc<View>,
    ask: Arc<Ask>,
    part: usize,
    parts: usize,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.table.name(), self.part, self.parts)
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.ask.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStream::builder(self.ask.schema.clone(), AHEAD_BATCHES);
        let sender = stream.tx();
        let (table, view, ask) = (self.table, self.view.clone(), self.ask.clone());
        let (part, parts) = (self.part, self.parts);
        stream.spawn_blocking(move || {
            for batch in table.read(view, ask, part, parts).map_err(outside)? {
                if sender.blocking_send(batch.map_err(outside)).is_err() {
                    break; // The query has all that it wants.
                }
            }
            Ok(())
        });
        stream.build()
    }
}

pub(super) fn outside(error: pipeline::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
