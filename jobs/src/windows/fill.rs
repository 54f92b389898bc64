//! Rows of windows that were computed again, stored where none are.

use pipeline::tables::{Commit, system};
use pipeline::window::times::WindowSettings;
use pipeline::window::windows::{is_done, window_rows};
use pipeline::window::{export, results, state};
use pipeline::{Arrival, Error, Result};

use crate::bets::event_time;
use crate::betting;
use crate::control::history;
use crate::node::Node;

/// Stores the rows of a final window, if nothing is stored of it, and says whether so. Its Parquet
/// file is written as well, where the window has one.
///
/// The loop never touches a window once it has done with it, so this may run beside it.
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
    check_done(node, settings, start).await?;
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

async fn check_done(node: &Node, settings: &WindowSettings, start: i64) -> Result<()> {
    let frontier = history::frontier(node).await?;
    let begins = settings.pane_of(start) == start;
    if begins && is_done(&node.ports().tables, betting::LOOP, settings, start, frontier).await? {
        return Ok(());
    }
    Err(Error::Reject(format!(
        "window {:?} that starts at {} is final at {}, and the pipeline has applied everything up to {}; fill it then",
        settings.spec.name,
        event_time(Arrival(start)),
        event_time(settings.final_at(start)),
        event_time(frontier),
    )))
}
