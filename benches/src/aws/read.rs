//! CPU time of reading Kinesis by polling, a record: our readers beside a bare loop on AWS' SDK that
//! counts and does nothing else, on the same records, one after the other.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use bytes::Bytes;
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::kpl::Aggregate;
use pipeline::adapters::aws::shard_reader::{Budget, From, ShardReader, Source};
use pipeline::adapters::aws::unpack::Unpacker;
use pipeline::shard::{Shard, hash_key};
use schemas::bet::Bet;
use schemas::codec::Event;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use super::server::{Kinesis, create, put_all, source};
use super::{Numbers, verdict};
use crate::usage::cpu_seconds;
use crate::{Work, median};

/// Records of an aggregate.
const AGGREGATE: usize = 100;
/// As `jobs::cluster` has it.
const READ_BYTES: usize = 192 << 20;

/// What a run read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    /// Of Kinesis.
    records: u64,
    /// Of data.
    bytes: u64,
    /// Records that are in them; a bare loop does not know.
    parts: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.parts += other.parts;
    }
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Ours,
    OursDecoding,
    Bare,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Reader::Ours => "ours",
            Reader::OursDecoding => "ours, bets decoded",
            Reader::Bare => "bare SDK loop",
        })
    }
}

const READERS: [Reader; 3] = [Reader::Ours, Reader::Bare, Reader::OursDecoding];

pub fn run(numbers: &Numbers) {
    let (records, aggregated) = (numbers.of("records", 600_000), numbers.of("aggregated", 1_200_000));
    let (shards, runs) = (numbers.of("shards", 16), numbers.of("runs", 3));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = Kinesis::start();
    runtime.block_on(async {
        println!(
            "CPU of reading Kinesis by polling, {shards} shards, plain HTTP; medians of {runs} runs, taken in turn"
        );
        for (stream, count, asked) in [("single", records, 4.0), ("aggregated", aggregated, 1.5)] {
            let aws = server.aws();
            let shards = create(&aws, stream, shards).await;
            let filled = if stream == "single" {
                fill_single(&aws, stream, count).await
            } else {
                fill_aggregated(&aws, stream, count, &shards).await
            };
            let source = source(&aws, stream, Budget::new(READ_BYTES)).await;
            measure(&source, &shards, filled, runs, asked).await;
        }
    });
}

/// Bets and their keys: of the question's, but many a question, or the shard of the most popular one would
/// be read long after the others.
fn bets(count: u64) -> impl Iterator<Item = (String, Bytes)> {
    let work = Work { count, questions: 10_000, bettors: 200_000, hours: 1, batch: 0, buffer: 0 };
    let bets = work.lines().filter(|line| line.stream == "bets").enumerate();
    bets.map(|(number, line)| (format!("{}/{}", line.partition_key, number % 64), line.bytes.into()))
}

fn entry(key: String, data: Vec<u8>) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data)).build().unwrap()
}

/// A record a bet.
async fn fill_single(aws: &Aws, stream: &str, count: u64) -> Counts {
    let bytes = bets(count).map(|(_, data)| data.len() as u64).sum();
    put_all(aws, stream, 500, bets(count).map(|(key, data)| entry(key, data.into()))).await;
    Counts { records: count, bytes, parts: count }
}

/// Aggregates, each of one shard's bets as a producer makes them.
async fn fill_aggregated(aws: &Aws, stream: &str, count: u64, shards: &[Shard]) -> Counts {
    let (mut filled, mut open, mut ready) = (Counts::default(), BTreeMap::<usize, (String, Aggregate)>::new(), vec![]);
    let mut close = |(key, aggregate): (String, Aggregate)| {
        let data = aggregate.finish();
        filled += Counts { records: 1, bytes: data.len() as u64, parts: 0 };
        ready.push(entry(key, data.into()));
    };
    for (key, data) in bets(count) {
        let hash = hash_key(key.as_bytes(), None);
        let at = shards.iter().position(|shard| shard.range.owns(hash)).unwrap();
        // The first record's key brings the aggregate to its shard.
        let (_, aggregate) = open.entry(at).or_insert_with(|| (key.clone(), Aggregate::default()));
        aggregate.add(&key, None, data, Vec::new());
        if aggregate.len() == AGGREGATE {
            open.remove(&at).into_iter().for_each(&mut close);
        }
    }
    open.into_values().for_each(&mut close);
    put_all(aws, stream, 100, ready.into_iter()).await;
    Counts { parts: count, ..filled }
}

async fn measure(source: &Source, shards: &[Shard], filled: Counts, runs: u64, asked: f64) {
    let mut micros = [(); READERS.len()].map(|()| Vec::new());
    for _ in 0..runs {
        for (at, reader) in READERS.into_iter().enumerate() {
            let before = cpu_seconds();
            let read = read(reader, source, shards).await;
            micros[at].push((cpu_seconds() - before) * 1e6 / filled.parts as f64);
            let known = if reader == Reader::Bare { Counts { parts: 0, ..filled } } else { filled };
            assert_eq!(read, known, "{reader} must read everything once");
        }
    }
    let (parts, bytes) = (filled.parts, filled.bytes / filled.parts);
    println!(
        "\n{:<24}{:>10}{:>18}   {parts} bets of {bytes} bytes in {} records",
        source.stream, "µs a bet", "of the bare loop", filled.records
    );
    let micros = micros.map(|mut micros| median(&mut micros));
    for (reader, each) in READERS.into_iter().zip(micros) {
        println!("{reader:<24}{each:>10.2}{:>17.2}×", each / micros[1]);
    }
    println!("asked: less than {asked} µs: {}", verdict(micros[0] < asked));
}

/// Reads every shard until nothing more comes.
async fn read(reader: Reader, source: &Source, shards: &[Shard]) -> Counts {
    let mut tasks = JoinSet::new();
    for shard in shards.iter().cloned() {
        let source = source.clone();
        match reader {
            Reader::Bare => tasks.spawn(read_bare(source, shard)),
            _ => tasks.spawn(read_ours(source, shard, reader == Reader::OursDecoding)),
        };
    }
    let mut sum = Counts::default();
    tasks.join_all().await.into_iter().for_each(|counts| sum += counts);
    sum
}

async fn read_ours(source: Source, shard: Shard, decode: bool) -> Counts {
    let unpacker = Unpacker { range: shard.range, secret: None };
    let mut reader = ShardReader::new(source, shard.id, unpacker, From::Oldest);
    let mut counts = Counts::default();
    loop {
        let found = reader.next().await.unwrap().found;
        assert!(found.refused.is_empty(), "every record is in its shard");
        if found.bytes == 0 {
            return counts;
        }
        let records = found.records.iter().filter(|record| record.position.sub() == 0).count() as u64;
        counts += Counts { records, bytes: found.bytes as u64, parts: found.records.len() as u64 };
        if decode {
            let good = found.records.iter().filter(|record| Bet::decode(&record.data).is_ok()).count();
            assert_eq!(good, found.records.len());
        }
    }
}

/// What a user would write.
async fn read_bare(source: Source, shard: Shard) -> Counts {
    let kinesis = &source.aws.kinesis;
    let request = kinesis.get_shard_iterator().stream_name(&*source.stream).shard_id(shard.id.to_string());
    let answer = request.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let mut iterator = answer.shard_iterator;
    let mut counts = Counts::default();
    loop {
        let answer = kinesis.get_records().set_shard_iterator(iterator).send().await.unwrap();
        if answer.records.is_empty() {
            return counts;
        }
        let bytes: usize = answer.records.iter().map(|record| record.data.as_ref().len()).sum();
        counts += Counts { records: answer.records.len() as u64, bytes: bytes as u64, parts: 0 };
        iterator = answer.next_shard_iterator;
        sleep(Duration::from_millis(200)).await;
    }
}
