//! Tables of windows that the configuration declares: `NAME_windows`.
//!
//! The columns are the window's start and end, its SELECT list with ids as text, and `revision`,
//! `final` and `watermark`, as in `odds_windows`.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use pipeline::window::results;
use pipeline::window::times::WindowSettings;

use super::ask::{self, Ask};
use super::catalog::Table;
use super::provider::{AHEAD_BATCHES, outside};
use super::view::View;
use super::windows;
use crate::bets::odds;
use crate::node::Node;
use crate::windows::shown;

/// The name of a declared window's table.
pub fn table_name(window: &str) -> String {
    format!("{window}_windows")
}

/// A declared window's table, of one query.
pub struct Declared {
    job: Arc<WindowSettings>,
    view: Arc<View>,
    schema: SchemaRef,
}

/// The columns of a declared window's table.
pub fn schema(job: &WindowSettings) -> SchemaRef {
    let time = |name: &str| Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), false);
    let mut fields = vec![Arc::new(time("window_start")), Arc::new(time("window_end"))];
    fields.extend(shown(&results::schema(&job.plan)).fields().iter().cloned());
    Arc::new(Schema::new(fields))
}

/// The tables of a node's declared windows: their names and columns.
pub fn tables(node: &Node) -> impl Iterator<Item = (String, SchemaRef)> {
    let declared = node.windows.iter().filter(|job| job.spec.name != odds::NAME);
    declared.map(|job| (table_name(&job.spec.name), schema(job)))
}

impl Declared {
    /// The table as the view shows it.
    pub fn new(job: WindowSettings, view: Arc<View>) -> Declared {
        Declared { schema: schema(&job), job: Arc::new(job), view }
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declared").field("window", &self.job.spec.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Declared {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Times narrow what is read; DataFusion looks at each row again.
        let push = |filter: &&Expr| match ask::times(Table::OddsWindows, filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
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
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&columns)?);
        let times =
            filters.iter().filter_map(|filter| ask::times(Table::OddsWindows, filter)).fold(ask::ALWAYS, ask::both);
        let ask = Arc::new(Ask { columns, schema: schema.clone(), keys: Vec::new(), times, limit });
        let part = Arc::new(Part { job: self.job.clone(), view: self.view.clone(), ask }) as Arc<dyn PartitionStream>;
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![part], None, [], false, limit)?))
    }
}

/// The table, to be read once or more.
struct Part {
    job: Arc<WindowSettings>,
    view: Arc<View>,
    ask: Arc<Ask>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", table_name(&self.job.spec.name))
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.ask.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStream::builder(self.ask.schema.clone(), AHEAD_BATCHES);
        let sender = stream.tx();
        let (job, view, ask) = (self.job.clone(), self.view.clone(), self.ask.clone());
        stream.spawn_blocking(move || {
            for batch in windows::of_job(view, ask, job) {
                if sender.blocking_send(batch.map_err(outside)).is_err() {
                    break; // The query has all that it wants.
                }
            }
            Ok(())
        });
        stream.build()
    }
}
