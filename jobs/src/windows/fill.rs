//! Rows of windows that were computed again, stored where none are.

use pipeline::tables::{Commit, system};
use pipeline::window::times::WindowSettings;
use pipeline::window::windows::window_rows;
use pipeline::window::{export, results, state};
use pipeline::{Error, Result};

use crate::bets::event_time;
use crate::control::history;
use crate::node::Node;

/// Stores the rows of a final window, if nothing is stored of it, and says whether so. Its Parquet
/// file is written as well, where the window has one.
///
/// The loop never touches a window that is final, so this may run beside it.
pub async fn fill(node: &Node, name: &str, start: i64, rows: &[u8]) -> Result<bool> {
    let settings = node.windows.iter().find(|job| job.spec.name == name).ok_or_else(|| {
        Error::Reject(format!(
            "the pipeline computes no window {name:?}; declare it in its oddsmill.toml, start it again, then fill"
        ))
    })?;
    let decoded = state::decode(&results::schema(&settings.plan), rows);
    let decoded = decoded.map_err(|error| {
        Error::Reject(format!(
            "these are no rows of the pipeline's window {name:?}: {error}; use the same SQL for both"
        ))
    })?;
    check_final(settings, start, history::frontier(node).await?)?;
    if history::window(node, name, start)?.is_some() {
        return Ok(false);
    }
    if node.options().export && settings.parquet {
        export::write(&node.parquet_dir(), settings, &window_rows(settings, start, decoded))?;
    }
    let mut commit = Commit::default();
    commit.put(system::RESULTS, results::key(name, start), rows.to_vec());
    node.tables.commit(commit)?;
    node.tables.sync()?;
    Ok(true)
}

fn check_final(settings: &WindowSettings, start: i64, frontier: pipeline::Arrival) -> Result<()> {
    let due = settings.final_at(start);
    if settings.pane_of(start) == start && due <= frontier {
        return Ok(());
    }
    Err(Error::Reject(format!(
        "window {:?} that starts at {} is final at {}, and the pipeline has applied everything up to {}; fill it then",
        settings.spec.name,
        event_time(pipeline::Arrival(start)),
        event_time(due),
        event_time(frontier),
    )))
}
