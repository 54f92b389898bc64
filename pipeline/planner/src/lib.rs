//! From a parsed SQL statement to DataFusion's logical plan, for windows and for queries.
//!
//! A crate of its own for the build's sake: DataFusion's planner is an `async fn`, so it is
//! compiled into whichever crate polls it, and brings the whole SQL syntax tree with it. Here that
//! happens once and unoptimised; in `pipeline`, at its level, it took more than half of the
//! crate's build.

use datafusion::common::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use futures::future::BoxFuture;

/// Plans a statement over the state's catalog. Waits only where the catalog does.
///
/// # Errors
/// A table, column or function that is not there, types that do not fit, syntax that is not
/// supported.
pub fn plan(state: &SessionState, statement: Statement) -> BoxFuture<'_, Result<LogicalPlan>> {
    Box::pin(state.statement_to_plan(statement))
}
