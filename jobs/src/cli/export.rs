//! `oddsmill export`: tables as Parquet files.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::datatypes::TimestampMillisecondType;
use clap::Args;
use futures::StreamExt;
use pipeline::parquet_file::ParquetFile;
use pipeline::window::times::WindowSettings;
use pipeline::window::windows::window_rows;
use pipeline::window::{export, results, state};
use serde_json::json;

use super::exit::Failure;
use super::output::{OutputFormat, counted, grouped, print_json, stdout};
use super::replay::bar;
use super::times::Time;
use super::{Context, replay};
use crate::archive::{self, Written};
use crate::control::{Access, Missing};

const EXAMPLES: &str = "\
Examples:
  oddsmill export bets --out ./archive
  oddsmill export odds_windows --out ./archive --from 2022-07-11
  oddsmill export users --out ./archive

bets become a file an hour in which they were decided, in the order of their
decisions, and whole hours; windows a file each, once they are final; other
tables one file. All have the columns that SQL shows. The same export again
replaces the files, and readers never see half of one. bets can be read back:
`oddsmill replay --archive`. It works beside a running pipeline.
";

/// Write a table as Parquet files
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Export {
    /// A table of `oddsmill sql`
    #[arg(value_name = "TABLE")]
    table: String,
    /// The directory to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Bets decided, or windows that start, at this time or later: RFC 3339, or a date
    #[arg(long, value_name = "TIME")]
    from: Option<Time>,
    /// And before this time
    #[arg(long, value_name = "TIME")]
    to: Option<Time>,
}

impl Export {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let access = Access::open(&context.config, Missing::Refuse).await?;
        let times = self.from.map_or(0, Time::millis)..self.to.map_or(i64::MAX, Time::millis);
        let bar = bar(context, "{spinner} {msg}, {elapsed}");
        let mut watch = |so_far: Written| {
            bar.set_message(format!("{}, {} rows", counted(so_far.files, "file"), grouped(so_far.rows)));
            bar.tick();
        };
        let (at, written) = match self.table.strip_suffix("_windows") {
            Some(window) => {
                let settings = replay::window::find(&context.config, window)?;
                (self.out.join(window), windows(&access, &settings, &self.out, times, &mut watch).await?)
            }
            None if self.table == "bets" => {
                (self.out.join("bets"), archive::write(&access, &self.out, times, &mut watch).await?)
            }
            None if self.from.is_some() || self.to.is_some() => {
                return Err(Failure::Usage(format!(
                    "--from and --to go with bets and windows; {} is exported whole",
                    self.table
                )));
            }
            None => whole(&access, &self.table, &self.out).await?,
        };
        bar.finish_and_clear();
        self.print(context, &at, written)
    }

    fn print(&self, context: &Context, at: &Path, written: Written) -> Result<(), Failure> {
        let Written { files, rows, bytes } = written;
        if matches!(context.output, Some(OutputFormat::Json | OutputFormat::Jsonl)) {
            let at = at.display().to_string();
            return print_json(&json!({ "table": self.table, "at": at, "files": files, "rows": rows, "bytes": bytes }));
        }
        let mut out = stdout();
        writeln!(
            out,
            "{}: {} rows in {}, {} bytes, at {}",
            self.table,
            grouped(rows),
            counted(files, "file"),
            grouped(bytes),
            at.display()
        )?;
        Ok(out.flush()?)
    }
}

/// Every final window with rows that starts in a range of times, a file each, as the pipeline writes it.
async fn windows(
    access: &Access,
    settings: &WindowSettings,
    out: &Path,
    times: Range<i64>,
    watch: &mut dyn FnMut(Written),
) -> Result<Written, Failure> {
    let name = &settings.spec.name;
    let starts = format!("SELECT DISTINCT window_start FROM {name}_windows WHERE final ORDER BY window_start");
    let mut batches = access.sql(&starts).await?.batches;
    let mut written = Written::default();
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let starts = batch.column(0).as_primitive_opt::<TimestampMillisecondType>();
        let starts = starts.ok_or_else(|| Failure::Failed("window_start is no time".into()))?;
        for start in starts.values().iter().copied().filter(|start| times.contains(start)) {
            let Some(bytes) = access.window(name, start).await? else { continue };
            let schema = results::schema(&settings.plan);
            let rows = state::decode(&schema, &bytes).map_err(|error| {
                Failure::Failed(format!(
                    "window {name} is stored in other columns than its SQL gives now: {error}; use the configuration of the pipeline"
                ))
            })?;
            written.rows += rows.num_rows() as u64;
            written.bytes += export::write(out, settings, &window_rows(settings, start, rows))?;
            written.files += 1;
            watch(written);
        }
    }
    Ok(written)
}

/// A table that is exported whole, sorted by its first column.
async fn whole(access: &Access, table: &str, out: &Path) -> Result<(PathBuf, Written), Failure> {
    let plain = table.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !plain {
        return Err(Failure::Usage(format!("{table:?} is no table; `oddsmill sql \"SHOW TABLES\"` lists them")));
    }
    let mut rows = access.sql(&format!("SELECT * FROM {table} ORDER BY 1")).await?;
    let path = out.join(format!("{table}.parquet"));
    let first = rows.schema.fields().first().map_or("", |field| field.name()).to_owned();
    let mut file = ParquetFile::create(&path, rows.schema.clone(), &[&first])?;
    let mut written = Written { files: 1, ..Written::default() };
    while let Some(batch) = rows.batches.next().await {
        let batch = batch?;
        file.write(&batch)?;
        written.rows += batch.num_rows() as u64;
    }
    written.bytes = file.finish()?;
    Ok((path, written))
}
