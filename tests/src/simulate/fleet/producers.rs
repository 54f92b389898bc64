//! Who puts records into the streams: each until it is acknowledged, whatever the weather.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pipeline::Clock;
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::producer::{Producer, ProducerOptions};
use pipeline::record::Append;

use super::Act;
use super::world::ORIGIN;
use crate::records::{self, opened};

/// Bettors who have an account; of [`records::bet`]'s seven one has none.
pub const ACCOUNTS: u64 = 6;

/// The address that bounces, where one does.
pub const BOUNCING: &str = "person3@example.com";
/// How long betting goes on after a question was amended.
const AMENDED_END_MS: i64 = 12_000;

/// What was put and acknowledged.
#[derive(Debug, Clone, Default)]
pub struct Put {
    /// Bodies of bets, by id.
    pub bets: BTreeMap<String, BTreeSet<String>>,
    /// Good bets, by id: of those something must have come.
    pub good: BTreeSet<String>,
    /// What is no bet at all.
    pub garbage: BTreeSet<String>,
}

/// Puts records for everybody.
#[derive(Clone)]
pub struct Producers {
    producer: Producer,
    clock: Clock,
    questions: u64,
    prefix: &'static str,
    put: Arc<Mutex<Put>>,
    /// Events so far.
    told: Arc<AtomicU64>,
}

impl Producers {
    pub fn new(aws: Aws, clock: Clock, questions: u64, aggregate: bool, prefix: &'static str) -> Producers {
        let options = ProducerOptions { aggregate, ..ProducerOptions::default() };
        Producers {
            producer: Producer::new(aws, options),
            clock,
            questions,
            prefix,
            put: Arc::default(),
            told: Arc::default(),
        }
    }

    /// What is acknowledged so far.
    pub fn acknowledged<T>(&self, of: impl FnOnce(&Put) -> T) -> T {
        of(&self.put.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens every question, and the accounts of most who will bet.
    pub async fn open(&self) {
        let now = self.clock.now().0;
        let account = |number: u64| {
            let address = format!("0x{:040x}", 0xb0 + number);
            let json = format!(
                r#"{{"event_uuid":"0c000000-0000-4000-8000-{number:012x}","type":"account_upserted","at":{now},"user":{{"address":"{address}","username":"person {number}","email":"person{number}@example.com","email_confirmed":{}}}}}"#,
                number != 1
            );
            Append::new(address, json)
        };
        self.until_in("game-events", (0..ACCOUNTS).map(account).collect()).await;
        let opening = |number| {
            let (event, question) = (event(self.told.fetch_add(1, Ordering::Relaxed)), question(number));
            Append::new(question.clone(), opened(&event, &question, 2, now, now + 86_400_000))
        };
        self.until_in("game-events", (0..self.questions).map(opening).collect()).await;
    }

    /// Does what producers and operators do.
    pub async fn act(&self, act: Act) {
        match act {
            Act::Bets { first, count } | Act::Repeat { first, count } => {
                let bets = (first..first + count).map(|number| self.bet(number, number)).collect();
                self.put_bets(bets, true).await;
            }
            Act::Conflict(number) => self.put_bets(vec![self.bet(number, number + 1)], true).await,
            Act::Stale(number) => {
                let bet = records::bet(number, self.questions, ORIGIN.0 - 3_600_000);
                self.put_bets(vec![bet], false).await;
            }
            Act::Stray(number) => {
                let bet = self.bet(number, number);
                let data = String::from_utf8_lossy(&bet.data).replace("0a000000-", "0f000000-");
                self.put_bets(vec![Append::new("0f000000", data)], false).await;
            }
            Act::Garbage(number) => {
                let data = garbage(number);
                self.until_in("bets", vec![Append::new(number.to_string(), data.clone())]).await;
                self.note(|put| _ = put.garbage.insert(String::from_utf8_lossy(&data).into_owned()));
            }
            Act::Pause { question, ms } => {
                self.tell(question, &[r#""type":"question_paused","reason":"the feed stands""#]).await;
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.tell(question, &[r#""type":"question_resumed""#]).await;
            }
            Act::Amend(number) => {
                let end = self.clock.now().0 + AMENDED_END_MS;
                let amended =
                    format!(r#""type":"question_amended","betting_end_time":{end},"question":"Who wins this one?""#);
                self.tell(number, &[&amended]).await;
            }
            Act::Answer(number) => {
                self.tell(number, &[CLOSED, &seen("feed", number % 2), &seen("streamer", number % 2)]).await;
            }
            Act::Dispute(number) => {
                let approved = r#""type":"question_approved","operator":"ann""#;
                let told = [CLOSED, &seen("feed", 0), &seen("streamer", 1), &seen("operator", 1), approved];
                self.tell(number, &told).await;
            }
            Act::Void(number) => self.tell(number, &[r#""type":"question_voided","reason":"abandoned""#]).await,
            Act::Emergency(number) => {
                let asks = |operator: &str| {
                    format!(r#""type":"emergency_answer","operator":"{operator}","payouts":[],"reason":"no feed""#)
                };
                self.tell(number, &[CLOSED, &asks("ann"), &asks("bob")]).await;
            }
            _ => {}
        }
    }

    /// A bet, under the id of a number. Its time is the number's, so that a repeat is the same.
    fn bet(&self, id: u64, body: u64) -> Append {
        let placed = self.acknowledged(|put| put.bets.get(&bet_id(id)).and_then(|bodies| placed(bodies.first()?)));
        let bet = records::bet(body, self.questions, placed.unwrap_or(self.clock.now().0));
        let data = String::from_utf8_lossy(&bet.data).replace(&bet_id(body), &bet_id(id));
        Append::new(bet.partition_key, data)
    }

    async fn put_bets(&self, bets: Vec<Append>, good: bool) {
        let bodies: Vec<String> = bets.iter().map(|bet| String::from_utf8_lossy(&bet.data).into_owned()).collect();
        // A repeat of what is on its way has its body.
        self.note(|put| {
            bodies.iter().for_each(|body| _ = put.bets.entry(id_of(body)).or_default().insert(body.clone()))
        });
        self.until_in("bets", bets).await;
        if good {
            self.note(|put| put.good.extend(bodies.iter().map(|body| id_of(body))));
        }
    }

    async fn tell(&self, number: u64, bodies: &[&str]) {
        for body in bodies {
            let order = self.told.fetch_add(1, Ordering::Relaxed);
            let (event, question, at) = (event(order), question(number), self.clock.now().0);
            let json = format!(r#"{{"event_uuid":"{event}","at":{at},"question_uuid":"{question}",{body}}}"#);
            self.until_in("game-events", vec![Append::new(question, json)]).await;
        }
    }

    /// Puts records until all are acknowledged, those that were not again.
    async fn until_in(&self, stream: &str, mut records: Vec<Append>) {
        let name = format!("{}{stream}", self.prefix);
        while !records.is_empty() {
            match self.producer.append(&name, &records).await {
                Ok(appended) => {
                    let mut places = appended.places.iter();
                    records.retain(|_| places.next().is_some_and(Option::is_none));
                }
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }

    fn note(&self, of: impl FnOnce(&mut Put)) {
        of(&mut self.put.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

const CLOSED: &str = r#""type":"betting_closed""#;

fn seen(source: &str, outcome: u64) -> String {
    format!(r#""type":"outcome_observed","source":"{source}","outcome_index":{outcome},"confidence":"1""#)
}

fn event(order: u64) -> String {
    format!("0e000000-0000-4000-8000-{order:012x}")
}

/// Bytes that are no bet, and end with their number: what goes wrong, and what is meant to break a reader.
fn garbage(number: u64) -> Vec<u8> {
    let start: &[u8] = match number % 9 {
        0 => br#"{"bet_uuid":7}"#,
        1 => b"[]",
        2 => b"{",
        3 => b"\0",
        4 => b"",
        // An aggregate's first bytes, and no aggregate.
        5 => b"\xF3\x89\x9A\xC2\x0A\xFF\xFF\xFF\xFF\x0F",
        // A map of CBOR with more entries than there are bytes.
        6 => b"\xBB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        7 => &[b'['; 20_000],
        _ => br#"{"bet_uuid":"0b000000-0000-4000-8000-00000000ffff","buy_amount":"1e999999999","odds":"-"}"#,
    };
    [start, number.to_string().as_bytes()].concat()
}

pub fn question(number: u64) -> String {
    format!("0a000000-0000-4000-8000-{number:012x}")
}

fn bet_id(number: u64) -> String {
    format!("0b000000-0000-4000-8000-{number:012x}")
}

fn field<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let rest = body.split_once(&format!("\"{name}\":"))?.1;
    Some(rest.split([',', '}']).next()?.trim_matches('"'))
}

fn id_of(body: &str) -> String {
    field(body, "bet_uuid").unwrap_or_default().to_owned()
}

fn placed(body: &str) -> Option<i64> {
    field(body, "placed_at")?.parse().ok()
}
