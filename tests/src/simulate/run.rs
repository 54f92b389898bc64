//! Running a world: its lives one after another in one directory, then a last one, then the comparison.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jobs::node::{Node, NodeOptions};
use pipeline::Error;
use pipeline::adapters::embedded::Durability;
use pipeline::fault::{Bug, CrashPoint, Faults};
use pipeline::shard::ShardId;
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_64;

use super::{Life, Reshard, Torn, World, check, said};
use crate::drive::{self, Feed};
use crate::dump::{difference, dump};

/// What is written has no such number of zeros in a row.
const BLOCK: usize = 64 << 10;
/// A life that takes longer stands still.
const LIMIT: Duration = Duration::from_secs(120);

/// How a simulation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What happened in each life.
    pub trace: Vec<String>,
    /// What is wrong, if anything.
    pub fault: Option<String>,
    /// A hash of everything in the end.
    pub digest: u64,
    /// Crashes that came about.
    pub crashes: usize,
}

/// Runs a world, with a seeded bug if one is asked for.
pub async fn run(world: &World, bug: Option<Bug>) -> Outcome {
    let mut outcome = Outcome { trace: Vec::new(), fault: None, digest: 0, crashes: 0 };
    // A check that fails panics; whoever simulates wants to go on.
    let expected = if world.keeps_shards() { Some(undisturbed(world).await) } else { None };
    let (world, dir) = (world.clone(), tempfile::tempdir().expect("a folder for temporary files"));
    for (number, life) in world.lives.iter().enumerate() {
        let (feed, of, dir, life) = (feed(&world, life.chunk), world.clone(), dir.path().to_owned(), *life);
        let lived = tokio::spawn(async move { timeout(LIMIT, live(&of, &dir, &feed, life, bug)).await });
        let end = match lived.await {
            Ok(Ok(Ok(End::Stopped))) => "stopped",
            Ok(Ok(Ok(End::Crashed))) => {
                outcome.crashes += 1;
                "crashed"
            }
            other => {
                outcome.trace.push(format!("life {number}: {life}"));
                outcome.fault = Some(format!("in life {number}: {}", what(other)));
                return outcome;
            }
        };
        outcome.trace.push(format!("life {number}: {life}: {end}"));
    }
    let last = (feed(&world, 400), options(&world, dir.path()));
    let ended = tokio::spawn(async move { timeout(LIMIT, end(last.1, &last.0, bug)).await });
    match ended.await {
        Ok(Ok(Ok(found))) => {
            outcome.digest = xxh3_64(found.as_bytes());
            // Where shards change, positions do; what must hold was checked.
            if let Some(expected) = expected {
                outcome.fault = difference(&expected, &found).map(|difference| {
                    let folder = keep(world.seed, &expected, &found);
                    format!("undisturbed it comes to something else (all of both is in {folder}): {difference}")
                });
            }
        }
        other => outcome.fault = Some(format!("in the last life: {}", what(other))),
    }
    outcome
}

/// Keeps what was expected and what was found for whoever wants to compare.
fn keep(seed: u64, expected: &str, found: &str) -> String {
    let folder = std::env::temp_dir().join(format!("oddsmill-seed-{seed}"));
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("expected.txt"), expected))
        .and_then(|()| std::fs::write(folder.join("found.txt"), found));
    written.map_or_else(|error| error.to_string(), |()| folder.display().to_string())
}

/// How a life ended.
enum End {
    Stopped,
    Crashed,
}

fn what<T>(ended: Result<Result<Result<T, Error>, tokio::time::error::Elapsed>, tokio::task::JoinError>) -> String {
    match ended {
        Ok(Ok(Ok(_))) => "it ended".to_owned(),
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(_)) => format!("it did not end within {LIMIT:?}"),
        Err(panic) => said(panic),
    }
}

fn feed(world: &World, chunk: usize) -> Feed {
    Feed { lines: world.lines.clone(), chunk }
}

fn options(world: &World, dir: &Path) -> NodeOptions {
    let settle_page_bets = world.settle_page_bets;
    NodeOptions { data_dir: Some(dir.into()), durability: Durability::Os, settle_page_bets, ..NodeOptions::default() }
}

/// Everything that a pipeline comes to which nothing happens to.
async fn undisturbed(world: &World) -> String {
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    end(options(world, dir.path()), &feed(world, 400), None).await.expect("nothing disturbs it")
}

async fn live(world: &World, dir: &Path, feed: &Feed, life: Life, bug: Option<Bug>) -> Result<End, Error> {
    let mut faults = life.crash.map_or(Faults::none(), |(point, passes)| Faults::crash_at(point, passes));
    if let Some(bug) = bug {
        faults = faults.and_bug(bug);
    }
    let synced = Arc::new(Mutex::new(None));
    if life.torn.is_some() {
        let (synced, dir) = (synced.clone(), dir.to_owned());
        faults = faults.and_watch(move |point| {
            if point == CrashPoint::BeforeMerge {
                *synced.lock().unwrap_or_else(PoisonError::into_inner) = journal(&dir);
            }
        });
    }
    if let Some(change) = life.reshard {
        reshard(&drive::open(&life.options(world, dir), feed, Faults::none()).await?, change)?;
    }
    let end = match drive::feed_until(&life.options(world, dir), feed, faults, life.until).await {
        Ok(_) => End::Stopped,
        Err(Error::Crashed(_)) => End::Crashed,
        Err(other) => return Err(other),
    };
    if let Some(torn) = life.torn {
        tear(dir, torn, synced.lock().unwrap_or_else(PoisonError::into_inner).take())?;
    }
    check::always(&drive::open(&life.options(world, dir), feed, Faults::none()).await?);
    Ok(end)
}

/// The journal that is written to, and how much of it is; what is reserved and not written is zero.
fn journal(dir: &Path) -> Option<(PathBuf, u64)> {
    let number = |path: &Path| path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
    let paths = std::fs::read_dir(dir.join("store")).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let journals = paths.filter(|path| path.extension().is_some_and(|ending| ending == "jnl"));
    let last = journals.max_by_key(|path| number(path))?;
    let (mut file, mut at, mut written) = (std::fs::File::open(&last).ok()?, 0, 0);
    let mut block = vec![0; BLOCK];
    loop {
        let read = file.read(&mut block).ok()?;
        match block[..read].iter().rposition(|byte| *byte != 0) {
            Some(end) => written = at + end as u64 + 1,
            None => return Some((last, written)),
        }
        at += read as u64;
    }
}

/// Takes the end of the journal away, as far as nobody has waited for it to be on the disk.
fn tear(dir: &Path, torn: Torn, synced: Option<(PathBuf, u64)>) -> std::io::Result<()> {
    let Some((last, written)) = journal(dir) else { return Ok(()) };
    let least = synced.filter(|(path, _)| *path == last).map_or(0, |(_, bytes)| bytes);
    let file = std::fs::OpenOptions::new().write(true).open(&last)?;
    let reserved = file.metadata()?.len();
    file.set_len(written.saturating_sub(torn.bytes).max(least.min(written)))?;
    if torn.zeros {
        file.set_len(reserved)?;
    }
    Ok(())
}

async fn end(options: NodeOptions, feed: &Feed, bug: Option<Bug>) -> Result<String, Error> {
    let faults = bug.map_or(Faults::none(), Faults::with_bug);
    let node = drive::feed(&options, feed, faults).await?;
    check::at_the_end(&node).await;
    dump(&node)
}

/// Changes the stream of bets, where it can be changed so.
fn reshard(node: &Node, change: Reshard) -> Result<(), Error> {
    let mut open: Vec<_> = node.log.shards("bets")?.into_iter().filter(|shard| !shard.closed).collect();
    open.sort_by_key(|shard| shard.range.start);
    let among = open.len() as u64;
    match change {
        Reshard::Split(which) => {
            let shard = &open[(which % among) as usize];
            let middle = shard.range.start + (shard.range.end - shard.range.start) / 2 + 1;
            node.log.split("bets", shard.id, middle).map(drop)
        }
        Reshard::Merge(which) if among > 1 => {
            let at = (which % (among - 1)) as usize;
            let [low, high]: [ShardId; 2] = [open[at].id, open[at + 1].id];
            node.log.merge("bets", low, high).map(drop)
        }
        Reshard::Merge(_) => Ok(()),
    }
}
