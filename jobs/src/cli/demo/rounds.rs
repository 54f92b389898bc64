//! A broadcast beside the match day: recorded rounds of a game whose end the vision models must see.
//!
//! Each round is a question by rule. People bet on it while its first frames come; the models see how it ends;
//! its bets are settled, and mails go out. Frames come at the wall's pace whatever the demo's clock does: pictures
//! cost what they cost.

use std::time::Duration;

use models::rounds::{ROUNDS, Round};
use pipeline::record::Append;
use pipeline::{Error, Result};
use schemas::bet::Bet;
use schemas::codec::Event;
use schemas::frame::{Frame, FrameBytes, FrameEncoding};
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::ids::{Address, BetId, EventId, QuestionId, StreamId, derive};
use schemas::money::Money;
use schemas::odds::Odds;
use schemas::question::{Answer, QuestionSpec, Rule, Winners};
use schemas::stream::StreamSpec;
use schemas::time::Timestamp;
use schemas::user::UserSpec;

use crate::node::Node;
use crate::partition;

/// Between two frames, of the wall's clock.
const BETWEEN: Duration = Duration::from_millis(400);
/// Frames in which bets are taken.
const BETTING_FRAMES: usize = 15;
/// Bets with each of those frames.
const BETS_A_FRAME: u64 = 2;
/// People who bet on rounds.
const FANS: u64 = 12;
/// The states in which a round can end, and what to call that.
const ENDS: [(&str, &str); 3] =
    [("cleared", "The zombies are beaten"), ("breached", "A zombie gets through"), ("dead", "The last defender falls")];
/// The odds of each.
const ODDS: [Odds; 3] = [odds(1_800_000), odds(2_400_000), odds(3_000_000)];
/// Stakes, in turn.
const STAKES: [Money; 4] = [stake(5), stake(20), stake(50), stake(125)];
const CHAIN_ID: u64 = 137;

const fn odds(micros: u64) -> Odds {
    match Odds::from_micros(micros) {
        Some(odds) => odds,
        None => panic!("no decimal odds"),
    }
}

const fn stake(units: i64) -> Money {
    match Money::from_micros(units * 1_000_000) {
        Some(stake) => stake,
        None => panic!("no amount"),
    }
}

/// See the module.
pub struct Rounds {
    node: Node,
    /// How many times as fast as the wall's the node's clock is.
    speed: i64,
    stream: StreamId,
    events: u64,
    bets: u64,
}

impl Rounds {
    pub fn new(node: Node, speed: u32) -> Rounds {
        let stream = StreamId::from_bytes(*derive("demo.stream", &[&node.clock.now().0.to_be_bytes()]).as_bytes());
        Rounds { node, speed: i64::from(speed), stream, events: 0, bets: 0 }
    }

    /// Plays until it is aborted.
    pub async fn run(mut self) -> Result<()> {
        self.begin().await?;
        for (number, round) in (1..).zip(ROUNDS.iter().cycle()) {
            self.play(number, round).await?;
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<()> {
        let mut kinds = vec![GameEventKind::StreamStarted {
            stream: StreamSpec {
                stream_uuid: self.stream,
                stream_url: "https://example.test/archers".into(),
                platform: "twitch".into(),
                game: "archers and zombies".into(),
                streamer: None,
            },
        }];
        kinds.extend((0..FANS).map(|fan| GameEventKind::AccountUpserted {
            user: UserSpec {
                address: address(fan),
                username: Some(format!("fan{fan}")),
                email: Some(format!("fan{fan}@example.test")),
                email_confirmed: Some(true),
                kyc: None,
                mail: None,
            },
        }));
        for kind in kinds {
            self.tell(kind).await?;
        }
        Ok(())
    }

    async fn play(&mut self, number: u64, round: &Round) -> Result<()> {
        let question = self.open(number).await?;
        let mut ticks = tokio::time::interval(BETWEEN);
        for (at, bytes) in round.frames.iter().enumerate() {
            ticks.tick().await;
            if at < BETTING_FRAMES {
                self.bet(question).await?;
            }
            self.show(bytes).await?;
        }
        Ok(())
    }

    async fn open(&mut self, number: u64) -> Result<QuestionId> {
        let id = derive("demo.question", &[self.stream.as_bytes(), &number.to_be_bytes()]);
        let id = QuestionId::from_bytes(*id.as_bytes());
        let betting = BETWEEN * BETTING_FRAMES as u32;
        let answer = |(outcome_index, (state, _)): (u16, &(&str, &str))| Answer {
            outcome_index,
            state: (*state).into(),
            frames: 3,
            of: 5,
        };
        let question = QuestionSpec {
            question_uuid: id,
            game: "archers and zombies".into(),
            question: format!("Archers against zombies, round {number}: how does it end?"),
            outcomes: ENDS.map(|(_, outcome)| outcome.to_owned()).to_vec(),
            chain_id: CHAIN_ID,
            betting_end_time: self.now_plus(self.speed * i64::try_from(betting.as_millis()).unwrap_or(0)),
            question_id: None,
            owner_address: None,
            oracle_address: None,
            collateral_token: None,
            fpmm_address: None,
            streamer: None,
            stream_uuid: Some(self.stream),
            source_id: None,
            outcome_ids: Vec::new(),
            quorum: 1,
            collateral_decimals: 6,
            winners: Winners::default(),
            rule: Some(Box::new(Rule { answers: (0..).zip(&ENDS).map(answer).collect(), until: None })),
        };
        self.tell(GameEventKind::QuestionOpened { question }).await?;
        Ok(id)
    }

    async fn bet(&mut self, question: QuestionId) -> Result<()> {
        let mut records = Vec::new();
        for _ in 0..BETS_A_FRAME {
            self.bets += 1;
            let id = derive("demo.bet", &[question.as_bytes(), &self.bets.to_be_bytes()]);
            let outcome = usize::try_from(self.bets * 7 % 3).unwrap_or_default();
            let bet = Bet {
                bet_uuid: BetId::from_bytes(*id.as_bytes()),
                question_uuid: question,
                outcome_index: u16::try_from(outcome).unwrap_or_default(),
                bettor: address(self.bets * 5 % FANS),
                buy_amount: STAKES[usize::try_from(self.bets % 4).unwrap_or_default()],
                odds: ODDS[outcome],
                chain_id: CHAIN_ID,
                placed_at: self.now_plus(0),
            };
            records.push(Append::new(partition::of_bet(&bet), bet.to_json()));
        }
        self.append(Bet::STREAM, records).await
    }

    async fn show(&self, bytes: &'static [u8]) -> Result<()> {
        let captured_at = self.now_plus(0);
        let frame = Frame {
            stream_uuid: self.stream,
            sequence: u64::try_from(captured_at.millis()).unwrap_or_default(),
            captured_at,
            encoding: FrameEncoding::Jpeg,
            bytes: Some(FrameBytes(bytes.to_vec())),
            reference: None,
        };
        self.append(Frame::STREAM, vec![Append::new(self.stream.to_string(), frame.to_cbor())]).await
    }

    async fn tell(&mut self, kind: GameEventKind) -> Result<()> {
        self.events += 1;
        let id = derive("demo.event", &[self.stream.as_bytes(), &self.events.to_be_bytes()]);
        let event = GameEvent::new(EventId::from_bytes(*id.as_bytes()), self.now_plus(0), kind);
        let record = Append::new(partition::of_game_event(&event), event.to_json());
        self.append(GameEvent::STREAM, vec![record]).await
    }

    async fn append(&self, stream: &'static str, records: Vec<Append>) -> Result<()> {
        let log = self.node.log.clone();
        let appended = tokio::task::spawn_blocking(move || log.append(stream, &records)).await;
        appended.map_err(|cause| Error::fatal("the demo's broadcast", cause))?.map(drop)
    }

    fn now_plus(&self, ms: i64) -> Timestamp {
        Timestamp::from_millis_clamped(self.node.clock.now().0 + ms)
    }
}

fn address(fan: u64) -> Address {
    let mut bytes = [0xfa; 20];
    bytes[12..].copy_from_slice(&fan.to_be_bytes());
    Address::from_bytes(bytes)
}
