//! Closing windows: one worker absorbs every shard's intervals, in the order of their ends, and
//! publishes what the timers then due give.
//!
//! It runs where the first unfinished lease of the stream is held. Its own state is a chain of snapshots by
//! number, each written after what it published, and only if nobody has written that number. Whoever takes
//! over begins by writing the next one: from then on its predecessor, should it still be at work, writes
//! none, and so removes no interval that the successor has not got. What both publish is the same under the
//! same ids, and no row of an earlier moment replaces one of a later.
//!
//! ```text
//! claim: snapshot N ─► the same as N + 1
//! close: intervals until T ─► absorb ─► timers due by T ─► rows, Parquet, events ─► snapshot N + 2 ─► intervals removed
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::intervals::intervals_folder;
use super::patience::LONGEST;
use super::{Fleet, emit};
use crate::clock::Arrival;
use crate::engine::Stop;
use crate::error::{Error, Result};
use crate::fault::CrashPoint;
use crate::job::Job;
use crate::lease::WorkerId;
use crate::metrics::Metric;
use crate::record::Position;
use crate::window::backfill::{Backfill, Delivered};
use crate::window::export;
use crate::window::snapshots::{self, Snapshots};
use crate::window::times::WindowSettings;
use crate::window::windows::WindowRows;

/// How often a closer looks whether the shards have come further.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

/// Closes a job's windows, while this worker is the one to do it. What fails is tried again: windows must not
/// stand still for as long as this worker lives.
pub async fn run<J: Job>(fleet: Arc<Fleet<J>>, me: WorkerId, stop: Stop) -> Result<()> {
    let stream = fleet.log.name(fleet.stream());
    let mut stopped = stop.watch();
    let mut closers: Option<Vec<Closer>> = None;
    while !stop.is_now() {
        let pause = match step(&fleet, &stream, &me, &mut closers).await {
            Ok(()) => LOOK,
            Err(crash @ Error::Crashed(_)) => return Err(crash),
            Err(error) => {
                closers = None;
                if let Error::Retry(why) = error {
                    tracing::warn!("closing windows: {why}");
                    LOOK
                } else {
                    tracing::error!("closing windows: {error}");
                    LONGEST
                }
            }
        };
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            _ = stopped.changed() => {}
        }
    }
    Ok(())
}

async fn step<J: Job>(fleet: &Fleet<J>, stream: &str, me: &WorkerId, closers: &mut Option<Vec<Closer>>) -> Result<()> {
    if !fleet.frontiers.leads(stream, me).await? {
        *closers = None;
        return Ok(());
    }
    let frontier = fleet.frontiers.of(stream).await?;
    if closers.is_none() {
        let mut loaded = Vec::new();
        for settings in fleet.windows.iter() {
            loaded.push(Closer::claim(fleet, settings).await?);
        }
        *closers = Some(loaded);
    }
    for closer in closers.iter_mut().flatten() {
        closer.close(fleet, frontier).await?;
    }
    Ok(())
}

/// The closer of one window job.
struct Closer {
    settings: WindowSettings,
    states: Backfill,
    kept: Snapshots,
    /// The number of the last snapshot, which is this closer's.
    number: u64,
    folder: Path,
}

impl Closer {
    /// Takes over from whoever closed windows before.
    async fn claim<J: Job>(fleet: &Fleet<J>, settings: &WindowSettings) -> Result<Closer> {
        let folder = fleet.folder.clone().join("closer").join(settings.spec.name.as_str());
        let kept = Snapshots::new(fleet.states.clone(), folder, settings.plan.clone());
        let all = i64::MIN..i64::MAX;
        // Before the states: whatever is written after it makes the claim fail.
        let number = kept.newest().await?.and_then(Position::as_u64).unwrap_or(0);
        let states = match kept.latest(Position::MAX).await? {
            Some((_, snapshot)) => Backfill::restore(settings.clone(), all, snapshot),
            None => Backfill::new(settings.clone(), all),
        };
        let folder = intervals_folder(&fleet.folder, &settings.spec.name);
        let mut closer = Closer { settings: settings.clone(), states, kept, number, folder };
        closer.keep().await?;
        Ok(closer)
    }

    /// Writes the next snapshot.
    async fn keep(&mut self) -> Result<()> {
        let (next, snapshot) = (self.number + 1, self.states.snapshot()?);
        if !self.kept.create(Position::new(next.into()), &snapshot).await? {
            let name = &self.settings.spec.name;
            return Err(Error::Retry(format!("windows {name}: another worker closes them")));
        }
        self.number = next;
        Ok(())
    }

    /// Takes in every interval that ended by `frontier`, and publishes what is due by then.
    async fn close<J: Job>(&mut self, fleet: &Fleet<J>, frontier: Arrival) -> Result<()> {
        if frontier <= self.states.frontier() {
            return Ok(());
        }
        let ended = self.ended(&fleet.states, frontier).await?;
        let mut given = Vec::new();
        for (until, paths) in &ended {
            if *until <= self.states.frontier() {
                continue;
            }
            // What is due before does not see it.
            given.extend(self.states.deliver(until.plus_ms(-1))?);
            for path in paths {
                let part = snapshots::get(&fleet.states, path, &self.settings.plan, Position::START).await?;
                self.states.absorb(part)?;
            }
            given.extend(self.states.deliver(*until)?);
        }
        given.extend(self.states.deliver(frontier)?);
        if given.is_empty() && ended.is_empty() {
            return Ok(());
        }
        for delivered in given {
            self.publish(fleet, delivered).await?;
        }
        fleet.faults.reach(CrashPoint::AfterExport)?;
        self.keep().await?;
        for path in ended.into_values().flatten() {
            remove(&fleet.states, &path).await?;
        }
        Ok(())
    }

    /// The intervals that ended by a moment, by their ends.
    async fn ended(&self, store: &Arc<dyn ObjectStore>, by: Arrival) -> Result<BTreeMap<Arrival, Vec<Path>>> {
        let listed: Vec<_> = store.list(Some(&self.folder)).try_collect().await.map_err(unavailable)?;
        let mut ended = BTreeMap::<Arrival, Vec<Path>>::new();
        for object in listed {
            let until = object.location.parts().rev().nth(1);
            let until = until.and_then(|part| part.as_ref().strip_prefix("until-")?.parse().ok()).map(Arrival);
            if let Some(until) = until.filter(|until| *until <= by) {
                ended.entry(until).or_default().push(object.location);
            }
        }
        ended.values_mut().for_each(|paths| paths.sort());
        Ok(ended)
    }

    async fn publish<J: Job>(&self, fleet: &Fleet<J>, delivered: Delivered) -> Result<()> {
        let Delivered { all, changed, is_final } = delivered;
        fleet.metrics.add(Metric::WindowRevisions, changed.rows.num_rows() as u64);
        // A final window's rows say so, also those that did not change.
        fleet
            .tables
            .put_results(fleet.results, if is_final { &all } else { &changed }, self.settings.plan.key_columns())
            .await?;
        if is_final && self.settings.parquet {
            self.export(fleet, &all).await?;
        }
        emit(&fleet.log, &fleet.metrics, fleet.job.publish(&changed)?).await
    }

    async fn export<J: Job>(&self, fleet: &Fleet<J>, all: &WindowRows) -> Result<()> {
        let (path, bytes) = export::encode(&self.settings, all)?;
        let path = Path::from(format!("{}/parquet/{path}", fleet.folder));
        fleet.states.put(&path, bytes.into()).await.map_err(unavailable)?;
        Ok(())
    }
}

async fn remove(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<()> {
    match store.delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(cause) => Err(unavailable(cause)),
    }
}

fn unavailable(cause: object_store::Error) -> Error {
    Error::Retry(format!("object storage: {cause}"))
}
