//! What happened to a bet, gathered and put in order.

use memchr::memmem;
use pipeline::record::Record;
use pipeline::shard::ShardId;
use schemas::ids::{BetId, QuestionId};
use schemas::question::{Cause, QuestionRow};
use schemas::time::Timestamp;
use serde_json::Value;

use crate::bets::event_time;
use crate::cli::answers::{cells, objects};
use crate::cli::event::event_json;
use crate::cli::exit::Failure;
use crate::control::Access;
use crate::settle::standing;

/// Of two things at one moment, what led to the other: a timer is delivered before the records that
/// arrived with it, a record before what it caused, and a change is told before it is mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Timer,
    Game,
    Act,
    Question,
    Bet,
    Decision,
    DeadLetter,
    Told,
    Mailed,
    Settled,
}

/// A line of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, by the pipeline's time.
    pub at: String,
    /// What the story is sorted by: when, what led to what, and of one kind its own order.
    key: (Timestamp, Order, u64),
    /// A place in a stream, or a table.
    pub place: String,
    /// In words.
    pub what: String,
}

/// The story of one bet.
pub struct Story {
    bet: BetId,
    /// What is searched for: the ids as text and as bytes.
    needles: Vec<Vec<u8>>,
    question: Option<QuestionId>,
    outcome: Option<u64>,
    placed_at: Option<Timestamp>,
    /// Whether it is in its window's odds.
    counts: bool,
    lines: Vec<Line>,
}

impl Story {
    /// Begins with the row of the bet, if there is one.
    pub async fn of(access: &Access, bet: BetId) -> Result<Story, Failure> {
        let columns = "question_uuid, outcome_index, bettor, buy_amount, odds, placed_at, arrived_at, status, \
                       status_version, reject_reason, result, payout, shard, position";
        let row = objects(access, &format!("SELECT {columns} FROM bets WHERE bet_uuid = '{bet}'")).await?.pop();
        let mut story = Story::new(bet);
        if let Some(row) = row {
            story.decision(&row);
        }
        Ok(story)
    }

    fn new(bet: BetId) -> Story {
        let mut story = Story {
            bet,
            needles: Vec::new(),
            question: None,
            outcome: None,
            placed_at: None,
            counts: false,
            lines: Vec::new(),
        };
        story.search_for(bet.to_string().into_bytes(), bet.as_bytes());
        story
    }

    fn search_for(&mut self, text: Vec<u8>, bytes: &[u8]) {
        self.needles.extend([text, bytes.to_vec()]);
    }

    fn decision(&mut self, row: &Value) {
        let text = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
        self.question = QuestionId::parse(&text("question_uuid")).ok();
        self.outcome = row["outcome_index"].as_u64();
        self.placed_at = Timestamp::parse_rfc3339(&text("placed_at")).ok();
        self.counts = row["reject_reason"].is_null();
        if let Some(question) = self.question {
            self.search_for(question.to_string().into_bytes(), question.as_bytes());
        }
        let mut what = format!(
            "decided: bet of {} at {} on outcome {} by {}, placed {}; now {} (version {})",
            text("buy_amount"),
            text("odds"),
            text("outcome_index"),
            text("bettor"),
            text("placed_at"),
            text("status"),
            text("status_version")
        );
        for (label, name) in [("rejected", "reject_reason"), ("result", "result"), ("payout", "payout")] {
            if !row[name].is_null() {
                what.push_str(&format!(", {label} {}", text(name)));
            }
        }
        let place = format!("table bets, from {}/{}", text("shard"), text("position"));
        self.tell_at(&text("arrived_at"), Order::Decision, 0, place, what);
    }

    fn tell_at(&mut self, at: &str, order: Order, number: u64, place: String, what: String) {
        let moment = Timestamp::parse_rfc3339(at).unwrap_or(Timestamp::EPOCH);
        self.line(moment, order, number, place, what);
    }

    fn line(&mut self, at: Timestamp, order: Order, number: u64, place: String, what: String) {
        self.lines.push(Line { at: at.to_rfc3339(), key: (at, order, number), place, what });
    }

    /// The streams that can tell of it.
    pub fn streams(&self) -> &'static [&'static str] {
        match self.question {
            Some(_) => &["game-events", "bets", "odds", "settlements", "notifications", "dead-letters"],
            None => &["bets", "notifications", "dead-letters"],
        }
    }

    /// Takes a record in, if it is part of the story.
    pub fn record(&mut self, stream: &'static str, shard: ShardId, record: &Record) {
        let holds = |needle: &Vec<u8>| memmem::find(&record.data, needle).is_some();
        if !self.needles.iter().any(holds) {
            return;
        }
        let json = event_json(stream, &record.data);
        let event = json.and_then(|json| serde_json::from_slice::<Value>(&json).ok());
        match event {
            Some(event) if self.concerns(stream, &event) => self.push(stream, shard, record, in_words(stream, &event)),
            // Cut short, say, but with the bet's id in it.
            None if stream == "bets" && self.needles[..2].iter().any(holds) => {
                let what = format!("a record of {} bytes that is no bet", record.data.len());
                self.push(stream, shard, record, what);
            }
            _ => {}
        }
    }

    fn push(&mut self, stream: &str, shard: ShardId, record: &Record, what: String) {
        let order = match stream {
            "odds" => Order::Timer,
            "game-events" => Order::Game,
            "bets" => Order::Bet,
            "dead-letters" => Order::DeadLetter,
            "settlements" => Order::Settled,
            _ => Order::Told,
        };
        let place = format!("{stream}/{}/{}", shard.0, record.position);
        self.line(event_time(record.arrived_at), order, record.position.as_u64().unwrap_or(u64::MAX), place, what);
    }

    /// Whether an event with one of the ids in it is about this bet or its question.
    fn concerns(&self, stream: &str, event: &Value) -> bool {
        let is = |name: &str, id: &str| event[name].as_str() == Some(id);
        let (bet, question) = (self.bet.to_string(), self.question.map(|id| id.to_string()).unwrap_or_default());
        match stream {
            "bets" | "notifications" => is("bet_uuid", &bet),
            "odds" => {
                let at = |name: &str| event[name].as_i64().unwrap_or_default();
                let placed = self.placed_at.map_or(i64::MIN, Timestamp::millis);
                self.counts
                    && is("question_uuid", &question)
                    && event["outcome_index"].as_u64() == self.outcome
                    && (at("window_start")..at("window_end")).contains(&placed)
            }
            "settlements" => is("question_uuid", &question),
            "game-events" => is("question_uuid", &question) || event["question"]["question_uuid"] == question.as_str(),
            _ => true,
        }
    }

    /// The mails about it.
    pub async fn mails(&mut self, access: &Access) -> Result<(), Failure> {
        let ids: Vec<String> = (1..=4)
            .map(|version| format!("'{}'", schemas::notification::Notification::id_of(self.bet, version)))
            .collect();
        let sql = format!(
            "SELECT notification_id, event, status_version, state, email, created_at, sent_at, last_error FROM outbox \
             WHERE notification_id IN ({}) ORDER BY status_version",
            ids.join(", ")
        );
        for row in objects(access, &sql).await? {
            let text = |name: &str| row[name].as_str().map(str::to_owned);
            let at = text("sent_at").or_else(|| text("created_at")).unwrap_or_default();
            let mut what =
                format!("mail about {}: {}", text("event").unwrap_or_default(), text("state").unwrap_or_default());
            what.extend(text("email").map(|email| format!(" to {email}")));
            what.extend(text("last_error").map(|why| format!(" ({why})")));
            let place = format!("table outbox, {}", text("notification_id").unwrap_or_default());
            self.tell_at(&at, Order::Mailed, row["status_version"].as_u64().unwrap_or_default(), place, what);
        }
        Ok(())
    }

    /// What operators did to its question, and how that came to its answer.
    pub async fn acts(&mut self, access: &Access) -> Result<(), Failure> {
        let Some(question) = self.question else { return Ok(()) };
        let sql = format!(
            "SELECT at, operator, action, \"before\", \"after\", detail FROM audit WHERE question_uuid = '{question}'"
        );
        for row in cells(access, &sql).await? {
            let [at, operator, action, before, after, detail] = &row[..] else { continue };
            let what = format!("{operator}: {action}, {before} -> {after} {detail}").trim_end().to_owned();
            self.tell_at(at, Order::Act, 0, "table audit".into(), what);
        }
        if let Some(row) = access.question(question).await?.row {
            self.steps(&row);
        }
        Ok(())
    }

    fn steps(&mut self, row: &QuestionRow) {
        for (number, (step, what)) in (0u64..).zip(standing::steps(row)) {
            let order = match step.by {
                Cause::Time | Cause::Emergency => Order::Timer,
                _ => Order::Question,
            };
            self.line(step.at, order, number, "table questions".into(), what);
        }
    }

    /// Everything, in order.
    pub fn tell(mut self) -> Vec<Line> {
        self.lines.sort_by_key(|line| line.key);
        self.lines
    }
}

/// An event in a line: what happened first, then whatever else it says.
fn in_words(stream: &str, event: &Value) -> String {
    let field = |name: &str| match &event[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match stream {
        "bets" => {
            format!("bet sent: {} at {} on outcome {}", field("buy_amount"), field("odds"), field("outcome_index"))
        }
        "odds" => format!(
            "odds of its window, revision {}{}: {} bets, average {}, last {}",
            field("revision"),
            if event["final"] == true { ", final" } else { "" },
            field("bets"),
            field("avg_odds"),
            field("last_odds")
        ),
        "settlements" => format!(
            "question settled: {} won, {} lost, {} void",
            field("bets_won"),
            field("bets_lost"),
            field("bets_void")
        ),
        "notifications" => format!("told: {} (version {})", field("event"), field("status_version")),
        "dead-letters" => format!("dead letter {}: {}", field("reason"), field("detail")),
        _ => {
            let skip = ["event_uuid", "type", "at", "question_uuid", "question"];
            let rest = event
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, value)| !skip.contains(&name.as_str()) && !value.is_null());
            let rest: Vec<String> = rest.map(|(name, _)| format!("{name} {}", field(name))).collect();
            format!("{} {}", field("type"), rest.join(", ")).trim_end().to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
