//! The cast of a generated day: streamers, their streams, and bettors.
//! Everything about number n follows from the seed and n; only the texts that
//! every bet line repeats are stored.

use schemas::ids::{Address, QuestionId, StreamId};
use schemas::stream::StreamSpec;
use schemas::streamer::StreamerSpec;
use schemas::user::UserSpec;
use uuid::Uuid;

use super::bet_line::{HEX, uuid_bits, write_uuid};
use super::events::Happening;
use super::fixture::Fixture;
use super::games::Game;
use super::names;
use super::params::Params;
use super::random::{Random, hash};

/// Questions of one streamer, all on one stream.
const QUESTIONS_A_STREAMER: u32 = 5;

/// What streamers show, one after the other: half of it soccer.
const GAMES: [Game; 8] = [
    Game::Soccer,
    Game::CounterStrike,
    Game::Tennis,
    Game::Soccer,
    Game::Cricket,
    Game::Soccer,
    Game::Valorant,
    Game::Soccer,
];

/// Of so many bettors one has given, and confirmed, an email address. Number 7
/// is the first, so that the busiest few, who place half of all bets, do not
/// make mail of most of them.
const EMAIL_IN: u32 = 10;
const EMAIL_FIRST: u32 = 7;

/// Keys of the hash streams: one for each kind of thing, so that bettor 1 and
/// question 1 share no bits.
struct Keys {
    streamer: u64,
    stream: u64,
    question: u64,
    bettor: u64,
    event: u64,
    course: u64,
}

/// See the module.
pub(super) struct People {
    keys: Keys,
    /// Which day after the first: streams, questions and their courses are
    /// another's every day.
    day: u32,
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
            course: random.next(),
        };
        let bettor_texts = (0..params.bettors).map(|number| address_text(&address(keys.bettor, number))).collect();
        let (questions, bettors) = (params.questions, params.bettors);
        let mut people = Self { keys, day: 0, questions, bettors, question_texts: Vec::new(), bettor_texts };
        people.begin_day(0);
        people
    }

    /// Turns to another day: the same people, other streams and questions.
    pub fn begin_day(&mut self, day: u32) {
        self.day = day;
        self.question_texts = (0..self.questions).map(|number| uuid_text(self.question_id(number).uuid())).collect();
    }

    /// A question's id as text.
    pub fn question_text(&self, question: u32) -> &[u8; 36] {
        &self.question_texts[question as usize]
    }

    /// A bettor's address as text.
    pub fn bettor_text(&self, bettor: u32) -> &[u8; 42] {
        &self.bettor_texts[bettor as usize]
    }

    /// What a question is about.
    pub fn fixture(&self, question: u32) -> Fixture {
        Fixture::of(hash(self.keys.course, self.day.into()), question, self.game(self.streamer_of(question)))
    }

    /// Two or three outcomes.
    pub fn outcomes(&self, question: u32) -> u8 {
        self.game(self.streamer_of(question)).outcomes()
    }

    /// Streamers, each with one stream a day.
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

    /// What a streamer shows.
    pub fn game(&self, streamer: u32) -> Game {
        GAMES[streamer as usize % GAMES.len()]
    }

    /// The key of the events' ids.
    pub fn event_key(&self) -> u64 {
        self.keys.event
    }

    /// A number that no other question has, of any day.
    pub fn question_number(&self, question: u32) -> u64 {
        u64::from(self.day) << 32 | u64::from(question)
    }

    pub fn question_id(&self, question: u32) -> QuestionId {
        QuestionId::new(uuid(self.keys.question, self.question_number(question)))
    }

    pub fn stream_id(&self, streamer: u32) -> StreamId {
        StreamId::new(uuid(self.keys.stream, u64::from(self.day) << 32 | u64::from(streamer)))
    }

    pub fn streamer_address(&self, streamer: u32) -> Address {
        address(self.keys.streamer, streamer)
    }

    pub fn streamer(&self, number: u32) -> StreamerSpec {
        let name = names::handle(hash(self.keys.streamer, number.into()), number);
        StreamerSpec { address: self.streamer_address(number), username: format!("{name}TV") }
    }

    pub fn stream(&self, number: u32) -> StreamSpec {
        StreamSpec {
            stream_uuid: self.stream_id(number),
            stream_url: format!("https://streams.example.test/{number}"),
            platform: if number % 3 == 2 { "youtube" } else { "twitch" }.to_owned(),
            game: self.game(number).as_str().to_owned(),
            streamer: Some(self.streamer_address(number)),
        }
    }

    pub fn user(&self, number: u32) -> UserSpec {
        let name = names::handle(hash(self.keys.bettor, number.into()), number);
        let email = (number % EMAIL_IN == EMAIL_FIRST).then(|| format!("{}@example.test", name.to_lowercase()));
        UserSpec {
            address: address(self.keys.bettor, number),
            username: Some(name),
            email_confirmed: email.is_some().then_some(true),
            email,
            kyc: None,
            mail: None,
        }
    }
}

/// An id from 128 hashed bits.
pub(super) fn uuid(key: u64, number: u64) -> Uuid {
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
