//! `oddsmill replay --window`: a window job computed again.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use pipeline::Arrival;
use pipeline::window::times::WindowSettings;
use serde_json::json;

use super::{bar, interrupt_on_signals};
use crate::backfill::source::Source;
use crate::backfill::{self, Outcome, Sink, Wanted};
use crate::bets::{event_time, odds};
use crate::cli::Context;
use crate::cli::exit::Failure;
use crate::cli::output::{OutputFormat, counted, grouped, print_json, stdout};
use crate::cli::times::Time;
use crate::config::Config;
use crate::config::duration::show_millis;
use crate::control::{Access, Missing};

/// Windows named one by one in a remark.
const NAMED: usize = 5;

/// Which windows, from where, and what becomes of them.
#[derive(Debug, Args)]
pub struct Window {
    /// The window job: odds, or one that oddsmill.toml declares
    #[arg(long, value_name = "NAME")]
    window: String,
    /// Windows that start at this time or later: RFC 3339, or a date
    #[arg(long, value_name = "TIME")]
    from: Time,
    /// Windows that start before this time [default: all that are final]
    #[arg(long, value_name = "TIME")]
    to: Option<Time>,
    /// Read the bets from what `export bets` wrote there
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// Write the windows there as Parquet
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Store windows that the pipeline lacks
    #[arg(long)]
    fill: bool,
}

impl Window {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let wanted = self.wanted(&context.config)?;
        let access = self.access(context).await?;
        let source = match (&self.archive, &access) {
            (Some(dir), _) => Source::Archive(dir.clone()),
            (None, Some(access)) => Source::Pipeline(access),
            (None, None) => return Err(Failure::Usage("name an archive with --archive, or a data directory".into())),
        };
        let sink = Sink { access: access.as_ref(), fill: self.fill, out: self.out.clone() };
        let interrupt = interrupt_on_signals()?;
        let bar = bar(context, "{spinner} {msg}, {elapsed}");
        let mut watch = |so_far: &Outcome| {
            let at = event_time(so_far.frontier);
            bar.set_message(format!("{} bets, {} windows, at {at}", grouped(so_far.bets), grouped(so_far.windows)));
            bar.tick();
        };
        let outcome = backfill::run(&wanted, source, &sink, &interrupt, &mut watch).await;
        bar.finish_and_clear();
        let outcome = outcome?;
        self.print(context, &wanted.settings, &outcome)?;
        verdict(&wanted.settings, &outcome, sink.out.is_some())
    }

    fn wanted(&self, config: &Config) -> Result<Wanted, Failure> {
        let settings = find(config, &self.window)?;
        // A window that starts within the hop before the time begins at the next full one.
        let from = self.from.millis();
        let starts =
            settings.pane_of(from.saturating_add(settings.spec.hop_ms - 1))..self.to.map_or(NO_END_MS, Time::millis);
        if starts.is_empty() {
            return Err(Failure::Usage(format!(
                "no window of {} starts between --from {} and --to {}; windows start every {}",
                self.window,
                self.from,
                self.to.map_or_else(String::new, |to| to.to_string()),
                show_millis(settings.spec.hop_ms)
            )));
        }
        Ok(Wanted { settings, starts, max_skew_ms: config.max_skew_ms })
    }

    /// The pipeline, unless an archive is read and nothing is stored: then none need be there.
    async fn access(&self, context: &Context) -> Result<Option<Access>, Failure> {
        if self.archive.is_some() && !self.fill && !crate::control::access::exists(&context.config.data_dir) {
            return Ok(None);
        }
        Ok(Some(Access::open(&context.config, Missing::Refuse).await?))
    }

    fn print(&self, context: &Context, settings: &WindowSettings, outcome: &Outcome) -> Result<(), Failure> {
        if matches!(context.output, Some(OutputFormat::Json | OutputFormat::Jsonl)) {
            let Outcome { bets, windows, rows, alike, missing, filled, open, frontier, .. } = outcome;
            let different: Vec<String> = outcome.different.iter().map(|start| time(*start)).collect();
            return print_json(&json!({
                "window": settings.spec.name, "bets": bets, "windows": windows, "rows": rows, "alike": alike,
                "different": different, "missing": missing, "filled": filled, "open": open,
                "applied_until": event_time(*frontier).to_rfc3339(),
                "went_on_from": outcome.resumed.map(|at| event_time(at).to_rfc3339()),
            }));
        }
        let mut out = stdout();
        for (label, text) in self.lines(settings, outcome) {
            writeln!(out, "{label:<14}{text}")?;
        }
        Ok(out.flush()?)
    }

    fn lines(&self, settings: &WindowSettings, outcome: &Outcome) -> Vec<(&'static str, String)> {
        let (name, length, hop) = (&settings.spec.name, settings.spec.length_ms, settings.spec.hop_ms);
        let every = if hop == length { String::new() } else { format!(" every {}", show_millis(hop)) };
        let [bets, windows, rows, open, alike, missing, filled] =
            [outcome.bets, outcome.windows, outcome.rows, outcome.open, outcome.alike, outcome.missing, outcome.filled]
                .map(grouped);
        let until = event_time(outcome.frontier);
        let mut lines = vec![
            ("window", format!("{name} ({}{every}), computed again up to {until}", show_millis(length))),
            ("bets", format!("{bets} accepted ones read")),
            ("windows", format!("{windows} final, {rows} rows; {open} not final yet")),
        ];
        let different = outcome.different.len();
        if outcome.alike + outcome.missing + outcome.filled + different as u64 > 0 {
            let now = if outcome.filled > 0 { format!(", {filled} stored now") } else { String::new() };
            lines.push(("stored", format!("{alike} alike, {different} different, {missing} missing{now}")));
        }
        if outcome.missing > 0 && !self.fill {
            lines.push(("", "--fill stores what is missing".to_owned()));
        }
        if let Some(dir) = &self.out {
            lines.push(("files", dir.join(name).display().to_string()));
        }
        if let Some(from) = outcome.resumed {
            lines.push((
                "went on from",
                format!("{}, where an earlier run was interrupted; its windows are counted", event_time(from)),
            ));
        }
        lines
    }
}

/// After every time that a log stamps: the year 9999.
const NO_END_MS: i64 = 253_370_764_800_000;

/// What the exit code says, and what to do about it.
fn verdict(settings: &WindowSettings, outcome: &Outcome, files: bool) -> Result<(), Failure> {
    if outcome.interrupted {
        let text = match (files, outcome.filled) {
            (true, _) => "interrupted; run the same command again to go on".to_owned(),
            (false, 0) => "interrupted; nothing was written".to_owned(),
            (false, filled) => format!("interrupted; {} stored", counted(filled, "window")),
        };
        return Err(Failure::Interrupted(text));
    }
    if outcome.different.is_empty() || !settings.plan.is_exact() {
        return Ok(());
    }
    let named: Vec<String> = outcome.different.iter().take(NAMED).map(|start| time(*start)).collect();
    let more = match outcome.different.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(Failure::Failed(format!(
        "{} of {} stored with other rows: {}{more}. A window that was open when its job was declared or changed counts \
         only bets since then; otherwise this is a defect",
        counted(outcome.different.len() as u64, "window"),
        settings.spec.name,
        named.join(", ")
    )))
}

/// A window job by its name.
pub fn find(config: &Config, name: &str) -> Result<WindowSettings, Failure> {
    if name == odds::NAME {
        return Ok(odds::settings(config.disorder_ms, config.lateness_ms)?);
    }
    let Some(declared) = config.windows.iter().find(|window| window.name == name) else {
        let names: Vec<&str> =
            std::iter::once(odds::NAME).chain(config.windows.iter().map(|w| w.name.as_str())).collect();
        return Err(Failure::Usage(format!(
            "there is no window {name:?}; the configuration has {}, and --config names another file",
            names.join(", ")
        )));
    };
    crate::windows::settings(declared, config.times()).map_err(Failure::Usage)
}

fn time(at_ms: i64) -> String {
    event_time(Arrival(at_ms)).to_rfc3339()
}
