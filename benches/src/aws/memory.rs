//! Peak memory of a process that reads many shards while whoever takes the records is slow.
//!
//! Readers share the budget that `jobs::cluster` gives a worker, and each has, as a shard's worker does, a
//! read in hand, one that waits and one that is on its way. What a worker keeps besides (rows, sums,
//! window states) is not here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::shard_reader::{Budget, From, ShardReader, Source};
use pipeline::adapters::aws::unpack::Unpacker;
use pipeline::shard::Shard;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::server::{Kinesis, create, put_all, source};
use super::{Numbers, verdict};
use crate::usage::Meter;

/// As `jobs::cluster` has it.
const READ_BYTES: usize = 192 << 20;
const SMALL_BYTES: usize = 250;
const LARGE_BYTES: usize = 1 << 20;
const ASKED_MIB: u64 = 512;

pub fn run(numbers: &Numbers) {
    let (shards, small) = (numbers.of("shards", 500), numbers.of("small", 1_000));
    let slow = Duration::from_millis(numbers.of("slow-ms", 500));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!(
        "peak memory of reading {shards} shards with {small} records of {SMALL_BYTES} bytes each, some of 1 MiB among them; each read is held {} ms",
        slow.as_millis()
    );
    println!("{:<24}{:>12}{:>10}{:>12}{:>12}{:>10}", "records", "count", "MiB", "reads held", "peak MiB", "seconds");
    // Large records amid the small ones: so many in a row, in every so-manieth shard. Nine and the small
    // ones are all that Kinesis puts into one answer.
    let bursts = ("bursts of large", 9, numbers.of("burst-every", 4) as usize);
    let mut most = 0;
    for (name, in_a_row, every) in [("small", 0, 1), ("small and some large", 1, 2), bursts] {
        // Each from a server of its own: the records of the last one are gone.
        let server = Kinesis::start();
        let peak = runtime.block_on(async {
            let (aws, stream) = (server.aws(), "memory");
            let all = create(&aws, stream, shards).await;
            let large: Vec<&Shard> = all.iter().step_by(every).filter(|_| in_a_row > 0).collect();
            fill(&aws, stream, &all, &large, small as usize, in_a_row).await;
            let source = source(&aws, stream, Budget::new(READ_BYTES)).await;
            let expected = (
                all.len() as u64 * small + (large.len() * in_a_row) as u64,
                all.len() as u64 * small * SMALL_BYTES as u64 + (large.len() * in_a_row * LARGE_BYTES) as u64,
            );
            let (begun, meter, held) = (Instant::now(), Meter::start(), Arc::new(Held::default()));
            let mut tasks = JoinSet::new();
            for shard in all {
                tasks.spawn(drain(source.clone(), shard, slow, held.clone()));
            }
            let read = tasks.join_all().await.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            let peak = meter.stop(1).peak_mib;
            assert_eq!(read, expected, "every record is read once");
            let (most, seconds) = (held.most.load(Ordering::Relaxed), begun.elapsed().as_secs_f64());
            println!("{name:<24}{:>12}{:>10}{most:>12}{peak:>12}{seconds:>10.1}", read.0, read.1 >> 20);
            peak
        });
        most = most.max(peak);
    }
    println!("asked: at most {ASKED_MIB} MiB: {}", verdict(most <= ASKED_MIB));
}

/// Half of the small records, then the large ones, then the other half.
async fn fill(aws: &Aws, stream: &str, all: &[Shard], large: &[&Shard], small: usize, in_a_row: usize) {
    let record = |shard: &Shard, bytes: usize| {
        let entry = PutRecordsRequestEntry::builder().partition_key("k").data(Blob::new(vec![b'x'; bytes]));
        entry.explicit_hash_key(shard.range.start.to_string()).build().unwrap()
    };
    let half = |count: usize| all.iter().flat_map(move |shard| (0..count).map(move |_| record(shard, SMALL_BYTES)));
    put_all(aws, stream, 500, half(small / 2)).await;
    put_all(aws, stream, 4, large.iter().flat_map(|shard| (0..in_a_row).map(|_| record(shard, LARGE_BYTES)))).await;
    put_all(aws, stream, 500, half(small - small / 2)).await;
}

/// Reads that are held, in all shards together.
#[derive(Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Reads a shard to its end, one read ahead, as slowly as whoever takes the records; returns how many
/// records and bytes there were.
async fn drain(source: Source, shard: Shard, slow: Duration, held: Arc<Held>) -> (u64, u64) {
    let unpacker = Unpacker { range: shard.range, secret: None };
    let mut reader = ShardReader::new(source, shard.id, unpacker, From::Oldest);
    let (sender, mut reads) = mpsc::channel(1);
    let reading = tokio::spawn(async move { while sender.send(reader.next().await.unwrap()).await.is_ok() {} });
    let mut sum = (0, 0);
    loop {
        let read = reads.recv().await.unwrap();
        if read.found.bytes == 0 {
            reading.abort();
            return sum;
        }
        held.most.fetch_max(held.now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        sleep(slow).await;
        held.now.fetch_sub(1, Ordering::Relaxed);
        sum = (sum.0 + read.found.records.len() as u64, sum.1 + read.found.bytes as u64);
    }
}
