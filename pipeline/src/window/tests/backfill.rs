//! Windows computed again: any cut of the rows, with a stop and a restart from a snapshot anywhere,
//! gives the same bytes; so do shards that come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, TimestampMillisecondArray};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::{LENGTH_MS, QUERY, Random, Reading, batch, readings, schema, spec};
use crate::clock::Arrival;
use crate::record::Position;
use crate::window::backfill::Backfill;
use crate::window::schedule::ALL;
use crate::window::snapshot::Snapshot;
use crate::window::snapshots::Snapshots;
use crate::window::state;
use crate::window::times::{Late, WindowSettings};
use crate::window::{WindowPlan, WindowSpec};

const MINUTE_MS: i64 = 60_000;

/// A window job; a hop of a part of the length makes it a hopping one.
fn settings(hop_ms: i64, late: Late, early_ms: Option<i64>) -> WindowSettings {
    let spec = WindowSpec { hop_ms, ..spec(QUERY) };
    let plan = Arc::new(WindowPlan::compile(&spec, schema()).unwrap());
    let (disorder_ms, lateness_ms) = (30_000, 10 * MINUTE_MS);
    WindowSettings { spec, plan, disorder_ms, lateness_ms, late, early_ms, parquet: false }
}

/// Rows with the times of their decisions: a tenth come after their window's close, some of them too late.
fn decided(seed: u64, count: usize) -> Vec<(i64, Reading)> {
    let mut random = Random(seed);
    let delay = |random: &mut Random| match random.below(10) {
        0 => random.below(20 * 60_000),
        _ => random.below(30_000),
    };
    let mut rows: Vec<_> = readings(seed, count, 40, true)
        .into_iter()
        .map(|row| (row.event_time + delay(&mut random) as i64, row))
        .collect();
    rows.sort_by_key(|(at, _)| *at);
    rows
}

fn columns(rows: &[(i64, Reading)]) -> (RecordBatch, TimestampMillisecondArray) {
    let readings: Vec<Reading> = rows.iter().map(|(_, row)| *row).collect();
    (batch(&readings), TimestampMillisecondArray::from_iter_values(rows.iter().map(|(at, _)| *at)))
}

/// The bytes of every final window, by its start.
type Bytes = BTreeMap<i64, Vec<u8>>;

fn keep(windows: Vec<crate::window::windows::WindowRows>, out: &mut Bytes) {
    for window in windows {
        assert!(out.insert(window.start_ms, state::encode(&window.rows).unwrap()).is_none(), "final twice");
    }
}

fn straight(settings: &WindowSettings, rows: &[(i64, Reading)]) -> Bytes {
    let (mut fold, mut out) = (Backfill::new(settings.clone(), ALL), Bytes::new());
    let (columns, times) = columns(rows);
    keep(fold.take(&columns, &times).unwrap(), &mut out);
    keep(fold.pass_to(Arrival::MAX).unwrap(), &mut out);
    out
}

#[tokio::test]
async fn any_cut_with_a_restart_anywhere_gives_the_same_bytes() {
    for (seed, hop, late, early) in [
        (1, LENGTH_MS, Late::Update, None),
        (2, LENGTH_MS, Late::Side, None),
        (3, LENGTH_MS, Late::Drop, Some(MINUTE_MS)),
        (4, MINUTE_MS, Late::Update, Some(MINUTE_MS)),
        (5, MINUTE_MS, Late::Drop, None),
    ] {
        let settings = settings(hop, late, early);
        let rows = decided(seed, 3_000);
        let expected = straight(&settings, &rows);
        assert!(expected.len() > 5, "seed {seed}");
        for way in 0..4 {
            assert_eq!(interrupted(&settings, &rows, &mut Random(seed << 8 | way)).await, expected, "{seed} {way}");
        }
    }
}

/// Takes rows in random batches; between two moments, some of the time, goes on from a snapshot.
async fn interrupted(settings: &WindowSettings, rows: &[(i64, Reading)], random: &mut Random) -> Bytes {
    let snapshots = Snapshots::new(Arc::new(InMemory::new()), Path::from("w"), settings.plan.clone());
    let (mut fold, mut out) = (Backfill::new(settings.clone(), ALL), Bytes::new());
    let mut rest = rows;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(1 + random.below(rest.len().min(400) as u64) as usize);
        let (columns, times) = columns(head);
        keep(fold.take(&columns, &times).unwrap(), &mut out);
        let next = tail.first().map(|(at, _)| *at);
        if let Some(next) = next.filter(|next| head.last().is_some_and(|(last, _)| last < next) && random.below(3) == 0)
        {
            keep(fold.pass_to(Arrival(next)).unwrap(), &mut out);
            let position = Position::new(next as u128);
            snapshots.write(position, &fold.snapshot().unwrap()).await.unwrap();
            let (found, snapshot) = snapshots.latest(Position::MAX).await.unwrap().unwrap();
            assert_eq!((found, snapshot.frontier), (position, Arrival(next)));
            fold = Backfill::restore(settings.clone(), ALL, snapshot);
        }
        rest = tail;
    }
    keep(fold.pass_to(Arrival::MAX).unwrap(), &mut out);
    out
}

#[test]
fn only_the_windows_asked_for_come_and_whole() {
    for hop in [LENGTH_MS, MINUTE_MS] {
        let settings = settings(hop, Late::Update, None);
        let rows = decided(6, 2_000);
        let all = straight(&settings, &rows);
        let starts: Vec<i64> = all.keys().copied().collect();
        let wanted = starts[2]..starts[5];
        let (mut fold, mut out) = (Backfill::new(settings.clone(), wanted.clone()), Bytes::new());
        let (columns, times) = columns(&rows);
        keep(fold.take(&columns, &times).unwrap(), &mut out);
        keep(fold.pass_to(Arrival::MAX).unwrap(), &mut out);
        assert_eq!(out, all.into_iter().filter(|(start, _)| wanted.contains(start)).collect());
        assert_eq!(fold.open_windows(), 0);
    }
}

#[test]
fn rows_that_come_before_what_is_folded_are_refused() {
    let settings = settings(LENGTH_MS, Late::Update, None);
    let rows = decided(7, 10);
    let mut fold = Backfill::new(settings, ALL);
    fold.pass_to(Arrival(rows[9].0)).unwrap();
    let (columns, times) = columns(&rows[..1]);
    assert!(fold.take(&columns, &times).unwrap_err().to_string().contains("rows must come as they were decided"));
}

/// Shards split and merge, workers take over each other's from their snapshots; a window's rows are
/// finished from the states of all shards that there ever were.
#[tokio::test]
async fn rescaling_needs_no_migration() {
    // Nothing closes before the end.
    let settings =
        WindowSettings { disorder_ms: 1 << 40, lateness_ms: 1 << 40, ..settings(LENGTH_MS, Late::Update, None) };
    let rows = decided(8, 3_000);
    let finish = |states: BTreeMap<i64, Vec<RecordBatch>>| -> Bytes {
        let result = |(start, states): (i64, Vec<RecordBatch>)| (start, settings.plan.finish(start, &states).unwrap());
        states.into_iter().map(result).map(|(start, rows)| (start, state::encode(&rows).unwrap())).collect()
    };
    let mut whole = Backfill::new(settings.clone(), ALL);
    let (all, times) = columns(&rows);
    whole.take(&all, &times).unwrap();
    let expected =
        finish(whole.snapshot().unwrap().panes.into_iter().map(|(pane, state)| (pane, vec![state])).collect());
    for seed in 0..4 {
        let mut random = Random(seed);
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let of = |shard: u64| Snapshots::new(store.clone(), Path::from(format!("bets/{shard}")), settings.plan.clone());
        let (mut open, mut next) = (vec![0, 1], 2u64);
        for (epoch, rows) in rows.chunks(500).enumerate() {
            let mut parts: BTreeMap<u64, Vec<(i64, Reading)>> = BTreeMap::new();
            for row in rows {
                parts.entry(open[random.below(open.len() as u64) as usize]).or_default().push(*row);
            }
            for (shard, rows) in parts {
                // Another worker each time.
                let snapshot = of(shard).latest(Position::MAX).await.unwrap().map(|(_, snapshot)| snapshot);
                let mut fold = Backfill::restore(settings.clone(), ALL, snapshot.unwrap_or_default());
                let (columns, times) = columns(&rows);
                fold.take(&columns, &times).unwrap();
                of(shard).write(Position::new(epoch as u128 + 1), &fold.snapshot().unwrap()).await.unwrap();
            }
            // A split, or a merge: parents are closed, children begin with nothing.
            let close = if random.below(2) == 0 { 1 } else { open.len().min(2) };
            open.drain(..close);
            open.extend(next..next + 3 - close as u64);
            next += 3 - close as u64;
        }
        let mut states: BTreeMap<i64, Vec<RecordBatch>> = BTreeMap::new();
        for shard in 0..next {
            let snapshot = of(shard).latest(Position::MAX).await.unwrap().map(|(_, snapshot)| snapshot);
            for (pane, state) in snapshot.unwrap_or_default().panes {
                states.entry(pane).or_default().push(state);
            }
        }
        assert_eq!(finish(states), expected, "seed {seed}");
    }
}

fn snapshot(settings: &WindowSettings, seed: u64) -> Snapshot {
    let mut fold = Backfill::new(settings.clone(), ALL);
    let (columns, times) = columns(&decided(seed, 500));
    fold.take(&columns, &times).unwrap();
    fold.snapshot().unwrap()
}

#[tokio::test]
async fn a_torn_or_missing_snapshot_falls_back_to_the_one_before() {
    let settings = settings(LENGTH_MS, Late::Update, None);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let snapshots = Snapshots::new(store.clone(), Path::from("w"), settings.plan.clone());
    assert!(snapshots.latest(Position::MAX).await.unwrap().is_none());
    let (first, second) = (snapshot(&settings, 1), snapshot(&settings, 2));
    // As text, 10 would come before 9.
    let [before, after] = [Position::new(9).with_sub(11), Position::new(10).with_sub(4)];
    snapshots.write(before, &first).await.unwrap();
    let name = snapshots.write(after, &second).await.unwrap();
    assert_eq!(snapshots.latest(Position::MAX).await.unwrap(), Some((after, second.clone())));
    assert_eq!(snapshots.latest(before).await.unwrap(), Some((before, first.clone())));
    assert!(snapshots.latest(Position::new(8)).await.unwrap().is_none());

    let path = Path::from("w").join(name.as_str());
    let whole = store.get(&path).await.unwrap().bytes().await.unwrap();
    let mut flipped = whole.to_vec();
    flipped[whole.len() / 2] ^= 1;
    for torn in [Vec::new(), whole[..7].to_vec(), whole[..whole.len() - 1].to_vec(), flipped] {
        store.put(&path, PutPayload::from(torn)).await.unwrap();
        assert_eq!(snapshots.latest(Position::MAX).await.unwrap(), Some((before, first.clone())));
    }
    store.delete(&path).await.unwrap();
    assert_eq!(snapshots.latest(Position::MAX).await.unwrap(), Some((before, first.clone())));
    // Under another position's name it is none.
    store.put(&path, PutPayload::from(whole)).await.unwrap();
    store.copy(&path, &Path::from("w").join(name.replace("10-", "11-").as_str())).await.unwrap();
    assert_eq!(snapshots.latest(Position::MAX).await.unwrap(), Some((after, second)));
}

#[tokio::test]
async fn snapshots_of_other_sql_are_passed_over() {
    let settings = settings(LENGTH_MS, Late::Update, None);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let ours = Snapshots::new(store.clone(), Path::from("w"), settings.plan.clone());
    ours.write(Position::new(1), &snapshot(&settings, 1)).await.unwrap();
    let other = Arc::new(super::plan(&QUERY.replace("max(value)", "min(weight)")));
    assert!(Snapshots::new(store, Path::from("w"), other).latest(Position::MAX).await.unwrap().is_none());
}

#[tokio::test]
async fn what_no_one_can_need_is_removed() {
    let settings = settings(LENGTH_MS, Late::Update, None);
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let snapshots = Snapshots::new(store.clone(), Path::from("w"), settings.plan.clone());
    store.put(&Path::from("w/notes.txt"), PutPayload::from_static(b"ours")).await.unwrap();
    // A successor is ahead; a stale owner must not remove what it wrote.
    for position in [100, 7, 8, 9, 9] {
        snapshots.write(Position::new(position), &Snapshot::default()).await.unwrap();
    }
    for (until, expected) in [(100, Some(100)), (99, Some(9)), (8, Some(8)), (7, None)] {
        let found = snapshots.latest(Position::new(until)).await.unwrap().map(|(position, _)| position);
        assert_eq!(found, expected.map(Position::new), "{until}");
    }
    snapshots.clear().await.unwrap();
    assert!(snapshots.latest(Position::MAX).await.unwrap().is_none());
    assert!(store.head(&Path::from("w/notes.txt")).await.is_ok());
}

#[tokio::test]
async fn of_two_that_go_on_from_the_same_snapshot_one_succeeds() {
    let settings = settings(LENGTH_MS, Late::Update, None);
    let snapshots = Snapshots::new(Arc::new(InMemory::new()), Path::from("w"), settings.plan.clone());
    let (empty, other) = (Snapshot::default(), snapshot(&settings, 1));
    let create = async |number, snapshot| snapshots.create(Position::new(number), snapshot).await.unwrap();
    assert!(create(1, &empty).await && create(2, &empty).await);
    assert!(!create(2, &other).await, "somebody was there before");
    assert_eq!(snapshots.latest(Position::MAX).await.unwrap(), Some((Position::new(2), empty.clone())));
    assert!(create(3, &empty).await && create(4, &empty).await);
    // The numbers of the first ones are free again: whoever slept since is not the newest for that.
    assert!(!create(1, &other).await && !create(2, &other).await);
    assert!(create(5, &other).await);
    assert_eq!(snapshots.newest().await.unwrap(), Some(Position::new(5)));
}
