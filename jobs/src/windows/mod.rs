//! Windows that the configuration declares, over accepted bets.
//!
//! [`settings`] compiles one, or says what is wrong with it and where; [`publish`] turns its results
//! into records of the stream `windows`; [`late`] does the same for bets that it missed; [`fill`] stores
//! what was computed again.

mod error;
pub mod fill;
pub mod late;
pub mod publish;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use pipeline::id_text;
use pipeline::window::times::{Late, WindowSettings};
use pipeline::window::windows::MAX_OPEN;
use pipeline::window::{WindowPlan, WindowSpec};
use schemas::columns::bet_block;

use crate::config::duration::show_millis;
use crate::config::window::WindowConfig;

/// Times that hold for all windows that do not say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long after its end a window closes.
    pub disorder_ms: i64,
    /// How long after its end it is final.
    pub lateness_ms: i64,
    /// How far a bet's own time may be from its arrival.
    pub max_skew_ms: i64,
}

/// Compiles a declared window.
///
/// # Errors
/// A text for people: file, line and column, the window, what is wrong and what would be right.
pub fn settings(config: &WindowConfig, times: Times) -> Result<WindowSettings, String> {
    let wrong = |problem: String| format!("{}:{}: window {:?}: {problem}", config.at.path, config.at.line, config.name);
    let (length, hop) = (config.length_ms, config.hop_ms);
    if hop <= 0 || length % hop != 0 {
        return Err(wrong(format!(
            "its hop of {} does not divide its length of {}",
            show_millis(hop),
            show_millis(length)
        )));
    }
    let spec = WindowSpec {
        name: config.name.clone(),
        table: "bets".into(),
        sql: config.sql.clone(),
        time_column: "placed_at".into(),
        length_ms: config.length_ms,
        hop_ms: config.hop_ms,
    };
    let plan = WindowPlan::compile(&spec, bet_block::counted()).map_err(|error| error::explain(config, error))?;
    let settings = WindowSettings {
        spec,
        plan: Arc::new(plan),
        disorder_ms: config.disorder_ms.unwrap_or(times.disorder_ms),
        lateness_ms: config.lateness_ms.unwrap_or(times.lateness_ms),
        late: config.late,
        early_ms: config.early_ms,
        parquet: config.parquet,
    };
    match problem(&settings, times) {
        None => Ok(settings),
        Some(problem) => Err(wrong(problem)),
    }
}

/// What does not fit between a window's times.
fn problem(settings: &WindowSettings, times: Times) -> Option<String> {
    let WindowSettings { disorder_ms, lateness_ms, late, early_ms, .. } = settings;
    let (hop, show) = (settings.spec.hop_ms, show_millis);
    if let Some(early) = early_ms.filter(|early| *early <= 0 || hop % early != 0) {
        return Some(format!("early {} does not divide its hop of {}", show(early), show(hop)));
    }
    if *late == Late::Update && lateness_ms < disorder_ms {
        return Some(format!(
            "it cannot be final before it closes: lateness {} is under disorder {}",
            show(*lateness_ms),
            show(*disorder_ms)
        ));
    }
    if *late == Late::Update && *lateness_ms < times.max_skew_ms {
        return Some(format!(
            "a bet may be {} behind its arrival (bets.max_skew) and would miss a window that is final after {}; \
             choose a lateness of that at least, or late = \"side\" or \"drop\"",
            show(times.max_skew_ms),
            show(*lateness_ms)
        ));
    }
    let held = settings.final_at(0).0.saturating_add(times.max_skew_ms) / hop + 1;
    (held > MAX_OPEN as i64).then(|| {
        format!(
            "{held} panes of {} would be open at once, at most {MAX_OPEN} can be; choose a longer hop or a shorter lateness",
            show(hop)
        )
    })
}

/// The columns of a window's results as people see them: ids as text.
pub fn shown(stored: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| Field::new(field.name(), id_text::shown(field.data_type()), field.is_nullable());
    Arc::new(Schema::new(stored.fields().iter().map(field).collect::<Vec<_>>()))
}
