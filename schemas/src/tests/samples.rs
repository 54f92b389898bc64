//! One well-known value of every event and row. Golden files are made of these, so a
//! change here is a change of the published format.

use serde_json::json;

use crate::audit::AuditRow;
use crate::bet::Bet;
use crate::bet_row::{BetRow, BetStatus, RejectReason};
use crate::dead_letter::{DeadLetter, DeadLetterReason, DeadLettered};
use crate::frame::{Frame, FrameBytes, FrameEncoding};
use crate::game_event::{GameEvent, GameEventKind};
use crate::ids::{Address, BetId, ChainQuestionId, EventId, QuestionId, StreamId, TxHash};
use crate::late_bet::LateBet;
use crate::log_position::LogPosition;
use crate::mail::{DigestChoice, MailPreferences};
use crate::money::{Money, Total};
use crate::notification::Notification;
use crate::odds::Odds;
use crate::odds_event::OddsEvent;
use crate::outbox::{OutboxRow, OutboxState};
use crate::probability::Probability;
use crate::question::{
    Cause, Emergency, Observation, Pause, QuestionRow, QuestionSpec, QuestionState, Source, Step, Winners,
};
use crate::quote::{OutcomeQuote, Quote};
use crate::settlement::{Settlement, SettlementRow};
use crate::stream::{StreamRow, StreamSpec};
use crate::streamer::{StreamerRow, StreamerSpec};
use crate::time::Timestamp;
use crate::transaction::{Transaction, TransactionKind, TransactionRow};
use crate::user::{Profile, UserRow, UserSpec};
use crate::window_row::WindowRow;

pub fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub fn odds(text: &str) -> Odds {
    text.parse().unwrap()
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn total(text: &str) -> Total {
    text.parse().unwrap()
}

fn bet_id() -> BetId {
    "6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9".parse().unwrap()
}

fn question_id() -> QuestionId {
    "0b7a4c52-9f1d-4e36-a1c8-5d2e7f8091ab".parse().unwrap()
}

fn event_id() -> EventId {
    "11111111-2222-4333-8444-555555555555".parse().unwrap()
}

fn stream_id() -> StreamId {
    "99999999-8888-4777-a666-555555555555".parse().unwrap()
}

fn address() -> Address {
    "0x00112233445566778899aabbccddeeff00112233".parse().unwrap()
}

fn hash() -> TxHash {
    TxHash::from_bytes([0xab; 32])
}

pub fn bet() -> Bet {
    Bet {
        bet_uuid: bet_id(),
        question_uuid: question_id(),
        outcome_index: 1,
        bettor: address(),
        buy_amount: money("12.5"),
        odds: odds("2.34"),
        chain_id: 137,
        placed_at: at("2022-07-11T14:47:27.332Z"),
    }
}

pub fn question() -> QuestionSpec {
    QuestionSpec {
        question_uuid: question_id(),
        game: "cricket".into(),
        question: "Who wins?".into(),
        outcomes: vec!["Netherlands".into(), "Papua New Guinea".into()],
        chain_id: 137,
        betting_end_time: at("2022-07-11T15:00:00Z"),
        question_id: Some(ChainQuestionId::from_bytes([7; 32])),
        owner_address: None,
        oracle_address: Some(address()),
        collateral_token: None,
        fpmm_address: None,
        streamer: Some(address()),
        stream_uuid: Some(stream_id()),
        source_id: Some("betfair:1.200806927".into()),
        outcome_ids: vec!["228749".into(), "448".into()],
        quorum: 1,
        collateral_decimals: 6,
        winners: Winners::default(),
        rule: None,
    }
}

fn stream() -> StreamSpec {
    StreamSpec {
        stream_uuid: stream_id(),
        stream_url: "https://example.test/live".into(),
        platform: "twitch".into(),
        game: "cricket".into(),
        streamer: Some(address()),
    }
}

fn transaction() -> Transaction {
    Transaction { transaction_hash: hash(), date: 1_657_550_847, amount: money("250") }
}

/// Every kind of game event, in the order of the list.
pub fn game_events() -> Vec<GameEvent> {
    let question_uuid = question_id();
    let reason = Some("floodlights".to_owned());
    let fields = json!({ "over": "19.4", "runs": 6, "batter": { "name": "É. Bowled" } });
    let kinds = vec![
        GameEventKind::StreamerUpserted { streamer: StreamerSpec { address: address(), username: "umpire".into() } },
        GameEventKind::StreamStarted { stream: stream() },
        GameEventKind::StreamEnded { stream_uuid: stream_id() },
        GameEventKind::QuestionOpened { question: question() },
        GameEventKind::BettingClosed { question_uuid },
        GameEventKind::OutcomeObserved {
            question_uuid,
            outcome_index: 0,
            source: Source::Feed,
            confidence: Probability::from_micros(987_500).unwrap(),
            evidence: Some("scoreboard".into()),
        },
        GameEventKind::OutcomeVoided { question_uuid, outcome_index: 1, reason: "removed".into() },
        GameEventKind::QuestionVoided { question_uuid, reason: "abandoned".into() },
        GameEventKind::QuestionFlagged { question_uuid, reason: None },
        GameEventKind::QuestionPaused { question_uuid, reason: reason.clone() },
        GameEventKind::QuestionResumed { question_uuid, reason: None },
        GameEventKind::QuestionApproved { question_uuid, reason },
        GameEventKind::QuestionAmended {
            question_uuid,
            betting_end_time: Some(at("2022-07-11T16:00:00Z")),
            question: None,
            outcomes: Some(vec!["NED".into(), "PNG".into()]),
        },
        GameEventKind::EmergencyAnswer { question_uuid, payouts: vec![1, 0], reason: "feeds are down".into() },
        GameEventKind::PositionSold {
            question_uuid,
            outcome_index: 0,
            seller: address(),
            return_amount: money("9.75"),
            fee_amount: money("0.2"),
            tokens_sold: money("18.725318"),
            transaction_hash: hash(),
        },
        GameEventKind::AnswerReported { question_uuid, payouts: vec![1, 0], transaction_hash: hash(), finalised: true },
        GameEventKind::AccountUpserted {
            user: UserSpec {
                address: address(),
                username: Some("ann".into()),
                email: Some("ann@example.test".into()),
                email_confirmed: Some(true),
                kyc: None,
                mail: Some(MailPreferences { digest: Some(DigestChoice::Never), ..MailPreferences::default() }),
            },
        },
        GameEventKind::Deposit { address: address(), transaction: transaction() },
        GameEventKind::Withdrawal { address: address(), transaction: transaction() },
        GameEventKind::StateChanged {
            stream_uuid: stream_id(),
            state: "cleared".into(),
            before: Some("playing".into()),
            confidence: "0.98".parse().unwrap(),
            frames: vec![1_657_550_847_332, 1_657_550_847_532, 1_657_550_847_732],
            detections: [("archer".to_owned(), 1), ("zombie".to_owned(), 3)].into(),
            model: "5f".repeat(32),
        },
        GameEventKind::GameMoment {
            game: "cricket".into(),
            kind: "wicket".into(),
            fields: fields.as_object().unwrap().clone(),
        },
    ];
    let at = at("2022-07-11T14:47:27.332Z");
    let mut events: Vec<GameEvent> = kinds.into_iter().map(|kind| GameEvent::new(event_id(), at, kind)).collect();
    for event in &mut events {
        if matches!(event.kind, GameEventKind::EmergencyAnswer { .. }) {
            event.operator = Some("ann".into());
        }
    }
    events
}

pub fn late_bet() -> LateBet {
    LateBet {
        event_uuid: LateBet::id_of("turnover", bet().bet_uuid),
        window_name: "turnover".into(),
        window_start: at("2022-07-11T14:45:00Z"),
        window_end: at("2022-07-11T14:46:00Z"),
        arrived_at: at("2022-07-11T14:46:30Z"),
        bet: bet(),
    }
}

pub fn window_row() -> WindowRow {
    let (window_start, question) = (at("2022-07-11T14:45:00Z"), question_id().to_string());
    let columns = [("question_uuid", question.clone().into()), ("bets", 3.into()), ("stake", "37.5".into())];
    WindowRow {
        event_uuid: WindowRow::id_of("turnover", window_start, &[question], 1),
        window_name: "turnover".into(),
        window_start,
        window_end: at("2022-07-11T14:46:00Z"),
        row: columns.map(|(name, value): (&str, serde_json::Value)| (name.to_owned(), value)).into_iter().collect(),
        revision: 1,
        is_final: false,
    }
}

pub fn odds_event() -> OddsEvent {
    let window_start = at("2022-07-11T14:45:00Z");
    OddsEvent {
        event_uuid: OddsEvent::id_of("odds_5m", window_start, question_id(), 1, 0),
        window_name: "odds_5m".into(),
        window_start,
        window_end: at("2022-07-11T14:50:00Z"),
        question_uuid: question_id(),
        outcome_index: 1,
        bets: 3,
        stake: total("37.5"),
        sum_odds: total("7.02"),
        avg_odds: odds("2.34"),
        weighted_odds: odds("2.341234"),
        min_odds: odds("2.3"),
        max_odds: odds("2.4"),
        first_odds: odds("2.32"),
        last_odds: odds("2.4"),
        revision: 0,
        is_final: false,
    }
}

pub fn settlement() -> Settlement {
    Settlement {
        event_uuid: Settlement::id_of(question_id(), 4),
        question_uuid: question_id(),
        version: 4,
        payouts: vec![1, 0],
        voided: false,
        bets_won: 2,
        bets_lost: 1,
        bets_void: 0,
        staked: total("37.5"),
        returned: total("58.5"),
        chain_id: 137,
        question_id: Some(ChainQuestionId::from_bytes([7; 32])),
        oracle_address: Some(address()),
        at: at("2022-07-11T14:58:00Z"),
    }
}

pub fn settlement_row() -> SettlementRow {
    SettlementRow {
        question_uuid: question_id(),
        version: 4,
        accepted: 3,
        after: Some((7, 2047)),
        sweeps: 1,
        bets_won: 2,
        bets_lost: 1,
        bets_void: 0,
        staked: total("37.5"),
        returned: total("58.5"),
        started_at: at("2022-07-11T14:52:27.332Z"),
        settled_at: Some(at("2022-07-11T14:52:27.333Z")),
    }
}

pub fn audit_row() -> AuditRow {
    AuditRow {
        event_uuid: event_id(),
        question_uuid: question_id(),
        at: at("2022-07-11T14:50:00Z"),
        operator: "ann".into(),
        action: "question_flagged".into(),
        detail: Some("the feed is down".into()),
        before: QuestionState::Proposed,
        after: QuestionState::Flagged,
        version: 5,
    }
}

pub fn quote() -> Quote {
    let outcome =
        |probability: &str, odds: Option<Odds>| OutcomeQuote { probability: probability.parse().unwrap(), odds };
    Quote {
        event_uuid: event_id(),
        question_uuid: question_id(),
        model: "skellam".into(),
        revision: 12,
        outcomes: vec![outcome("0.464244", Some(odds("2.1"))), outcome("0.535756", None)],
        at: at("2022-07-11T14:47:00Z"),
    }
}

pub fn frame() -> Frame {
    Frame {
        stream_uuid: stream_id(),
        sequence: 42,
        captured_at: at("2022-07-11T14:47:00.040Z"),
        encoding: FrameEncoding::Jpeg,
        bytes: Some(FrameBytes(vec![0xff, 0xd8, 0xff, 0xe0])),
        reference: None,
    }
}

pub fn position(number: u128, sub: u32) -> LogPosition {
    let mut bytes = [0; LogPosition::BYTES];
    bytes[8..24].copy_from_slice(&number.to_be_bytes());
    bytes[24..].copy_from_slice(&sub.to_be_bytes());
    LogPosition::from_bytes(bytes)
}

pub fn bet_rows() -> Vec<BetRow> {
    let row = BetRow {
        bet: bet(),
        status: BetStatus::Accepted,
        status_version: 1,
        reject_reason: None,
        payout: None,
        arrived_at: at("2022-07-11T14:47:27.400Z"),
        shard: 3,
        position: position(49_545_115_243_490_985_018_280_067_714, 2),
        result: None,
        decided_at: at("2022-07-11T14:47:27.400Z"),
    };
    let (status, result) = (BetStatus::Won, Some(BetStatus::Won));
    let won = BetRow { status, status_version: 2, payout: Some(money("29.25")), result, ..row };
    let rejected = BetRow { status: BetStatus::Rejected, reject_reason: Some(RejectReason::BettingClosed), ..row };
    vec![row, won, rejected]
}

pub fn notification() -> Notification {
    Notification::of(&bet_rows()[1], at("2022-07-11T14:58:00Z"))
}

pub fn user_row() -> UserRow {
    UserRow {
        address: address(),
        username: Some("ann".into()),
        email: None,
        email_confirmed: true,
        kyc: Some("passed".into()),
        profile: Profile {
            bets_placed: 3,
            rejected: 1,
            open_stake: money("12.5"),
            staked: money("37.5"),
            returned: money("29.25"),
            profit: money("4.25"),
            won: 1,
            lost: 1,
            voided: 0,
            last_bet_at: Some(at("2022-07-11T14:47:27.332Z")),
            possible: money("29.25"),
        },
        mail: MailPreferences { time_zone: Some("Europe/Madrid".into()), ..MailPreferences::default() },
    }
}

pub fn question_row() -> QuestionRow {
    let mut row = QuestionRow::open(question(), at("2022-07-11T10:00:00Z"));
    row.state = QuestionState::Proposed;
    row.version = 4;
    row.closed_at = Some(at("2022-07-11T14:47:27.332Z"));
    row.pauses = vec![Pause { from: at("2022-07-11T12:00:00Z"), to: None }];
    row.observations = vec![Observation {
        outcome_index: 0,
        source: Source::Feed,
        at: at("2022-07-11T14:47:27.332Z"),
        confidence: Probability::ONE,
        evidence: None,
    }];
    row.voided_outcomes = vec![1];
    row.stake_by_outcome = vec![money("25"), money("12.5")];
    row.bets_by_outcome = vec![2, 1];
    row.payouts = vec![1, 0];
    row.challenge_until = Some(at("2022-07-11T14:52:27.332Z"));
    row.emergency =
        Some(Emergency { payouts: Vec::new(), operators: vec!["ann".into()], reason: "no feed".into(), due: None });
    let step = |state, by| Step { at: at("2022-07-11T14:47:27.332Z"), state, by };
    row.steps = vec![step(QuestionState::Closed, Cause::Event), step(QuestionState::Proposed, Cause::Sources)];
    row
}

pub fn streamer_row() -> StreamerRow {
    StreamerRow {
        address: address(),
        username: "umpire".into(),
        active_stream: Some(stream_id()),
        past_streams: vec![stream_id()],
    }
}

pub fn stream_row() -> StreamRow {
    StreamRow { spec: stream(), questions: vec![question_id()], started_at: at("2022-07-11T10:00:00Z"), ended_at: None }
}

pub fn transaction_row() -> TransactionRow {
    TransactionRow { address: address(), kind: TransactionKind::Withdrawal, transaction: transaction() }
}

pub fn outbox_row() -> OutboxRow {
    OutboxRow {
        notification: notification(),
        state: OutboxState::Sent,
        attempts: 2,
        created_at: at("2022-07-11T14:58:00Z"),
        sent_at: Some(at("2022-07-11T14:58:01Z")),
        last_error: Some("421 try again".into()),
        digest: None,
        email: Some("ann@example.test".into()),
    }
}

pub fn dead_letter() -> DeadLetter {
    DeadLetter {
        id: DeadLetter::id_of("bets", 3, &position(17, 0)),
        stream: "bets".into(),
        shard: 3,
        position: position(17, 0),
        arrived_at: at("2022-07-11T14:58:00Z"),
        reason: DeadLetterReason::Invalid,
        detail: "buy_amount: missing; this field is required".into(),
        bytes: b"{}".to_vec(),
        bytes_at: None,
    }
}

pub fn dead_lettered() -> DeadLettered {
    let row = dead_letter();
    DeadLettered {
        id: row.id,
        stream: row.stream,
        shard: "shardId-000000000003".into(),
        position: row.position.to_string(),
        arrived_at: row.arrived_at,
        reason: row.reason.to_string(),
        detail: row.detail,
    }
}
