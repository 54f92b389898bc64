//! Reading Kinesis streams: by enhanced fan-out, by two applications at once, and while shards come and go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipeline::Result;
use pipeline::adapters::aws::leases::DynamoLeases;
use pipeline::adapters::aws::producer::{Producer, ProducerOptions};
use pipeline::adapters::aws::setup::{self, Missing, StreamSpec};
use pipeline::adapters::aws::shard_reader::{Budget, From, ShardReader, Source};
use pipeline::adapters::aws::unpack::Unpacker;
use pipeline::adapters::aws::{Aws, fanout, streams};
use pipeline::engine::Stop;
use pipeline::lease::coordinator::{Coordinator, ListShards, Settings};
use pipeline::lease::held::{Held, Standing};
use pipeline::lease::sync::StreamKey;
use pipeline::lease::table::LeaseTable;
use pipeline::lease::{Reached, WorkerId};
use pipeline::record::Append;
use pipeline::shard::{HashRange, ShardId};
use serde_json::json;
use tests::cluster::until;
use tests::faults::Proxy;
use tests::{reshard, servers};
use tokio::sync::mpsc;

const STREAM: &str = "records";
const KEYS: u64 = 8;

/// Creates the stream.
async fn create(aws: &Aws, shards: u32) {
    let spec = StreamSpec { name: STREAM.into(), shards: Some(shards) };
    setup::create(aws, &Missing::Stream(spec)).await.unwrap();
}

/// Puts records that are their numbers, some keys in turn.
async fn put(aws: &Aws, numbers: std::ops::Range<u64>) {
    let record = |number: u64| Append::new(format!("key {}", number % KEYS), number.to_string());
    let records: Vec<Append> = numbers.map(record).collect();
    let producer = Producer::new(aws.clone(), ProducerOptions::default());
    assert_eq!(producer.append(STREAM, &records).await.unwrap().missing(), 0);
}

async fn source(aws: &Aws, consumer: Option<String>) -> Source {
    Source {
        aws: aws.clone(),
        stream: STREAM.into(),
        consumer: consumer.map(Into::into),
        budget: Budget::new(16 << 20),
        padding: streams::padding(aws, STREAM).await.unwrap(),
        idle: Duration::from_millis(500),
    }
}

fn number(data: &[u8]) -> u64 {
    std::str::from_utf8(data).unwrap().parse().unwrap()
}

/// Reads so many records of the first shard, within a limit.
async fn read(reader: &mut ShardReader, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    let reading = async {
        while numbers.len() < count {
            let found = reader.next().await.unwrap().found;
            numbers.extend(found.records.iter().map(|record| number(&record.data)));
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("records come");
    numbers
}

fn reader(source: Source) -> ShardReader {
    ShardReader::new(source, ShardId(0), Unpacker { range: HashRange::FULL, secret: None }, From::Oldest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_cut_goes_on_after_the_last_record() {
    let server = servers::ministack();
    let proxy = Proxy::before(&server);
    let (aws, proxied) = (server.account(60), proxy.account(60));
    create(&aws, 1).await;
    let consumer = fanout::register(&aws, STREAM, "workers").await.unwrap();
    assert_eq!(fanout::register(&aws, STREAM, "workers").await.unwrap(), consumer, "it is there already");
    // The initial response and one event; then half of the next, or trouble of the server's own in its place.
    let ends = [json!({"at": 2, "cut": 0.5}), json!({"at": 2, "error": {"code": "InternalFailureException"}})];
    let rule = |end| json!({"operation": "SubscribeToShard", "times": 1, "response": {"event_frames": [end]}});
    proxy.rules(&ends.map(rule)).await;
    put(&aws, 0..20).await;
    let mut reader = reader(source(&proxied, Some(consumer)).await);
    let mut numbers = read(&mut reader, 20).await;
    for first in [20, 40, 60] {
        put(&aws, first..first + 20).await;
        numbers.extend(read(&mut reader, 20).await);
    }
    assert!(matches!(reader, ShardReader::Fanout(_)));
    assert_eq!(in_order(&numbers), (0..80).collect::<Vec<_>>());
    assert_eq!(proxy.fired().await, ["SubscribeToShard"; 2]);
}

/// Every record once, those of one key in the order put; returns them sorted.
fn in_order(numbers: &[u64]) -> Vec<u64> {
    let mut last = BTreeMap::new();
    for number in numbers {
        let before = last.insert(number % KEYS, *number);
        assert!(before < Some(*number), "{number} after {before:?}: {numbers:?}");
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn where_fan_out_is_refused_the_shard_is_polled_and_a_warning_says_so() {
    let said = Said::default();
    let writer = said.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = servers::ministack();
    let aws = server.account(61);
    create(&aws, 1).await;
    let consumer = fanout::register(&aws, STREAM, "workers").await.unwrap();
    let mut reader = reader(source(&aws, Some(consumer.clone())).await);
    put(&aws, 0..10).await;
    let mut numbers = read(&mut reader, 10).await;
    // Whoever tidies up takes the consumer away.
    aws.kinesis.deregister_stream_consumer().consumer_arn(consumer).send().await.unwrap();
    put(&aws, 10..20).await;
    numbers.extend(read(&mut reader, 10).await);
    assert!(matches!(reader, ShardReader::Poll(_)));
    assert_eq!(in_order(&numbers), (0..20).collect::<Vec<_>>());
    let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
    let warning = said.lines().find(|line| line.contains("WARN")).unwrap_or_else(|| panic!("no warning: {said}"));
    assert!(warning.contains("so the shard is polled") && warning.contains("ResourceNotFoundException"), "{warning}");
}

/// An application that reads the stream, with a lease table of its own.
#[derive(Clone)]
struct App {
    streams: Aws,
    leases: LeaseTable,
    key: StreamKey,
    /// What it has read, in the order of reading.
    seen: Arc<Mutex<Vec<u64>>>,
    stop: Stop,
}

impl App {
    async fn new(streams: &Aws, tables: &Aws, leases: &str) -> App {
        let table = DynamoLeases::new(tables.clone(), leases);
        table.create_table().await.unwrap();
        let key = streams::stream_key(streams, STREAM).await.unwrap();
        let (seen, stop) = (Arc::default(), Stop::default());
        App { streams: streams.clone(), leases: LeaseTable::Dynamo(table), key, seen, stop }
    }

    /// One worker of it, until the application stops.
    async fn work(self, me: &str, seed: u64) -> Result<()> {
        let aws = self.streams.clone();
        let list: ListShards = Arc::new(move |stream| {
            let aws = aws.clone();
            Box::pin(async move { streams::shards(&aws, &stream).await })
        });
        let settings = Settings { failover: Duration::from_secs(5), ..Settings::new(WorkerId(me.into()), seed) };
        let coordinator = Coordinator::new(self.leases.clone(), vec![self.key.clone()], list, settings);
        let (sender, mut given) = mpsc::channel(16);
        let sharing = tokio::spawn(coordinator.run(sender, self.stop.clone()));
        let mut shards = Vec::new();
        while let Some(held) = given.recv().await {
            shards.push(tokio::spawn(self.clone().read(held)));
        }
        for shard in shards {
            shard.await.expect("a reader does not panic")?;
        }
        sharing.await.expect("a coordinator does not panic")
    }

    /// Reads a shard until its end, or until somebody else is to have it.
    async fn read(self, held: Held) -> Result<()> {
        let source = source(&self.streams, None).await;
        let listed = streams::shards(&self.streams, STREAM).await?;
        let range = listed.iter().find(|shard| shard.id == held.shard()).unwrap().range;
        let from = match held.lease().await.reached {
            Reached::At(position) => From::After(position),
            _ => From::Oldest,
        };
        let mut reader = ShardReader::new(source, held.shard(), Unpacker { range, secret: None }, from);
        let (mut standing, mut stopped) = (held.standing(), self.stop.watch());
        while *standing.borrow_and_update() == Standing::Owned && !self.stop.is_now() {
            let read = tokio::select! {
                read = reader.next() => read?,
                _ = standing.changed() => continue,
                _ = stopped.changed() => continue,
            };
            self.seen.lock().unwrap().extend(read.found.records.iter().map(|record| number(&record.data)));
            if let Some(last) = read.found.last {
                checkpoint(&held, Reached::At(last)).await?;
            }
            if read.end.is_some() {
                self.finish(&held).await?;
                break;
            }
        }
        held.let_go().await
    }

    /// The children's leases are made, and this one is finished.
    async fn finish(&self, held: &Held) -> Result<()> {
        for shard in streams::shards(&self.streams, STREAM).await? {
            if shard.parents.contains(&held.shard()) {
                held.create(&self.key.lease(&shard, Reached::TrimHorizon)).await?;
            }
        }
        checkpoint(held, Reached::ShardEnd).await
    }

    fn seen(&self) -> Vec<u64> {
        self.seen.lock().unwrap().clone()
    }
}

/// What fails because the lease is asked for is done again.
async fn checkpoint(held: &Held, to: Reached) -> Result<()> {
    let progress = held.lease().await.progress;
    match held.checkpoint(to, progress).await {
        Err(pipeline::Error::Retry(_)) => held.checkpoint(to, progress).await,
        other => other,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_applications_each_read_everything_in_order_while_the_stream_grows_and_shrinks() {
    let (kinesis, others) = (servers::kinesis_local(), servers::ministack());
    let (streams, tables) = (kinesis.account(62), others.account(62));
    create(&streams, 2).await;
    let one = App::new(&streams, &tables, "one").await;
    let other = App::new(&streams, &tables, "other").await;
    let workers = [
        tokio::spawn(one.clone().work("one-a", 1)),
        tokio::spawn(one.clone().work("one-b", 2)),
        tokio::spawn(other.clone().work("other-a", 3)),
    ];
    for (step, shards) in [4, 2, 3, 1].into_iter().enumerate() {
        let first = step as u64 * 80;
        put(&streams, first..first + 40).await;
        reshard::resize(&streams, STREAM, shards).await;
        put(&streams, first + 40..first + 80).await;
    }
    for app in [&one, &other] {
        until("everything is read", 90, async || app.seen().len() >= 320).await;
    }
    one.stop.now();
    other.stop.now();
    for worker in workers {
        worker.await.unwrap().unwrap();
    }
    for app in [&one, &other] {
        assert_eq!(in_order(&app.seen()), (0..320).collect::<Vec<_>>());
    }
}
