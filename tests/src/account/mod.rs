//! An AWS account in this process: Kinesis and DynamoDB as their documents describe them, behind the SDK's own
//! clients, on one thread and under tokio's paused clock.
//!
//! ```text
//! adapters ─► SDK ─► Link (a process: stalls, dies) ─► Weather (a request's fate) ─► Kinesis | DynamoDB
//! ```
//!
//! There are no sockets. A request takes virtual time before and after it is done, by a seed: which of two requests
//! is done first follows from it, and so does every interleaving of the workers. The same seed gives the same
//! [`Trace`], byte by byte.
//!
//! What is modelled is what can hurt: indexes and plain reads that lag behind, pages that end early, batches done
//! in part, transactions that meet another, records that are seen late and out of the order of their times, answers
//! that are lost, requests that are done after all. What our adapters do not use is not there, and says so.

mod client;
mod dynamo;
mod expression;
mod kinesis;
mod lease;
mod limits;
mod link;
mod mail;
mod mutation;
mod queue;
mod trace;
mod weather;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jobs::notify::choose::SuppressionRow;
use pipeline::adapters::aws::Aws;
use pipeline::{Arrival, Clock};
use schemas::row::Row as _;
use serde_json::{Value, json};

use self::client::{Client, Request, digest};
use self::dynamo::Dynamo;
use self::kinesis::Kinesis;
pub use self::link::{Death, Link};
pub use self::mail::Mailed;
use self::mail::Mails;
pub use self::mutation::Mutation;
use self::queue::Queue;
pub use self::trace::Trace;
pub use self::weather::{Fate, Weather};
use crate::random::Random;

/// A service of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Streams.
    Kinesis,
    /// Tables.
    Dynamo,
    /// Mails: SES.
    Mail,
    /// Queues: SQS, of what bounces.
    Queues,
}

/// A part of the account that is in trouble for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Which.
    pub of: Scope,
    /// How bad it is.
    pub severity: Severity,
    /// In milliseconds since 1970.
    pub from: i64,
    /// See [`Outage::from`].
    pub to: i64,
}

/// How bad an outage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Every request is refused as too many.
    Refuses,
    /// Every request takes about so many milliseconds.
    Slow(u64),
}

/// What an outage is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A service.
    Service(Service),
    /// Reads of the shards of this number.
    Shard(u64),
}

struct State {
    kinesis: Kinesis,
    dynamo: Dynamo,
    mails: Mails,
    queue: Queue,
    /// What nobody should have done.
    broken: Vec<String>,
    weather: Weather,
    outages: Vec<Outage>,
    random: Random,
    trace: Trace,
}

/// See the module. Clones are the same one.
#[derive(Clone)]
pub struct Account {
    state: Arc<Mutex<State>>,
    clock: Clock,
}

/// A service's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    fn ok(body: Value) -> Answer {
        Answer { status: 200, body }
    }

    fn with(mut self, name: &str, value: Value) -> Answer {
        self.body[name] = value;
        self
    }

    /// What of it is worth a place in the trace.
    fn code(&self) -> &str {
        self.body["__type"].as_str().unwrap_or("done")
    }
}

fn refused(code: &str, message: &str) -> Answer {
    Answer { status: 400, body: json!({"__type": code, "message": message}) }
}

impl Account {
    /// An account without anything in it. Its time begins at `origin`, and passes as tokio's does.
    pub fn new(seed: u64, origin: Arrival, trace: Trace) -> Account {
        let state = State {
            kinesis: Kinesis::default(),
            dynamo: Dynamo::default(),
            mails: Mails::default(),
            queue: Queue::default(),
            broken: Vec::new(),
            weather: Weather::default(),
            outages: Vec::new(),
            random: Random::new(seed),
            trace,
        };
        Account { state: Arc::new(Mutex::new(state)), clock: Clock::scaled(origin, 1) }
    }

    /// What time it is.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The clients of a process. Without `weather` nothing goes wrong for it.
    pub fn client(&self, name: &str, link: &Link, weather: bool) -> Aws {
        self.mutant(name, link, weather, None)
    }

    /// The clients of a process that may have a bug.
    pub fn mutant(&self, name: &str, link: &Link, weather: bool, bug: Option<Mutation>) -> Aws {
        let client = Client { account: self.clone(), name: name.into(), link: link.clone(), weather, bug };
        client.clients()
    }

    /// What goes wrong from now on.
    pub fn set_weather(&self, weather: Weather, outages: Vec<Outage>) {
        let mut state = self.state();
        (state.weather, state.outages) = (weather, outages);
    }

    /// Adds a line to the trace that no request is.
    pub fn note(&self, what: impl fmt::Display) {
        let line = format!("{} {what}", self.clock.now().0);
        self.state().trace.add(line);
    }

    /// Mails to this address come back, and a queue says so.
    pub fn bounce(&self, address: &str) {
        let state = &mut *self.state();
        (state.mails.bouncing, state.queue.exists) = (Some(address.to_owned()), true);
    }

    /// Since when it is known that mails to that address come back.
    pub fn ended(&self) -> Option<i64> {
        self.state().mails.ended
    }

    /// What somebody did who must not have, such as a checkpoint of a lease that is another's.
    pub fn broken(&self) -> Option<String> {
        self.state().broken.first().cloned()
    }

    /// Each mail that was sent, by the id that its writer gave it.
    pub fn mails(&self) -> BTreeMap<String, Mailed> {
        self.state().mails.sent().clone()
    }

    /// A look at the trace.
    pub fn trace<T>(&self, of: impl FnOnce(&Trace) -> T) -> T {
        of(&self.state().trace)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request must wait: one for messages, where there are none.
    fn waits(&self, request: &Request) -> bool {
        request.operation == "ReceiveMessage" && !self.state().queue.has(self.clock.now().0)
    }

    fn fate(&self, request: &Request, weather: bool) -> Fate {
        let now = self.clock.now().0;
        let state = &mut *self.state();
        if !weather {
            return Fate::Done(Duration::from_millis(1));
        }
        let hit = |outage: &&Outage| {
            let of = match outage.of {
                Scope::Service(service) => service == request.service,
                Scope::Shard(number) => {
                    let iterator = request.body["ShardIterator"].as_str();
                    let shard = iterator.and_then(|iterator| iterator.rsplit('/').nth(1)?.parse().ok());
                    shard == Some(number)
                }
            };
            of && (outage.from..outage.to).contains(&now)
        };
        match state.outages.iter().find(hit).map(|outage| outage.severity) {
            None => state.weather.fate(&mut state.random),
            Some(Severity::Refuses) => Fate::Throttled,
            Some(Severity::Slow(ms)) => Fate::Done(Duration::from_millis(ms / 2 + state.random.below(ms))),
        }
    }

    fn answer(&self, name: &str, request: &Request, fate: Fate, calm: bool) -> Answer {
        let now = self.clock.now().0;
        let State { kinesis, dynamo, mails, queue, broken, weather, random, trace, .. } = &mut *self.state();
        let weather = if calm { Weather::default() } else { *weather };
        let (operation, body) = (&request.operation, &request.body);
        let answer = match (fate, request.service) {
            (Fate::Throttled, Service::Mail) => {
                Answer { status: 429, ..refused("TooManyRequestsException", "Maximum sending rate exceeded") }
            }
            (Fate::Throttled, _) => refused("ProvisionedThroughputExceededException", "Rate exceeded"),
            (Fate::Trouble, service) => {
                let code = if service == Service::Dynamo { "InternalServerError" } else { "InternalFailureException" };
                Answer { status: 500, ..refused(code, "Internal server error") }
            }
            (_, service) => limits::exceeded(service, operation, body).unwrap_or_else(|| match service {
                Service::Kinesis => {
                    let Weather { read_lag_ms: lag_ms, disorder_ms, partial, expired, .. } = weather;
                    let moment = &mut kinesis::Moment { now, lag_ms, disorder_ms, partial, expired, random };
                    kinesis.answer(operation, body, moment)
                }
                Service::Dynamo => {
                    let Weather { index_lag_ms: lag_ms, partial, conflict, .. } = weather;
                    let moment = &mut dynamo::Moment { now, lag_ms, partial, conflict, random };
                    let lease = lease::before(dynamo, operation, body);
                    let answer = dynamo.answer(operation, body, moment);
                    if answer.status == 200 {
                        broken.extend(lease.and_then(|lease| lease::broken(name, body, &lease)));
                        if mails.ended.is_none() && dynamo::puts(body, SuppressionRow::TABLE) {
                            mails.ended = Some(now);
                        }
                    }
                    answer
                }
                Service::Mail => mails.answer(operation, body, now, queue),
                Service::Queues => queue.answer(operation, body, now),
            }),
        };
        let (asked, said) = (request.hash, digest(&answer.body, 0));
        trace.add(format!("{now} {name} {operation} {asked:016x}: {fate:?} {} {said:016x}", answer.code()));
        if trace.is_whole() && request.service != Service::Mail {
            let mut body = body.clone();
            // Made up by the SDK.
            if let Some(body) = body.as_object_mut() {
                body.remove("ClientRequestToken");
            }
            trace.add(format!("    {body}"));
        }
        answer
    }
}
