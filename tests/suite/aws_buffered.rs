//! The producer with a queue in front: what it takes is in the stream in order when it is closed, or comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use pipeline::Error;
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::buffered::BufferedProducer;
use pipeline::adapters::aws::log::KinesisLog;
use pipeline::adapters::aws::producer::{Producer, ProducerOptions};
use pipeline::adapters::aws::setup::{self, Missing, StreamSpec};
use pipeline::record::{Append, MAX_RECORD_BYTES, Position};
use tests::faults::{Proxy, Trouble};
use tests::{reshard, servers};

const STREAM: &str = "records";
/// Requests that meet trouble where it does not pass.
const ALL: u32 = 1_000_000;
/// Bytes that a record of these tests counts in a queue.
const COUNTED: usize = 110;

async fn create(aws: &Aws) {
    let spec = StreamSpec { name: STREAM.into(), shards: Some(2) };
    setup::create(aws, &Missing::Stream(spec)).await.unwrap();
}

/// A record of ten bytes with its key.
fn record(number: u64) -> Append {
    Append::new(format!("key-{}", number % 7), format!("{number:05}"))
}

fn producer(aws: &Aws, bytes: usize) -> BufferedProducer {
    let options = ProducerOptions { give_up_after: Duration::from_millis(500), ..ProducerOptions::default() };
    BufferedProducer::new(Producer::new(aws.clone(), options), STREAM, bytes)
}

/// What is in the stream, by key in order, repeats of the record before left out.
async fn stored(aws: &Aws) -> BTreeMap<String, Vec<String>> {
    let log = KinesisLog::new(aws.clone(), "", ProducerOptions::default());
    let mut by_key = BTreeMap::<String, Vec<String>>::new();
    for shard in log.shards(STREAM).await.unwrap() {
        let chunk = log.read(STREAM, shard.id, Position::START, usize::MAX).await.unwrap();
        for record in chunk.records {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            by_key.entry(text(&record.partition_key)).or_default().push(text(&record.data));
        }
    }
    by_key.values_mut().for_each(Vec::dedup);
    by_key
}

fn sent(count: u64) -> BTreeMap<String, Vec<String>> {
    let mut by_key = BTreeMap::<String, Vec<String>>::new();
    for number in 0..count {
        by_key.entry(format!("key-{}", number % 7)).or_default().push(format!("{number:05}"));
    }
    by_key
}

/// Whatever passes: closed, everything is acknowledged and in order.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_in_the_stream_in_order_when_it_is_closed() {
    let server = servers::ministack();
    let proxy = Proxy::before(&server);
    for (number, trouble) in [None].into_iter().chain(Trouble::ALL.map(Some)).enumerate() {
        let (aws, proxied) = (server.account(70 + number as u64), proxy.account(70 + number as u64));
        create(&aws).await;
        // More than the client tries by itself.
        let rule = trouble.map(|trouble| trouble.rule(Some("PutRecords"), 4));
        proxy.rules(rule.as_slice()).await;
        let producer = BufferedProducer::new(Producer::new(proxied, ProducerOptions::default()), STREAM, 1 << 20);
        for number in 0..700 {
            producer.send(record(number)).await.unwrap();
        }
        let report = producer.close().await;
        assert_eq!((report.acknowledged, report.unacknowledged.len()), (700, 0), "{trouble:?}: {report:?}");
        assert_eq!(report.trouble, None, "{trouble:?}");
        assert_eq!(stored(&aws).await, sent(700), "{trouble:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_no_more_than_it_may_hold() {
    let server = servers::ministack();
    let proxy = Proxy::before(&server);
    let (aws, proxied) = (server.account(80), proxy.account(80));
    create(&aws).await;
    proxy.rules(&[Trouble::Throttle.rule(Some("PutRecords"), ALL)]).await;
    let producer = BufferedProducer::new(Producer::new(proxied, ProducerOptions::default()), STREAM, 10 * COUNTED);
    for number in 0..10 {
        producer.send(record(number)).now_or_never().expect("there is room").unwrap();
    }
    let mut next = Box::pin(producer.send(record(10)));
    assert!((&mut next).now_or_never().is_none(), "it is full");
    proxy.rules(&[]).await;
    tokio::time::timeout(Duration::from_secs(30), next).await.expect("room is made").unwrap();
    let report = producer.close().await;
    assert_eq!((report.acknowledged, report.unacknowledged.len()), (11, 0), "{report:?}");
    assert_eq!(stored(&aws).await, sent(11));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_acknowledged_comes_back_whole() {
    let server = servers::ministack();
    let proxy = Proxy::before(&server);
    for (number, (trouble, told)) in
        [(Trouble::Throttle, "ProvisionedThroughputExceededException"), (Trouble::Fault, "InternalFailure")]
            .into_iter()
            .enumerate()
    {
        let (aws, proxied) = (server.account(81 + number as u64), proxy.account(81 + number as u64));
        create(&aws).await;
        proxy.rules(&[trouble.rule(Some("PutRecords"), ALL)]).await;
        let producer = producer(&proxied, 1 << 20);
        let records: Vec<Append> = (0..100).map(record).collect();
        for record in &records {
            producer.send(record.clone()).await.unwrap();
        }
        let report = producer.close().await;
        let back: Vec<_> = report.unacknowledged.iter().map(|record| (&record.partition_key, &record.data)).collect();
        let expected: Vec<_> = records.iter().map(|record| (&record.partition_key, &record.data)).collect();
        assert_eq!((report.acknowledged, back), (0, expected));
        assert!(report.trouble.as_ref().is_some_and(|why| why.contains(told)), "{report:?}");
        assert!(stored(&aws).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_never_takes_is_said_at_once() {
    let server = servers::ministack();
    let producer = producer(&server.account(83), 1 << 20);
    let large = Append::new("key", vec![b'x'; MAX_RECORD_BYTES + 1]);
    assert!(matches!(producer.send(large).await, Err(Error::Reject(_))));
    producer.send(record(0)).await.unwrap();
    // There is no such stream, which it learns with the first request.
    let refused = async {
        let mut number = 1;
        while producer.send(record(number)).await.is_ok() {
            number += 1;
            tokio::task::yield_now().await;
        }
        number
    };
    let taken = tokio::time::timeout(Duration::from_secs(30), refused).await.expect("it takes no more");
    let report = producer.close().await;
    assert_eq!((report.acknowledged, report.unacknowledged.len() as u64), (0, taken));
    assert!(report.trouble.as_ref().is_some_and(|why| why.contains("ResourceNotFoundException")), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_find_their_shards_after_a_split() {
    let server = servers::kinesis_local();
    let aws = server.account(85);
    create(&aws).await;
    let options = ProducerOptions { aggregate: true, ..ProducerOptions::default() };
    let producer = Producer::new(aws.clone(), options);
    for part in 0..3 {
        let records: Vec<Append> = (part * 100..(part + 1) * 100).map(record).collect();
        let appended = producer.append(STREAM, &records).await.unwrap();
        assert_eq!((appended.missing(), appended.trouble), (0, None));
        // Where each is said to be, it is read.
        let log = KinesisLog::new(aws.clone(), "", ProducerOptions::default());
        for (record, place) in records.iter().zip(appended.places) {
            let (shard, at) = place.unwrap();
            let chunk = log.read(STREAM, shard, Position::START, usize::MAX).await.unwrap();
            assert!(chunk.records.iter().any(|found| found.position == at && found.data == record.data));
        }
        reshard::split(&aws, STREAM, part).await;
    }
    assert_eq!(stored(&aws).await, sent(300));
}
