//! The cast of a generated day: streamers, their streams and questions, and
//! bettors. Everything about number n follows from the seed and n; only the
//! texts that every bet line repeats are stored.

use schemas::codec::Event;
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::ids::{Address, EventId, QuestionId, StreamId};
use schemas::probability::Probability;
use schemas::question::{QuestionSpec, Source, Winners};
use schemas::stream::StreamSpec;
use schemas::streamer::StreamerSpec;
use schemas::time::Timestamp;
use schemas::user::UserSpec;
use uuid::Uuid;

use super::Line;
use super::bet_line::{CHAIN_ID, HEX, uuid_bits, write_uuid};
use super::params::Params;
use super::random::{Random, hash, scale};
use crate::sources::GAME_EVENTS;

/// Questions of one streamer, all on one stream.
const QUESTIONS_A_STREAMER: u32 = 20;

const GAMES: [&str; 6] = ["soccer", "cricket", "tennis", "counter-strike", "dota-2", "league-of-legends"];

/// Something that happens besides bets; numbers count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    Streamer(u32),
    StreamStarted(u32),
    Account(u32),
    Opened {
        question: u32,
        betting_end: Timestamp,
    },
    Closed(u32),
    /// The outcome as the feed, or else the streamer, saw it.
    Observed {
        question: u32,
        by_feed: bool,
    },
    StreamEnded(u32),
}

/// Keys of the hash streams: one for each kind of thing, so that bettor 1 and
/// question 1 share no bits.
struct Keys {
    streamer: u64,
    stream: u64,
    question: u64,
    bettor: u64,
    event: u64,
    traits: u64,
}

/// See the module.
pub(super) struct People {
    keys: Keys,
    questions: u32,
    bettors: u32,
    question_texts: Vec<[u8; 36]>,
    bettor_texts: Vec<[u8; 42]>,
}

impl People {
    pub fn new(params: &Params) -> Self {
        // Its own draw from the seed: bets draw from another.
        let mut random = Random::new(params.seed ^ 0x0DD5_3111);
        let keys = Keys {
            streamer: random.next(),
            stream: random.next(),
            question: random.next(),
            bettor: random.next(),
            event: random.next(),
            traits: random.next(),
        };
        let question_texts =
            (0..params.questions).map(|number| uuid_text(uuid(keys.question, number.into()))).collect();
        let bettor_texts = (0..params.bettors).map(|number| address_text(&address(keys.bettor, number))).collect();
        Self { keys, questions: params.questions, bettors: params.bettors, question_texts, bettor_texts }
    }

    /// A question's id as text.
    pub fn question_text(&self, question: u32) -> &[u8; 36] {
        &self.question_texts[question as usize]
    }

    /// A bettor's address as text.
    pub fn bettor_text(&self, bettor: u32) -> &[u8; 42] {
        &self.bettor_texts[bettor as usize]
    }

    /// Two or three outcomes: half of all questions can end in a draw.
    pub fn outcomes(&self, question: u32) -> u8 {
        2 + u8::from(hash(self.keys.traits, u64::from(question)) & 1 == 1)
    }

    /// Streamers, each with one stream.
    pub fn streamers(&self) -> u32 {
        self.questions.div_ceil(QUESTIONS_A_STREAMER)
    }

    /// Who introduces everybody: streamers and accounts, before anything else.
    pub fn introductions(&self) -> impl Iterator<Item = Happening> + use<> {
        let (streamers, bettors) = (self.streamers(), self.bettors);
        (0..streamers).map(Happening::Streamer).chain((0..bettors).map(Happening::Account))
    }

    /// The streamer (and stream) of a question.
    pub fn streamer_of(&self, question: u32) -> u32 {
        question / QUESTIONS_A_STREAMER
    }

    /// The line of a happening.
    pub fn line(&self, at: Timestamp, happening: Happening) -> Line {
        let (partition_key, kind) = self.event(happening);
        // One happening happens once, but an account or a stream may do so on
        // many days: the time is part of the id.
        let (tag, number) = happening.code();
        let key = hash(self.keys.event, tag) ^ hash(self.keys.event, at.millis().unsigned_abs());
        let event = GameEvent::new(EventId::new(uuid(key, number.into())), at, kind);
        Line { stream: GAME_EVENTS, at, partition_key, bytes: event.to_json() }
    }

    fn event(&self, happening: Happening) -> (String, GameEventKind) {
        let question_uuid = |number| QuestionId::new(uuid(self.keys.question, u64::from(number)));
        match happening {
            Happening::Streamer(number) => {
                let address = address(self.keys.streamer, number);
                let streamer = StreamerSpec { address, username: format!("streamer-{number}") };
                (address.to_string(), GameEventKind::StreamerUpserted { streamer })
            }
            Happening::StreamStarted(number) => {
                let stream = self.stream(number);
                (stream.stream_uuid.to_string(), GameEventKind::StreamStarted { stream })
            }
            Happening::StreamEnded(number) => {
                let stream_uuid = self.stream_id(number);
                (stream_uuid.to_string(), GameEventKind::StreamEnded { stream_uuid })
            }
            Happening::Account(number) => {
                let user = self.user(number);
                (user.address.to_string(), GameEventKind::AccountUpserted { user })
            }
            Happening::Opened { question, betting_end } => {
                let question = self.question(question, betting_end);
                (question.question_uuid.to_string(), GameEventKind::QuestionOpened { question })
            }
            Happening::Closed(number) => {
                let question_uuid = question_uuid(number);
                (question_uuid.to_string(), GameEventKind::BettingClosed { question_uuid })
            }
            Happening::Observed { question, by_feed } => {
                let question_uuid = question_uuid(question);
                let kind = GameEventKind::OutcomeObserved {
                    question_uuid,
                    outcome_index: self.winner(question),
                    source: if by_feed { Source::Feed } else { Source::Streamer },
                    confidence: Probability::ONE,
                    evidence: Some("generated".to_owned()),
                };
                (question_uuid.to_string(), kind)
            }
        }
    }

    fn stream_id(&self, number: u32) -> StreamId {
        StreamId::new(uuid(self.keys.stream, number.into()))
    }

    fn stream(&self, number: u32) -> StreamSpec {
        StreamSpec {
            stream_uuid: self.stream_id(number),
            stream_url: format!("https://streams.example.test/{number}"),
            platform: "twitch".to_owned(),
            game: self.game(number),
            streamer: Some(address(self.keys.streamer, number)),
        }
    }

    fn user(&self, number: u32) -> UserSpec {
        UserSpec {
            address: address(self.keys.bettor, number),
            username: Some(format!("bettor-{number}")),
            email: Some(format!("bettor-{number}@example.test")),
            email_confirmed: Some(true),
            kyc: None,
        }
    }

    fn question(&self, number: u32, betting_end_time: Timestamp) -> QuestionSpec {
        let (home, away) = (format!("Home {number}"), format!("Away {number}"));
        let mut outcomes = vec![home.clone(), away.clone()];
        if self.outcomes(number) == 3 {
            outcomes.push("Draw".to_owned());
        }
        let streamer = self.streamer_of(number);
        QuestionSpec {
            question_uuid: QuestionId::new(uuid(self.keys.question, number.into())),
            game: self.game(streamer),
            question: format!("Who wins {home} v {away}?"),
            outcome_ids: (0..outcomes.len()).map(|index| index.to_string()).collect(),
            outcomes,
            question_id: None,
            owner_address: None,
            oracle_address: None,
            chain_id: CHAIN_ID,
            collateral_token: None,
            fpmm_address: None,
            betting_end_time,
            streamer: Some(address(self.keys.streamer, streamer)),
            stream_uuid: Some(self.stream_id(streamer)),
            source_id: Some(format!("generated:{number}")),
            quorum: 2,
            collateral_decimals: 6,
            winners: Winners::default(),
        }
    }

    fn game(&self, streamer: u32) -> String {
        GAMES[streamer as usize % GAMES.len()].to_owned()
    }

    fn winner(&self, question: u32) -> u16 {
        let bits = hash(self.keys.traits.rotate_left(32), u64::from(question));
        // Below three.
        scale(bits, self.outcomes(question).into()) as u16
    }
}

impl Happening {
    fn code(self) -> (u64, u32) {
        match self {
            Self::Streamer(number) => (0, number),
            Self::StreamStarted(number) => (1, number),
            Self::Account(number) => (2, number),
            Self::Opened { question, .. } => (3, question),
            Self::Closed(number) => (4, number),
            Self::Observed { question, by_feed } => (5 + u64::from(by_feed), question),
            Self::StreamEnded(number) => (7, number),
        }
    }
}

fn uuid(key: u64, number: u64) -> Uuid {
    Uuid::from_u128(uuid_bits(hash(key, number), hash(!key, number)))
}

fn uuid_text(uuid: Uuid) -> [u8; 36] {
    let mut text = Vec::with_capacity(36);
    write_uuid(uuid.as_u128(), &mut text);
    text.try_into().unwrap_or([b'0'; 36])
}

fn address(key: u64, number: u32) -> Address {
    let mut bytes = [0u8; 20];
    for (part, chunk) in bytes.chunks_mut(8).enumerate() {
        let word = hash(key.wrapping_add(part as u64), number.into()).to_be_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    Address::from_bytes(bytes)
}

fn address_text(address: &Address) -> [u8; 42] {
    let mut text = [b'0'; 42];
    text[1] = b'x';
    for (at, byte) in address.as_bytes().iter().enumerate() {
        text[2 + 2 * at] = HEX[usize::from(byte >> 4)];
        text[3 + 2 * at] = HEX[usize::from(byte & 0xF)];
    }
    text
}
