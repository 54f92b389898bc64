//! Appending to a stream: few requests, nothing lost in silence, order where it is asked for.
//!
//! ```text
//! records ─► waves (a key once in each, where order counts) ─► aggregates, a shard each
//!         ─► requests (500 records, 5 MiB) ─► what failed goes again, and only that
//!                                          ─► what an aggregate took to another's shard goes again
//! ```
//!
//! A PutRecords request is no transaction: some of its records may be refused. Records of one key keep
//! their order only if the later one is sent once the earlier is in, or with it in one aggregate.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Aws;
use super::envelope::Secret;
use super::error::explain;
use super::kpl::{Aggregate, Tag};
use super::poll::back_off;
use super::streams;
use crate::error::{Error, Result};
use crate::record::{Append, Position};
use crate::shard::{HashRange, Shard, ShardId, hash_key};

/// Records of a request, at most.
const REQUEST_RECORDS: usize = 500;
/// Bytes of a request, keys included. Kinesis takes 10 MiB; half of it keeps a retry cheap.
const REQUEST_BYTES: usize = 5 << 20;
/// Bytes of an aggregate: several fit a shard's second.
const AGGREGATE_BYTES: usize = 256 << 10;
/// How long a list of shards is believed.
const SHARDS_FOR: Duration = Duration::from_secs(60);

/// How records are appended.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// Packs records into aggregates of the KPL's format.
    pub aggregate: bool,
    /// Keeps the order of records with one partition key.
    pub ordered: bool,
    /// How long a record is tried.
    pub give_up_after: Duration,
    /// Lets arrival times of records' own count.
    pub secret: Option<Secret>,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        ProducerOptions { aggregate: false, ordered: true, give_up_after: Duration::from_secs(30), secret: None }
    }
}

/// What became of an append: a place for each record that is in, and why the others are not.
#[derive(Debug, Default)]
pub struct Appended {
    /// In the order given; nothing for a record that was not acknowledged.
    pub places: Vec<Option<(ShardId, Position)>>,
    /// Why the last of them was not, where there are such.
    pub trouble: Option<String>,
}

impl Appended {
    /// How many were never acknowledged. They may be in all the same.
    pub fn missing(&self) -> usize {
        self.places.iter().filter(|place| place.is_none()).count()
    }

    fn note(&mut self, parcel: Parcel) {
        self.trouble = parcel.trouble.or(self.trouble.take());
        let aggregated = parcel.records.len() > 1;
        for (sub, record) in (0..).zip(parcel.records) {
            self.places[record] =
                parcel.place.map(|(shard, at)| (shard, if aggregated { at.with_sub(sub) } else { at }));
        }
    }
}

/// Appends to the streams of one account. Cheap to clone; clones share what they know of shards.
#[derive(Debug, Clone)]
pub struct Producer {
    aws: Aws,
    options: ProducerOptions,
    shards: Arc<Mutex<HashMap<String, (Instant, OpenShards)>>>,
}

/// Open shards and what they own.
type OpenShards = Arc<[(HashRange, ShardId)]>;

/// One Kinesis record: which of the given records are in it.
#[derive(Debug)]
struct Parcel {
    key: String,
    hash: Option<u128>,
    data: Bytes,
    records: Vec<usize>,
    /// Where it should end up, for aggregates.
    shard: Option<ShardId>,
    place: Option<(ShardId, Position)>,
    trouble: Option<String>,
}

impl Parcel {
    fn bytes(&self) -> usize {
        self.key.len() + self.data.len()
    }

    /// Whether it ended up in another shard than it was packed for: the stream was resharded since its shards
    /// were listed.
    fn has_moved(&self) -> bool {
        self.place.is_some_and(|(shard, _)| self.shard.is_some_and(|wanted| wanted != shard))
    }
}

impl Producer {
    /// A producer.
    pub fn new(aws: Aws, options: ProducerOptions) -> Producer {
        Producer { aws, options, shards: Arc::default() }
    }

    /// Appends records; returns once each is acknowledged or given up.
    ///
    /// # Errors
    /// `Reject` when a record is over the limits, or when there is no such stream or no permission;
    /// nothing is appended then.
    pub async fn append(&self, stream: &str, records: &[Append]) -> Result<Appended> {
        records.iter().try_for_each(Append::check)?;
        let mut out = Appended { places: vec![None; records.len()], trouble: None };
        let deadline = Instant::now() + self.options.give_up_after;
        for wave in self.waves(records) {
            let mut todo = wave;
            while !todo.is_empty() {
                let mut parcels = self.pack(stream, records, &todo, deadline).await?;
                self.send(stream, &mut parcels, deadline).await?;
                todo = self.strays(stream, records, &mut parcels, deadline).await?;
                parcels.into_iter().for_each(|parcel| out.note(parcel));
                todo.iter().for_each(|at| out.places[*at] = None);
                if !todo.is_empty() && Instant::now() >= deadline {
                    out.trouble = Some(format!("{stream} was resharded while it was appended to"));
                    break;
                }
            }
            if out.trouble.is_some() && self.options.ordered {
                // What comes after a record that is not in must not overtake it.
                break;
            }
        }
        Ok(out)
    }

    /// The records in waves: one after the other, each key once in each, where order counts. An
    /// aggregate keeps its own order, so aggregated records of one key can go together.
    fn waves(&self, records: &[Append]) -> Vec<Vec<usize>> {
        if !self.options.ordered || self.options.aggregate {
            return vec![(0..records.len()).collect()];
        }
        let mut waves: Vec<Vec<usize>> = Vec::new();
        let mut seen = HashMap::<&str, usize>::new();
        for (at, record) in records.iter().enumerate() {
            let wave = seen.entry(&record.partition_key).or_default();
            if *wave == waves.len() {
                waves.push(Vec::new());
            }
            waves[*wave].push(at);
            *wave += 1;
        }
        waves
    }

    async fn pack(&self, stream: &str, records: &[Append], wave: &[usize], deadline: Instant) -> Result<Vec<Parcel>> {
        let mut parcels = Vec::with_capacity(wave.len());
        // By shard: the aggregate that is being filled, and what is in it.
        let mut open = BTreeMap::<ShardId, (Aggregate, Vec<usize>)>::new();
        let shards = if self.options.aggregate { Some(self.open_shards(stream, deadline).await?) } else { None };
        for &at in wave {
            let record = &records[at];
            let tag = self.tag(record)?;
            let hash = hash_key(record.partition_key.as_bytes(), record.explicit_hash_key);
            let shard = shards.as_ref().and_then(|shards| shards.iter().find(|(range, _)| range.owns(hash)));
            let Some((_, shard)) = shard else {
                parcels.push(single(record, at, tag));
                continue;
            };
            let (aggregate, of) = open.entry(*shard).or_default();
            let bytes = aggregate.bytes_with(&record.partition_key, &record.data, tag.as_slice());
            if !aggregate.is_empty() && bytes > AGGREGATE_BYTES {
                parcels.push(close(std::mem::take(aggregate), std::mem::take(of), records, Some(*shard)));
            }
            aggregate.add(
                &record.partition_key,
                record.explicit_hash_key,
                record.data.clone(),
                tag.into_iter().collect(),
            );
            of.push(at);
        }
        let open = open.into_iter().map(|(shard, (aggregate, of))| close(aggregate, of, records, Some(shard)));
        parcels.extend(open);
        Ok(parcels)
    }

    fn tag(&self, record: &Append) -> Result<Option<Tag>> {
        let Some(at) = record.arrived_at else { return Ok(None) };
        let Some(secret) = &self.options.secret else {
            return Err(Error::Reject(
                "a record with an arrival time of its own needs the secret that consumers check it with; set log.envelope_secret".into(),
            ));
        };
        Ok(Some(secret.tag(at, record.partition_key.as_bytes(), &record.data)))
    }

    /// The open shards and what they own.
    async fn open_shards(&self, stream: &str, deadline: Instant) -> Result<OpenShards> {
        let mut known = self.shards.lock().await;
        if let Some((_, shards)) = known.get(stream).filter(|(at, _)| at.elapsed() < SHARDS_FOR) {
            return Ok(shards.clone());
        }
        let all = self.all_shards(stream, deadline).await?;
        let open: Arc<[_]> =
            all.into_iter().filter(|shard| !shard.closed).map(|shard| (shard.range, shard.id)).collect();
        known.insert(stream.to_owned(), (Instant::now(), open.clone()));
        Ok(open)
    }

    async fn all_shards(&self, stream: &str, deadline: Instant) -> Result<Vec<Shard>> {
        let mut attempt = 0;
        loop {
            match streams::shards(&self.aws, stream).await {
                Err(Error::Retry(why)) if Instant::now() < deadline => tracing::debug!("{why}"),
                other => return other,
            }
            back_off(attempt).await;
            attempt += 1;
        }
    }

    /// The records that must go again because their aggregates were packed for a shard that is no more: those
    /// in a shard that does not own them, which consumers refuse there, and those that were held back.
    async fn strays(
        &self,
        stream: &str,
        records: &[Append],
        parcels: &mut [Parcel],
        deadline: Instant,
    ) -> Result<Vec<usize>> {
        let stale = stale(parcels);
        if stale.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.all_shards(stream, deadline).await?;
        let mut strays = Vec::new();
        for parcel in parcels.iter_mut().filter(|parcel| parcel.shard.is_some_and(|shard| stale.contains(&shard))) {
            let Some((shard, _)) = parcel.place else {
                parcel.trouble = None;
                strays.extend(&parcel.records);
                continue;
            };
            let range = all.iter().find(|listed| listed.id == shard).map(|listed| listed.range);
            let hash = |at: usize| hash_key(records[at].partition_key.as_bytes(), records[at].explicit_hash_key);
            strays.extend(parcel.records.iter().filter(|at| !range.is_some_and(|range| range.owns(hash(**at)))));
        }
        strays.sort_unstable();
        Ok(strays)
    }

    /// Sends parcels until each is in or the time is over.
    async fn send(&self, stream: &str, parcels: &mut [Parcel], deadline: Instant) -> Result<()> {
        let mut waiting: Vec<usize> = (0..parcels.len()).collect();
        let mut attempt = 0;
        while !waiting.is_empty() {
            let mut failed = Vec::new();
            // Shards whose next aggregate must not overtake one that was refused.
            let mut held_up = HashSet::new();
            for mut request in requests(parcels, &waiting, self.options.ordered) {
                let stale = stale(parcels);
                request.retain(|at| !parcels[*at].shard.is_some_and(|shard| stale.contains(&shard)));
                let overtakes = |at: &usize| parcels[*at].shard.is_some_and(|shard| held_up.contains(&shard));
                failed.extend(request.extract_if(.., |at| overtakes(at)));
                if request.is_empty() {
                    continue;
                }
                let before = failed.len();
                match self.put(stream, parcels, &request).await {
                    Ok(()) => failed.extend(request.into_iter().filter(|at| parcels[*at].place.is_none())),
                    // Perhaps it is in and only the answer is lost: it stands twice then, and consumers
                    // know it by its id.
                    Err(Error::Retry(why)) => {
                        request.iter().for_each(|at| parcels[*at].trouble = Some(why.clone()));
                        failed.extend(request);
                    }
                    Err(other) => return Err(other),
                }
                if self.options.ordered {
                    held_up.extend(failed[before..].iter().filter_map(|at| parcels[*at].shard));
                }
            }
            if Instant::now() >= deadline {
                return Ok(());
            }
            if !failed.is_empty() {
                back_off(attempt).await;
                attempt += 1;
            }
            waiting = failed;
        }
        Ok(())
    }

    async fn put(&self, stream: &str, parcels: &mut [Parcel], request: &[usize]) -> Result<()> {
        let entry = |at: &usize| {
            let parcel = &parcels[*at];
            let entry =
                PutRecordsRequestEntry::builder().partition_key(&parcel.key).data(Blob::new(parcel.data.to_vec()));
            entry.set_explicit_hash_key(parcel.hash.map(|hash| hash.to_string())).build()
        };
        let entries: std::result::Result<Vec<_>, _> = request.iter().map(entry).collect();
        let entries = entries.map_err(|cause| Error::fatal("a record to append", cause))?;
        let answer = self.aws.kinesis.put_records().stream_name(stream).set_records(Some(entries)).send().await;
        let answer = answer.map_err(|error| explain(format!("appending to {stream}"), error))?;
        for (at, result) in request.iter().zip(answer.records()) {
            let parcel = &mut parcels[*at];
            match (result.shard_id(), result.sequence_number()) {
                (Some(shard), Some(number)) => {
                    parcel.place = Some((shard.parse()?, number.parse()?));
                    parcel.trouble = None;
                }
                _ => {
                    let code = result.error_code().unwrap_or("unknown error");
                    parcel.trouble = Some(format!("{code}: {}", result.error_message().unwrap_or("no details")));
                }
            }
        }
        if request.iter().any(|at| parcels[*at].has_moved()) {
            self.shards.lock().await.remove(stream);
        }
        Ok(())
    }
}

/// The shards for which aggregates were packed and that are no more.
fn stale(parcels: &[Parcel]) -> HashSet<ShardId> {
    parcels.iter().filter(|parcel| parcel.has_moved()).filter_map(|parcel| parcel.shard).collect()
}

/// A record on its own; an aggregate of one where it has a tag.
fn single(record: &Append, at: usize, tag: Option<Tag>) -> Parcel {
    let (key, hash) = (record.partition_key.clone(), record.explicit_hash_key);
    let data = match tag {
        None => record.data.clone(),
        Some(tag) => {
            let mut aggregate = Aggregate::default();
            aggregate.add(&key, hash, record.data.clone(), vec![tag]);
            aggregate.finish()
        }
    };
    Parcel { key, hash, data, records: vec![at], shard: None, place: None, trouble: None }
}

fn close(aggregate: Aggregate, of: Vec<usize>, records: &[Append], shard: Option<ShardId>) -> Parcel {
    let first = &records[of[0]];
    let hash = Some(hash_key(first.partition_key.as_bytes(), first.explicit_hash_key));
    Parcel {
        key: first.partition_key.clone(),
        hash,
        data: aggregate.finish(),
        records: of,
        shard,
        place: None,
        trouble: None,
    }
}

/// Cuts parcels into requests. Where order counts, a request has one aggregate of a shard: two may hold
/// the same key, and of one request any may fail.
fn requests(parcels: &[Parcel], waiting: &[usize], ordered: bool) -> Vec<Vec<usize>> {
    let mut requests = Vec::new();
    let (mut request, mut bytes) = (Vec::new(), 0);
    let mut shards = HashSet::new();
    for &at in waiting {
        let parcel = &parcels[at];
        let again = ordered && parcel.shard.is_some_and(|shard| !shards.insert(shard));
        if again || request.len() == REQUEST_RECORDS || (bytes + parcel.bytes() > REQUEST_BYTES && !request.is_empty())
        {
            requests.push(std::mem::take(&mut request));
            bytes = 0;
            shards.clear();
            shards.extend(parcel.shard);
        }
        bytes += parcel.bytes();
        request.push(at);
    }
    if !request.is_empty() {
        requests.push(request);
    }
    requests
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::fake::{Asked, serve};
    use super::*;

    fn records(keys: &[&str]) -> Vec<Append> {
        keys.iter().map(|key| Append::new(*key, "data")).collect()
    }

    fn parcel(bytes: usize, shard: Option<u32>) -> Parcel {
        let data = Bytes::from(vec![0; bytes]);
        let shard = shard.map(ShardId);
        Parcel { key: String::new(), hash: None, data, records: vec![0], shard, place: None, trouble: None }
    }

    #[tokio::test]
    async fn a_key_is_in_a_wave_once() {
        let config = aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        for (ordered, aggregate, expected) in [
            (true, false, vec![vec![0, 1, 4], vec![2, 3], vec![5]]),
            (false, false, vec![(0..6).collect()]),
            (true, true, vec![(0..6).collect()]),
        ] {
            let options = ProducerOptions { ordered, aggregate, ..ProducerOptions::default() };
            let producer = Producer::new(Aws::new(config.clone()), options);
            assert_eq!(producer.waves(&records(&["a", "b", "a", "b", "c", "a"])), expected);
        }
    }

    /// The keys of a request's records.
    fn keys(request: &Asked) -> Vec<String> {
        let rest = request.body.split("\"PartitionKey\":\"").skip(1);
        rest.filter_map(|rest| Some(rest.split('"').next()?.to_owned())).collect()
    }

    /// No server at hand refuses some records of a request.
    #[tokio::test]
    async fn what_is_refused_goes_again_alone_and_is_not_overtaken() {
        let refusals = AtomicU32::new(0);
        let (aws, asked) = serve(move |asked| {
            let answer = |key: String| match key == "b" && refusals.fetch_add(1, Ordering::Relaxed) < 2 {
                true => r#"{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slow"}"#,
                false => r#"{"ShardId":"shardId-000000000000","SequenceNumber":"7"}"#,
            };
            let answers: Vec<&str> = keys(asked).into_iter().map(answer).collect();
            (200, "", format!(r#"{{"FailedRecordCount":0,"Records":[{}]}}"#, answers.join(",")))
        })
        .await;
        let producer = Producer::new(aws, ProducerOptions::default());
        let appended = producer.append("s", &records(&["a", "b", "c", "b"])).await.unwrap();
        assert_eq!((appended.missing(), appended.trouble), (0, None));
        let requests: Vec<String> = asked.lock().unwrap().iter().map(|request| keys(request).concat()).collect();
        assert_eq!(requests, ["abc", "b", "b", "b"]);
    }

    #[test]
    fn requests_keep_within_the_limits() {
        for (parcels, ordered, expected) in [
            ((0..1_001).map(|_| parcel(10, None)).collect::<Vec<_>>(), true, vec![500, 500, 1]),
            (vec![parcel(4 << 20, None), parcel(2 << 20, None), parcel(2 << 20, None)], true, vec![1, 2]),
            (vec![parcel(6 << 20, None), parcel(1, None)], true, vec![1, 1]),
            (vec![parcel(1, Some(1)), parcel(1, Some(2)), parcel(1, Some(1)), parcel(1, Some(2))], true, vec![2, 2]),
            (vec![parcel(1, Some(1)), parcel(1, Some(2)), parcel(1, Some(1)), parcel(1, Some(2))], false, vec![4]),
            (vec![], true, vec![]),
        ] {
            let waiting: Vec<usize> = (0..parcels.len()).collect();
            let requests = requests(&parcels, &waiting, ordered);
            assert_eq!(requests.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            assert_eq!(requests.concat(), waiting);
        }
    }
}
