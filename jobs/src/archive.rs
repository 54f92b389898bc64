//! Bets as Parquet: an archive that analysts read and that windows can be computed from again.
//!
//! ```text
//! DIR/bets/date=2022-07-11/hour=14/bets-2022-07-11T14-00-00Z.parquet   by the hour of the decision
//! DIR/bets/_archive.json                                              how far in time it is whole
//! ```
//!
//! Columns are those of the table `bets` in SQL, rows in the order in which they were decided. A bet
//! that is settled later changes its row, so an hour exported again is another file; windows read
//! only what stays.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use futures::StreamExt;
use pipeline::parquet_file::{self, ParquetFile};
use pipeline::window::export;
use pipeline::{Arrival, Error, Result};
use schemas::columns;
use schemas::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bets::event_time;
use crate::control::{Access, history};
use crate::history::decided_at;
use crate::sql::shown_bets;

const NAME: &str = "bets";
const HOUR_MS: i64 = 3_600_000;
const MARK: &str = "_archive.json";

/// How far in time an archive is whole.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    /// Everything that was decided from then on, in RFC 3339, for people may read it,
    whole_from: String,
    /// and before this, is in it.
    whole_until: String,
}

/// What an export came to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Written {
    /// Files.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes the bets decided in a range of times, in whole hours; `watch` is told of each file.
///
/// # Errors
/// A range that would leave a gap between it and what is in the directory.
pub async fn write(access: &Access, dir: &Path, times: Range<i64>, watch: &mut dyn FnMut(Written)) -> Result<Written> {
    let frontier = access.frontier().await?;
    let times = hour_of(times.start)..hour_of(times.end.saturating_add(HOUR_MS - 1));
    let whole = joined(dir, times.start..frontier.0.min(times.end))?;
    // A bet that was decided again stands where it was decided first, which may be long before.
    let asked = history::Asked { since: i64::MIN, from: times.start, to: times.end };
    let mut rows = access.bets(asked).await?.batches;
    let mut written = Written::default();
    let mut open: Option<(i64, ParquetFile)> = None;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        for (hour, part) in by_hour(&batch)? {
            if open.as_ref().is_none_or(|(at, _)| *at != hour) {
                close(open.take(), &mut written, watch)?;
                let path = dir.join(export::path(NAME, hour)?);
                open = Some((hour, ParquetFile::create(&path, columns::bets(), &["decided_at"])?));
            }
            if let Some((_, file)) = &mut open {
                file.write(&shown_bets(&part)?)?;
                written.rows += part.num_rows() as u64;
            }
        }
    }
    close(open, &mut written, watch)?;
    mark(dir, &whole)?;
    Ok(written)
}

fn close(open: Option<(i64, ParquetFile)>, written: &mut Written, watch: &mut dyn FnMut(Written)) -> Result<()> {
    if let Some((_, file)) = open {
        written.bytes += file.finish()?;
        written.files += 1;
        watch(*written);
    }
    Ok(())
}

/// A batch that is sorted by decision, cut at full hours.
fn by_hour(batch: &RecordBatch) -> Result<Vec<(i64, RecordBatch)>> {
    let times = decided_at(batch)?.values();
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some(first) = times.get(from) {
        let hour = hour_of(*first);
        let to = from + times[from..].partition_point(|at| *at < hour + HOUR_MS);
        parts.push((hour, batch.slice(from, to - from)));
        from = to;
    }
    Ok(parts)
}

/// The hour that a time is in, by its start.
fn hour_of(at: i64) -> i64 {
    at.saturating_sub(at.rem_euclid(HOUR_MS))
}

/// What is whole once a range of times is written as well.
fn joined(dir: &Path, new: Range<i64>) -> Result<Range<i64>> {
    let Some(old) = marked(dir)? else { return Ok(new) };
    if new.start > old.end || old.start > new.end {
        return Err(Error::Reject(format!(
            "the archive in {} has the bets decided from {} to {}; export a range without a gap to it, or choose another directory",
            dir.display(),
            event_time(Arrival(old.start)),
            event_time(Arrival(old.end)),
        )));
    }
    Ok(old.start.min(new.start)..old.end.max(new.end))
}

/// What a directory's mark says is whole; nothing where there is none.
fn marked(dir: &Path) -> Result<Option<Range<i64>>> {
    let path = dir.join(NAME).join(MARK);
    let text = match fs::read(&path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let unreadable = |cause: &dyn std::fmt::Display| {
        Error::Reject(format!("{}: {cause}; export the bets again into an empty directory", path.display()))
    };
    let mark: Mark = serde_json::from_slice(&text).map_err(|cause| unreadable(&cause))?;
    let time = |text: &str| Timestamp::parse_rfc3339(text).map(Timestamp::millis).map_err(|cause| unreadable(&cause));
    Ok(Some(time(&mark.whole_from)?..time(&mark.whole_until)?))
}

fn mark(dir: &Path, whole: &Range<i64>) -> Result<()> {
    let path = dir.join(NAME).join(MARK);
    let time = |at: i64| event_time(Arrival(at)).to_rfc3339();
    let mark = Mark { whole_from: time(whole.start), whole_until: time(whole.end) };
    let text = serde_json::to_vec_pretty(&mark).map_err(|error| Error::fatal("the archive's mark", error))?;
    let failed = |cause: std::io::Error| Error::fatal(&format!("{}", path.display()), cause);
    fs::create_dir_all(dir.join(NAME)).map_err(failed)?;
    fs::write(path.with_extension("tmp"), text).map_err(failed)?;
    fs::rename(path.with_extension("tmp"), &path).map_err(failed)
}

/// An archive that is read.
pub struct Archive {
    files: Vec<PathBuf>,
    /// Everything that was decided before this is in it.
    pub whole_until: Arrival,
}

impl Archive {
    /// Finds the files of bets decided at `from` or later.
    ///
    /// # Errors
    /// A directory in which no export of bets was finished, or not from the beginning of `decided` on.
    pub fn open(dir: &Path, decided: &Range<i64>, from: i64) -> Result<Archive> {
        let unusable = |why: String| {
            let dir = dir.display();
            Error::Reject(format!("{dir} {why}; `oddsmill export bets --out {dir}` makes it whole"))
        };
        let whole = marked(dir)?.ok_or_else(|| unusable(format!("is no archive of bets: it has no {NAME}/{MARK}")))?;
        if decided.start.max(0) < whole.start {
            let [needed, first] = [decided.start.max(0), whole.start].map(|at| event_time(Arrival(at)));
            return Err(unusable(format!(
                "has the bets decided from {first} on, and those from {needed} on are needed"
            )));
        }
        let mut files = Vec::new();
        find(&dir.join(NAME), &mut files)?;
        // Names are times, and sort as they do.
        let first = export::path(NAME, hour_of(decided.start.max(from).max(0)))?;
        files.retain(|file| file.file_name() >= first.file_name());
        files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        Ok(Archive { files, whole_until: Arrival(whole.end) })
    }

    /// Its bets in the order of their decisions, in the columns that windows are computed from.
    pub fn bets(self) -> impl Iterator<Item = Result<RecordBatch>> + Send {
        let columns: Vec<&str> = columns::bets::ARCHIVED.to_vec();
        self.files.into_iter().flat_map(move |file| match parquet_file::read(&file, &columns) {
            Ok(batches) => {
                let restored = move |batch: Result<RecordBatch>| {
                    let unusable = |cause| Error::Reject(format!("{}: {cause}; export it again", file.display()));
                    columns::bets::counted(&batch?).map_err(unusable)
                };
                Box::new(batches.map(restored)) as Box<dyn Iterator<Item = _> + Send>
            }
            Err(error) => Box::new(std::iter::once(Err(error))),
        })
    }
}

fn find(dir: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    Ok(())
}
