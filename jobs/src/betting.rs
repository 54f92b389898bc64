//! The main job: settle and bets in one loop, one order, one commit.
//!
//! Game events and bets are applied in one order by effective arrival, ties to the game event, so
//! a bet always meets its question as it stood when the bet arrived.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use pipeline::dead_letter::{self, Reject};
use pipeline::job::{Ask, At, Decided, DecisionKey, Effects, Input, Job, Placed, Sealed};
use pipeline::record::Append;
use pipeline::tables::FactTable;
use pipeline::window::lateness::LateRows;
use pipeline::window::windows::WindowRows;
use pipeline::{Arrival, Error, Result};
use schemas::bet::Bet;
use schemas::bet_row::{BetRow, BetStatus};
use schemas::codec::Event as _;
use schemas::columns;
use schemas::columns::bet_block::BetBlock;
use schemas::dead_letter::{DeadLetter, DeadLettered};
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::log_position::LogPosition;
use xxhash_rust::xxh3::xxh3_64;

use crate::bets::{self, BetRules, odds};
use crate::rows::{self, Key, Row, Rows};
use crate::settle::{self, SettleRules};
use crate::vision::check_rule;
use crate::windows;

/// The loop's name: its checkpoints and timers are kept under it.
pub const LOOP: &str = "betting";

/// The number of the input `game-events`.
pub const GAME_EVENTS: usize = 0;
/// The number of the input `bets`.
pub const BETS: usize = 1;

/// The main job.
pub struct Betting {
    inputs: Vec<Input>,
    rules: BetRules,
    settling: SettleRules,
    /// Declared windows whose rows are published, with their key columns.
    streamed: BTreeMap<String, Vec<String>>,
    /// The states that rules of questions can name, where vision runs beside it.
    states: Option<Vec<String>>,
}

/// A record of one of its inputs.
#[derive(Debug)]
pub enum Event {
    /// From the stream `game-events`.
    Game(Box<GameEvent>),
    /// From the stream `bets`.
    Bet(Bet),
}

/// The insert-only table of bets.
pub fn bets_table() -> Arc<FactTable> {
    Arc::new(FactTable {
        name: "bets",
        schema: columns::bet_block::schema(),
        indexes: &["bettor", "question_uuid"],
        changing: columns::bet_block::CHANGING,
    })
}

impl Betting {
    /// The main job under these rules. The rows of declared windows in `streamed` are published.
    pub fn new(rules: BetRules, settling: SettleRules, streamed: BTreeMap<String, Vec<String>>) -> Betting {
        let game_events = decisions_only(GameEvent::STREAM);
        let inputs = vec![
            Input { stream: GameEvent::STREAM, decisions: game_events },
            Input { stream: Bet::STREAM, decisions: bets_table() },
        ];
        Betting { inputs, rules, settling, streamed, states: None }
    }

    /// Refuses questions by rule that name other states than these.
    pub fn with_states(self, states: &[String]) -> Betting {
        Betting { states: Some(states.to_vec()), ..self }
    }
}

/// A table for decisions that leave no facts: their consequences are rows.
pub fn decisions_only(name: &'static str) -> Arc<FactTable> {
    Arc::new(FactTable { name, schema: Arc::new(Schema::empty()), indexes: &[], changing: &[] })
}

impl Job for Betting {
    type Event = Event;
    type Key = Key;
    type Row = Row;
    type Fact = BetRow;

    fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    fn decode(&self, input: usize, data: &[u8]) -> std::result::Result<Event, Reject> {
        match input {
            GAME_EVENTS => GameEvent::decode(data).map(|event| Event::Game(Box::new(event))).map_err(Reject::invalid),
            _ => Bet::decode(data).map(Event::Bet).map_err(Reject::invalid),
        }
    }

    fn decision(&self, event: &Event) -> DecisionKey {
        match event {
            Event::Game(event) => {
                DecisionKey { id: *event.event_uuid.as_bytes(), fingerprint: xxh3_64(&event.to_json()) }
            }
            Event::Bet(bet) => DecisionKey { id: bets::decision_id(bet.bet_uuid), fingerprint: bets::fingerprint(bet) },
        }
    }

    fn needs(&self, event: &Event, keys: &mut Vec<Key>) {
        match event {
            Event::Game(event) => settle::needs(event, keys),
            Event::Bet(bet) => bets::needs(bet, keys),
        }
    }

    fn needs_also(&self, event: &Event, rows: &Rows, keys: &mut Vec<Key>) {
        if let Event::Game(event) = event {
            settle::needs_also(event, rows, keys);
        }
    }

    fn apply(
        &self,
        event: &Event,
        at: &At,
        rows: &mut Rows,
        effects: &mut Effects,
    ) -> std::result::Result<Decided<BetRow>, Reject> {
        match event {
            Event::Game(event) => {
                if let (GameEventKind::QuestionOpened { question }, Some(states)) = (&event.kind, &self.states) {
                    check_rule(question, states)?;
                }
                settle::apply(event, at, rows, effects, &self.settling)?;
                Ok(Decided { fact: None, open: false, kept: true })
            }
            Event::Bet(bet) => bets::apply(bet, at, rows, effects, &self.rules),
        }
    }

    fn tick_needs(&self, timer: &[u8], keys: &mut Vec<Key>) {
        settle::tick_needs(timer, keys);
    }

    fn tick_asks(&self, timer: &[u8], rows: &Rows) -> Option<Ask> {
        settle::tick_asks(timer, rows, &self.settling)
    }

    fn fact_needs(&self, fact: &BetRow, keys: &mut Vec<Key>) {
        keys.push(Key::User(fact.bet.bettor));
    }

    fn tick(
        &self,
        timer: &[u8],
        due: Arrival,
        bets: Placed<BetRow>,
        rows: &mut Rows,
        effects: &mut Effects,
    ) -> Placed<BetRow> {
        settle::tick(timer, due, bets, rows, effects, &self.settling)
    }

    fn announce(&self, letter: &dead_letter::DeadLetter) -> Option<(&'static str, Append)> {
        Some(announce(letter))
    }

    fn publish(&self, results: &WindowRows) -> Result<Vec<(&'static str, Append)>> {
        match self.streamed.get(&results.window) {
            _ if results.window == odds::NAME => odds::records(results),
            Some(keys) => windows::publish::records(results, keys),
            None => Ok(Vec::new()),
        }
    }

    fn late(&self, late: &LateRows) -> Result<Vec<(&'static str, Append)>> {
        windows::late::records(late)
    }

    fn seal(&self, input: usize, facts: &[BetRow]) -> Result<Sealed> {
        if input != BETS {
            return Ok(Sealed::none());
        }
        // Whatever became of it since: a bet counts that was accepted.
        let windowed = facts.iter().map(|row| Some(row.status != BetStatus::Rejected)).collect();
        Ok(Sealed { rows: columns::bet_block::build(facts).map_err(|e| Error::fatal("bets", e))?, windowed })
    }

    fn unseal(&self, input: usize, rows: &RecordBatch) -> Result<Vec<BetRow>> {
        if input != BETS {
            return Ok(Vec::new());
        }
        let block = BetBlock::new(rows).map_err(Error::corrupt)?;
        (0..block.len()).map(|row| block.row(row).map_err(Error::corrupt)).collect()
    }

    fn sum_of(&self, fact: &BetRow) -> Option<Key> {
        (fact.status != BetStatus::Rejected).then_some(Key::Totals(fact.bet.question_uuid))
    }

    fn is_sum(&self, key: &Key) -> bool {
        matches!(key, Key::Totals(_))
    }

    fn add(&self, fact: &BetRow, rows: &mut Rows) {
        bets::add_to_totals(&fact.bet, rows);
    }

    fn total(&self, sums: Vec<Row>) -> Option<Row> {
        bets::totals::of_shards(sums)
    }

    fn retell(&self, fact: &BetRow) -> Vec<(&'static str, Append)> {
        bets::told(fact, &self.rules).into_iter().collect()
    }

    fn awaits(&self, event: &Event, rows: &Rows) -> Option<usize> {
        matches!(event, Event::Bet(bet) if rows::question(rows, bet.question_uuid).is_none()).then_some(GAME_EVENTS)
    }

    fn locate(&self, key: &Key) -> (&'static str, Vec<u8>) {
        rows::locate(key)
    }

    fn encode(&self, row: &Row) -> Vec<u8> {
        rows::encode(row)
    }

    fn restore(&self, key: &Key, bytes: &[u8]) -> Result<Row> {
        rows::restore(key, bytes)
    }
}

/// The record that tells of a dead letter.
pub fn announce(letter: &dead_letter::DeadLetter) -> (&'static str, Append) {
    let event = DeadLettered {
        id: DeadLetter::id_of(&letter.stream, letter.shard.0, &LogPosition::from_bytes(letter.position.to_be_bytes())),
        stream: letter.stream.clone(),
        shard: schemas::bet_row::shard_name(letter.shard.0),
        position: letter.position.to_string(),
        arrived_at: bets::event_time(letter.arrived_at),
        reason: letter.reject.reason.as_str().to_owned(),
        detail: letter.reject.detail.clone(),
    };
    let record = Append::new(letter.stream.clone(), event.to_json()).arrived(letter.arrived_at);
    (DeadLettered::STREAM, record)
}
