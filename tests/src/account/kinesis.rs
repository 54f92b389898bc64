//! Kinesis: streams of shards that split and merge, records that are seen a while after they are taken.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pipeline::shard::hash_key;
use serde_json::{Value, json};

use super::{Answer, refused};
use crate::random::Random;

/// Every stream.
#[derive(Debug, Default)]
pub struct Kinesis {
    streams: BTreeMap<String, Stream>,
    /// The last sequence number.
    sequence: u128,
}

#[derive(Debug, Default)]
struct Stream {
    shards: Vec<Shard>,
}

#[derive(Debug)]
struct Shard {
    start: u128,
    end: u128,
    parents: Vec<usize>,
    children: Vec<usize>,
    first: u128,
    /// The last sequence number, once it is closed.
    closed: Option<u128>,
    records: Vec<Record>,
}

#[derive(Debug)]
struct Record {
    sequence: u128,
    /// What Kinesis says when it came.
    arrived: i64,
    /// From when on it is read.
    visible: i64,
    key: String,
    data: String,
}

/// What a request is answered under.
pub struct Moment<'a> {
    /// Milliseconds since 1970.
    pub now: i64,
    /// How long a record takes until it is read, at most.
    pub lag_ms: u64,
    /// How far arrival times of a shard are out of order, at most.
    pub disorder_ms: u64,
    /// How many of a hundred records are refused alone.
    pub partial: u64,
    /// How many of a hundred iterators have expired.
    pub expired: u64,
    pub random: &'a mut Random,
}

fn shard_id(number: usize) -> String {
    format!("shardId-{number:012}")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn no_stream(name: &str) -> Answer {
    refused("ResourceNotFoundException", &format!("Stream {name} under account is not found"))
}

impl Kinesis {
    /// Answers a request.
    pub fn answer(&mut self, operation: &str, request: &Value, moment: &mut Moment<'_>) -> Answer {
        match operation {
            "CreateStream" => return self.create(request),
            "GetRecords" => return self.read(request, moment),
            _ => {}
        }
        let name = text(&request["StreamName"]).to_owned();
        let Some(stream) = self.streams.get_mut(&name) else { return no_stream(&name) };
        match operation {
            "DescribeStreamSummary" => stream.describe(&name),
            "ListShards" => {
                Answer::ok(json!({"Shards": stream.shards.iter().enumerate().map(listed).collect::<Vec<_>>()}))
            }
            "GetShardIterator" => stream.iterator(&name, request),
            "PutRecords" => stream.append(&mut self.sequence, request, moment),
            "SplitShard" => {
                let at = text(&request["NewStartingHashKey"]).parse().expect("a hash key");
                stream.split(&mut self.sequence, number(&request["ShardToSplit"]), at)
            }
            "MergeShards" => {
                let pair = [number(&request["ShardToMerge"]), number(&request["AdjacentShardToMerge"])];
                stream.merge(&mut self.sequence, pair)
            }
            other => panic!("Kinesis' {other} is not modelled"),
        }
    }

    fn create(&mut self, request: &Value) -> Answer {
        let name = text(&request["StreamName"]).to_owned();
        if self.streams.contains_key(&name) {
            return refused("ResourceInUseException", &format!("Stream {name} already exists"));
        }
        let count = u128::from(request["ShardCount"].as_u64().unwrap_or(4));
        let width = u128::MAX / count;
        let mut stream = Stream::default();
        for number in 0..count {
            let end = if number + 1 == count { u128::MAX } else { (number + 1) * width - 1 };
            stream.open(&mut self.sequence, number * width, end, Vec::new());
        }
        self.streams.insert(name, stream);
        Answer::ok(json!({}))
    }

    /// An iterator is its stream, its shard and the next sequence number that it reads.
    fn read(&mut self, request: &Value, moment: &mut Moment<'_>) -> Answer {
        if moment.random.percent(moment.expired) {
            return refused("ExpiredIteratorException", "Iterator expired");
        }
        let iterator = text(&request["ShardIterator"]).to_owned();
        let mut parts = iterator.rsplitn(3, '/');
        let next: u128 = parts.next().and_then(|text| text.parse().ok()).expect("an iterator");
        let shard: usize = parts.next().and_then(|text| text.parse().ok()).expect("an iterator");
        let name = parts.next().unwrap_or_default();
        let Some(stream) = self.streams.get(name) else { return no_stream(name) };
        let of = &stream.shards[shard];
        let from = of.records.partition_point(|record| record.sequence < next);
        let limit = request["Limit"].as_u64().unwrap_or(10_000) as usize;
        let visible = of.records[from..].iter().take_while(|record| record.visible <= moment.now);
        let records: Vec<&Record> = visible.take(limit).collect();
        let last = records.last().map_or(next, |record| record.sequence + 1);
        let left = from + records.len();
        let more = of.records.get(left).filter(|record| record.visible <= moment.now);
        let behind = more.map_or(0, |record| (moment.now - record.arrived).max(1));
        let show = |record: &&Record| {
            json!({
                "ApproximateArrivalTimestamp": record.arrived as f64 / 1e3,
                "Data": record.data,
                "PartitionKey": record.key,
                "SequenceNumber": record.sequence.to_string(),
            })
        };
        let shown: Vec<Value> = records.iter().map(show).collect();
        let mut answer = json!({"Records": shown, "MillisBehindLatest": behind});
        if of.closed.is_some() && left == of.records.len() {
            let child = |number: &usize| {
                let child = &stream.shards[*number];
                let parents: Vec<String> = child.parents.iter().map(|parent| shard_id(*parent)).collect();
                json!({"ShardId": shard_id(*number), "ParentShards": parents, "HashKeyRange": range(child)})
            };
            answer["ChildShards"] = of.children.iter().map(child).collect();
        } else {
            answer["NextShardIterator"] = format!("{name}/{shard}/{last}").into();
        }
        Answer::ok(answer)
    }
}

fn number(id: &Value) -> usize {
    text(id).rsplit('-').next().and_then(|digits| digits.parse().ok()).expect("a shard's id")
}

fn range(shard: &Shard) -> Value {
    json!({"StartingHashKey": shard.start.to_string(), "EndingHashKey": shard.end.to_string()})
}

fn listed((number, shard): (usize, &Shard)) -> Value {
    let mut sequence = json!({"StartingSequenceNumber": shard.first.to_string()});
    if let Some(last) = shard.closed {
        sequence["EndingSequenceNumber"] = last.to_string().into();
    }
    let mut listed =
        json!({"ShardId": shard_id(number), "HashKeyRange": range(shard), "SequenceNumberRange": sequence});
    for (name, parent) in ["ParentShardId", "AdjacentParentShardId"].into_iter().zip(&shard.parents) {
        listed[name] = shard_id(*parent).into();
    }
    listed
}

impl Stream {
    fn open(&mut self, sequence: &mut u128, start: u128, end: u128, parents: Vec<usize>) -> usize {
        *sequence += 1;
        let (children, records) = (Vec::new(), Vec::new());
        self.shards.push(Shard { start, end, parents, children, first: *sequence, closed: None, records });
        self.shards.len() - 1
    }

    fn close(&mut self, sequence: &mut u128, number: usize, children: Vec<usize>) {
        *sequence += 1;
        self.shards[number].closed = Some(*sequence);
        self.shards[number].children = children;
    }

    fn describe(&self, name: &str) -> Answer {
        let open = self.shards.iter().filter(|shard| shard.closed.is_none()).count();
        Answer::ok(json!({"StreamDescriptionSummary": {
            "StreamName": name,
            "StreamARN": format!("arn:aws:kinesis:us-east-1:111111111111:stream/{name}"),
            "StreamStatus": "ACTIVE",
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1_700_000_000.0,
            "EnhancedMonitoring": [],
            "OpenShardCount": open,
        }}))
    }

    fn iterator(&self, name: &str, request: &Value) -> Answer {
        let shard = number(&request["ShardId"]);
        let of = &self.shards[shard];
        let next = match text(&request["ShardIteratorType"]) {
            "TRIM_HORIZON" => of.first,
            "LATEST" => of.records.last().map_or(of.first, |record| record.sequence + 1),
            "AT_SEQUENCE_NUMBER" => text(&request["StartingSequenceNumber"]).parse().expect("a sequence number"),
            "AT_TIMESTAMP" => {
                let from = (request["Timestamp"].as_f64().unwrap_or(0.0) * 1e3).round() as i64;
                let first = of.records.iter().find(|record| record.arrived >= from);
                first.map_or_else(
                    || of.records.last().map_or(of.first, |last| last.sequence + 1),
                    |first| first.sequence,
                )
            }
            other => panic!("iterators of type {other}"),
        };
        Answer::ok(json!({"ShardIterator": format!("{name}/{shard}/{next}")}))
    }

    fn append(&mut self, sequence: &mut u128, request: &Value, moment: &mut Moment<'_>) -> Answer {
        let mut failed = 0;
        let mut results = Vec::new();
        for record in request["Records"].as_array().map_or(&[][..], Vec::as_slice) {
            if moment.random.percent(moment.partial) {
                failed += 1;
                let code = "ProvisionedThroughputExceededException";
                results.push(json!({"ErrorCode": code, "ErrorMessage": "Rate exceeded"}));
                continue;
            }
            let (key, data) = (text(&record["PartitionKey"]).to_owned(), text(&record["Data"]).to_owned());
            debug_assert!(BASE64_STANDARD.decode(&data).is_ok());
            let hash = hash_key(key.as_bytes(), record["ExplicitHashKey"].as_str().and_then(|hash| hash.parse().ok()));
            let owns = |shard: &Shard| shard.closed.is_none() && (shard.start..=shard.end).contains(&hash);
            let shard = self.shards.iter().position(owns).expect("open shards own every hash key");
            *sequence += 1;
            let records = &mut self.shards[shard].records;
            // In a shard nothing is seen before what came before it; times may be out of order.
            let lag = moment.random.below(moment.lag_ms + 1) as i64;
            let visible = records.last().map_or(0, |last| last.visible).max(moment.now + lag);
            let arrived = moment.now - moment.random.below(moment.disorder_ms + 1) as i64;
            records.push(Record { sequence: *sequence, arrived, visible, key, data });
            results.push(json!({"ShardId": shard_id(shard), "SequenceNumber": sequence.to_string()}));
        }
        Answer::ok(json!({"FailedRecordCount": failed, "Records": results}))
    }

    fn split(&mut self, sequence: &mut u128, number: usize, at: u128) -> Answer {
        let Shard { start, end, closed, .. } = self.shards[number];
        if closed.is_some() || at <= start || at > end {
            return refused("InvalidArgumentException", "the shard cannot be split there");
        }
        let low = self.open(sequence, start, at - 1, vec![number]);
        let high = self.open(sequence, at, end, vec![number]);
        self.close(sequence, number, vec![low, high]);
        Answer::ok(json!({}))
    }

    fn merge(&mut self, sequence: &mut u128, [one, other]: [usize; 2]) -> Answer {
        let (low, high) = (&self.shards[one], &self.shards[other]);
        if low.closed.is_some() || high.closed.is_some() || low.end.wrapping_add(1) != high.start {
            return refused("InvalidArgumentException", "the shards are not adjacent");
        }
        let (start, end) = (low.start, high.end);
        let child = self.open(sequence, start, end, vec![one, other]);
        self.close(sequence, one, vec![child]);
        self.close(sequence, other, vec![child]);
        Answer::ok(json!({}))
    }
}
