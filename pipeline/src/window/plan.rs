//! A compiled window job: rows to states, states to a state, states to result rows.
//!
//! Invariants:
//! - A state's first columns are its keys, `window_start` before all others; no two rows of a state
//!   share their keys.
//! - `merge` and `finish` sort by the keys, so their bytes depend on what was folded in, never on the
//!   order of rows, batches or merges, nor on a hash.
//! - A plan may be shared between threads: each call runs on its own table. What it keeps between calls,
//!   the numbers of keys that it has seen, shows in how long a call takes and in nothing else.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{filter, filter_record_batch};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef, TimestampMillisecondType};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::physical_expr::PhysicalExpr;

use super::aggregate::{Aggregate, GroupTable, Grouping, evaluate_all, evaluate_mask};
use super::{WindowError, WindowSpec, compile};

/// A window job, compiled. See the [module](super) for the life of its data.
#[derive(Debug)]
pub struct WindowPlan {
    pub(super) name: String,
    pub(super) length_ms: i64,
    pub(super) hop_ms: i64,
    /// The columns read of a batch.
    pub(super) input_schema: SchemaRef,
    pub(super) input_columns: Vec<String>,
    /// Which of them places a row in its window.
    pub(super) time_index: usize,
    pub(super) steps: Vec<Step>,
    /// The keys of `GROUP BY`, over what the steps give.
    pub(super) groups: Vec<Arc<dyn PhysicalExpr>>,
    /// Of `window_start`, then the keys of `GROUP BY`.
    pub(super) grouping: Grouping,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) state_schema: SchemaRef,
    /// The keys of `GROUP BY` and the aggregates' values: what `having` and `projection` read.
    pub(super) aggregated_schema: SchemaRef,
    pub(super) having: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) projection: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) result_schema: SchemaRef,
    pub(super) key_columns: Vec<String>,
    pub(super) sort_columns: Vec<String>,
    pub(super) exact: bool,
    pub(super) fingerprint: u64,
}

/// What happens to rows before they are grouped: `WHERE`, and the select lists of subqueries.
#[derive(Debug)]
pub(super) enum Step {
    Filter(Arc<dyn PhysicalExpr>),
    Project(Vec<Arc<dyn PhysicalExpr>>, SchemaRef),
}

impl WindowPlan {
    /// Compiles a window job over a table of the given columns.
    ///
    /// # Errors
    /// [`WindowError::Sql`] where the SQL does not plan, [`WindowError::Unsupported`] where it has
    /// no states that merge in any order, [`WindowError::Spec`] for the other settings.
    pub fn compile(spec: &WindowSpec, input: SchemaRef) -> Result<WindowPlan, WindowError> {
        compile::compile(spec, &input)
    }

    /// Columns of a state: `window_start` (`Int64`, ms since the epoch), the keys of `GROUP BY`, then
    /// the state columns of each aggregate.
    pub fn state_schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.state_schema)
    }

    /// Columns of a result: the `SELECT` list.
    pub fn result_schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.result_schema)
    }

    /// Result columns that are keys of `GROUP BY`, in the order of the result.
    pub fn key_columns(&self) -> &[String] {
        &self.key_columns
    }

    /// The same in the order by which results are sorted.
    pub fn sort_columns(&self) -> &[String] {
        &self.sort_columns
    }

    /// Whether the same rows always give the same bytes; sketches only keep their error bound.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Input columns that [`partial`](Self::partial) reads. A batch needs no others.
    pub fn input_columns(&self) -> &[String] {
        &self.input_columns
    }

    /// Length of a window in milliseconds.
    pub fn length_ms(&self) -> i64 {
        self.length_ms
    }

    /// Tells plans apart whose states do not merge: a hash of the SQL, the time column, the hop,
    /// the state's columns, the state format and the version of DataFusion.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Start of the pane in which a time falls, both in ms since the epoch; none where it is before
    /// the first representable one.
    pub fn pane_start(&self, time_ms: i64) -> Option<i64> {
        time_ms.checked_sub(time_ms.checked_rem_euclid(self.hop_ms)?)
    }

    /// Folds a batch into one state a pane, ascending by pane start. Panes without rows (all
    /// filtered out, or an empty batch) have none.
    ///
    /// The batch has at least the [`input_columns`](Self::input_columns), in any order.
    pub fn partial(&self, batch: &RecordBatch) -> Result<Vec<(i64, RecordBatch)>, WindowError> {
        let mut rows = self.project(batch)?;
        let mut starts: ArrayRef = Arc::new(self.window_starts(&rows)?);
        let states = self.run(|| {
            for step in &self.steps {
                (rows, starts) = step.apply(rows.clone(), starts.clone())?;
            }
            let mut keys = vec![starts.clone()];
            keys.extend(evaluate_all(&self.groups, &rows)?);
            let mut table = GroupTable::new(&self.aggregates, &self.grouping, rows.num_rows())?;
            table.update(&keys, &rows)?;
            table.into_states_by_pane()
        })?;
        let state = |(start, columns)| Ok((start, self.run(|| Ok(self.state(columns)?))?));
        states.into_iter().map(state).collect()
    }

    /// Folds states into one, sorted by its keys. The states may be of several panes.
    pub fn merge(&self, partials: &[RecordBatch]) -> Result<RecordBatch, WindowError> {
        self.check_states(partials)?;
        self.run(|| {
            let columns = self.table_of(partials)?.into_sorted_states()?;
            Ok(self.state(columns)?)
        })
    }

    /// Folds the states of the window that starts at `start` into its result rows, sorted by the keys
    /// of `GROUP BY` (nulls first, numbers by value, strings and bytes by their bytes).
    pub fn finish(&self, start: i64, partials: &[RecordBatch]) -> Result<RecordBatch, WindowError> {
        self.check_states(partials)?;
        let partials = self.of_window(start, partials)?;
        self.run(|| {
            let columns = self.table_of(&partials)?.into_sorted_results()?;
            let count = columns.first().map_or(0, |starts| starts.len());
            let mut rows = RecordBatch::try_new_with_options(
                SchemaRef::clone(&self.aggregated_schema),
                columns.into_iter().skip(1).collect(),
                &RecordBatchOptions::new().with_row_count(Some(count)),
            )?;
            for condition in &self.having {
                rows = filter_record_batch(&rows, &evaluate_mask(condition, &rows)?)?;
            }
            let results = evaluate_all(&self.projection, &rows)?;
            Ok(RecordBatch::try_new(self.result_schema(), results)?)
        })
    }

    fn table_of(&self, partials: &[RecordBatch]) -> DataFusionResult<GroupTable<'_>> {
        let rows = partials.iter().map(RecordBatch::num_rows).sum();
        let mut table = GroupTable::new(&self.aggregates, &self.grouping, rows)?;
        for partial in partials.iter().filter(|partial| partial.num_rows() > 0) {
            table.merge(partial)?;
        }
        Ok(table)
    }

    fn state(&self, columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(self.state_schema(), columns)
    }

    /// Picks the columns that the plan reads, by name, and checks their types.
    fn project(&self, batch: &RecordBatch) -> Result<RecordBatch, WindowError> {
        let mut columns = Vec::with_capacity(self.input_schema.fields().len());
        for field in self.input_schema.fields() {
            let Some(column) = batch.column_by_name(field.name()) else {
                return Err(self.batch_error(field.name(), "is missing from the batch"));
            };
            if column.data_type() != field.data_type() {
                return Err(self.batch_error(
                    field.name(),
                    format!("is {}, {} was compiled for", column.data_type(), field.data_type()),
                ));
            }
            columns.push(Arc::clone(column));
        }
        self.run(|| Ok(RecordBatch::try_new(SchemaRef::clone(&self.input_schema), columns)?))
    }

    fn window_starts(&self, rows: &RecordBatch) -> Result<Int64Array, WindowError> {
        let times = rows.column(self.time_index);
        let name = self.input_schema.field(self.time_index).name();
        if times.null_count() > 0 {
            return Err(self.batch_error(name, "has nulls; a row without a time has no window"));
        }
        let Some(times) = times.as_primitive_opt::<TimestampMillisecondType>() else {
            return Err(self.batch_error(name, "is not a timestamp in milliseconds"));
        };
        let mut starts = Vec::with_capacity(times.len());
        // Times follow each other: most are in the pane of the one before, and need no division.
        let mut pane = 0..0;
        for time in times.values() {
            if !pane.contains(time) {
                let start = self.pane_start(*time);
                let before = || self.batch_error(name, format!("holds {time} ms, before the first window"));
                let start = start.ok_or_else(before)?;
                pane = start..start.saturating_add(self.hop_ms);
            }
            starts.push(pane.start);
        }
        Ok(Int64Array::from(starts))
    }

    fn check_states(&self, partials: &[RecordBatch]) -> Result<(), WindowError> {
        for partial in partials {
            let schema = partial.schema_ref();
            if Arc::ptr_eq(schema, &self.state_schema) {
                continue;
            }
            for (index, field) in self.state_schema.fields().iter().enumerate() {
                let found = schema.fields().get(index).map(|found| found.data_type());
                if found != Some(field.data_type()) {
                    return Err(self.batch_error(
                        field.name(),
                        format!(
                            "of a state is {}, this plan's is {}; rebuild the state from the log",
                            found.map_or("missing".to_owned(), ToString::to_string),
                            field.data_type()
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// States under the start of a window instead of their panes' own.
    fn of_window(&self, start: i64, partials: &[RecordBatch]) -> Result<Vec<RecordBatch>, WindowError> {
        let window = start..start.saturating_add(self.length_ms);
        partials
            .iter()
            .map(|partial| {
                let panes = partial.column(0).as_primitive_opt::<Int64Type>().map(|panes| &panes.values()[..]);
                let panes = panes.unwrap_or_default();
                if let Some(other) = panes.iter().find(|pane| !window.contains(pane)) {
                    let (window, pane) = (self.name.clone(), *other);
                    return Err(WindowError::MixedWindows { window, start, pane });
                }
                if panes.iter().all(|pane| *pane == start) {
                    return Ok(partial.clone());
                }
                let mut columns = partial.columns().to_vec();
                columns[0] = Arc::new(Int64Array::from_value(start, partial.num_rows()));
                self.run(|| Ok(self.state(columns)?))
            })
            .collect()
    }

    fn batch_error(&self, column: &str, detail: impl Into<String>) -> WindowError {
        WindowError::Batch { window: self.name.clone(), column: column.to_owned(), detail: detail.into() }
    }

    /// Names the window in what goes wrong inside DataFusion.
    fn run<T>(&self, body: impl FnOnce() -> DataFusionResult<T>) -> Result<T, WindowError> {
        body().map_err(|source: DataFusionError| WindowError::Evaluate {
            window: self.name.clone(),
            source: Box::new(source),
        })
    }
}

impl Step {
    /// Takes rows and their window starts one step on.
    fn apply(&self, rows: RecordBatch, starts: ArrayRef) -> DataFusionResult<(RecordBatch, ArrayRef)> {
        match self {
            Step::Filter(condition) => {
                let mask = evaluate_mask(condition, &rows)?;
                Ok((filter_record_batch(&rows, &mask)?, filter(&starts, &mask)?))
            }
            Step::Project(expressions, schema) => {
                let columns = evaluate_all(expressions, &rows)?;
                let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
                let schema = SchemaRef::clone(schema);
                let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
                Ok((rows, starts))
            }
        }
    }
}
