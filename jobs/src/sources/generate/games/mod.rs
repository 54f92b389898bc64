//! The games: how a match of each runs, and what its outcomes are worth while
//! it does.
//!
//! A game is two functions. `play` draws a match: its moments, in order, each
//! with the state of play after it. `chances` gives the outcomes'
//! probabilities from a state, by the same rules by which `play` draws; so the
//! odds are neither too kind nor too harsh, which a test checks. Times are
//! seconds of play after the start.

mod cricket;
mod rounds;
mod soccer;
mod tennis;

use serde_json::{Map, Value};

use super::chance::ONE;
use super::names;
use super::random::Random;

/// No match goes on for longer: its sports' own bounds are below.
pub(super) const LONGEST_S: u32 = 124 * 60;

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Game {
    Soccer,
    Cricket,
    Tennis,
    CounterStrike,
    Valorant,
}

/// One of two sides; its number is its place in every pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Home = 0,
    Away = 1,
}

/// Something that happened, and how things stand after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Seconds of play after the start.
    pub at: u32,
    pub kind: Kind,
    pub side: Option<Side>,
    /// Whose moment: the shirt's number, from 1; 0 where it is nobody's.
    pub shirt: u8,
    pub state: State,
}

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Soccer(soccer::State),
    Cricket(cricket::State),
    Tennis(tennis::State),
    Rounds(rounds::State),
}

macro_rules! kinds {
    ($($kind:ident $name:literal,)*) => {
        /// What happened, of any game.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $($kind,)* }

        impl Kind {
            /// The feed's word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    Start "start",
    Goal "goal",
    Penalty "penalty_goal",
    YellowCard "yellow_card",
    RedCard "red_card",
    HalfTime "half_time",
    SecondHalf "second_half",
    FullTime "full_time",
    Four "four",
    Six "six",
    Wicket "wicket",
    Over "over",
    InningsBreak "innings_break",
    SuperOver "super_over",
    GameWon "game",
    Break "break",
    TieBreak "tie_break",
    SetWon "set",
    Round "round",
    MapWon "map",
    MatchWon "match",
    Abandoned "abandoned",
}

/// How strong the sides are: home less away, from -100 to 100.
pub(super) type Edge = i64;

impl Game {
    /// The word in questions, streams and moments.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Soccer => "soccer",
            Self::Cricket => "cricket",
            Self::Tennis => "tennis",
            Self::CounterStrike => "counter-strike",
            Self::Valorant => "valorant",
        }
    }

    /// Three where a match may be drawn: home, draw, away. Else two.
    pub fn outcomes(self) -> u8 {
        if self == Self::Soccer { 3 } else { 2 }
    }

    /// How many sides there are to draw from.
    pub fn sides(self) -> u64 {
        match self {
            Self::Soccer => names::CLUB_COUNT,
            Self::Cricket => names::CRICKET_COUNT,
            Self::Tennis => names::PLAYER_COUNT,
            Self::CounterStrike | Self::Valorant => names::SQUAD_COUNT,
        }
    }

    /// A side's name.
    pub fn side_name(self, number: u64) -> String {
        match self {
            Self::Soccer => names::club(number),
            Self::Cricket => names::cricket_side(number),
            Self::Tennis => names::player(number),
            Self::CounterStrike | Self::Valorant => names::squad(number),
        }
    }

    /// Why play stops for a while.
    pub fn pause_reason(self) -> &'static str {
        match self {
            Self::Soccer => "video review",
            Self::Cricket => "third umpire review",
            Self::Tennis => "medical timeout",
            Self::CounterStrike | Self::Valorant => "technical pause",
        }
    }

    /// Why a match is not finished.
    pub fn abandon_reason(self) -> &'static str {
        match self {
            Self::Soccer => "match abandoned: floodlight failure",
            Self::Cricket => "match abandoned: rain",
            Self::Tennis => "match abandoned: a player retired injured",
            Self::CounterStrike | Self::Valorant => "match abandoned: the game server crashed",
        }
    }

    /// The state before the start.
    pub fn before(self, random: &mut Random) -> State {
        match self {
            Self::Soccer => State::Soccer(soccer::State::default()),
            Self::Cricket => State::Cricket(cricket::State::new(toss(random))),
            Self::Tennis => State::Tennis(tennis::State::new(toss(random))),
            Self::CounterStrike | Self::Valorant => State::Rounds(rounds::State::default()),
        }
    }

    /// Plays a match from its start to its end.
    pub fn play(self, edge: Edge, random: &mut Random) -> Vec<Moment> {
        match self.before(random) {
            State::Soccer(state) => soccer::play(edge, state, random),
            State::Cricket(state) => cricket::play(edge, state, random),
            State::Tennis(state) => tennis::play(edge, state, random),
            State::Rounds(state) => rounds::play(edge, state, random),
        }
    }
}

impl State {
    /// The outcomes' probabilities at a time not before the state's moment.
    pub fn chances(&self, edge: Edge, at: u32) -> Chances {
        let home = match self {
            Self::Soccer(state) => return Chances::Three(soccer::chances(state, edge, at)),
            Self::Cricket(state) => cricket::home_wins(state, edge),
            Self::Tennis(state) => tennis::home_wins(state, edge),
            Self::Rounds(state) => rounds::home_wins(state, edge),
        };
        Chances::Two([home.min(ONE), ONE - home.min(ONE)])
    }

    /// The score as a board shows it first: goals, runs, sets or maps.
    pub fn score(&self) -> [u16; 2] {
        match self {
            Self::Soccer(state) => state.goals.map(u16::from),
            Self::Cricket(state) => state.runs,
            Self::Tennis(state) => state.sets.map(u16::from),
            Self::Rounds(state) => state.maps.map(u16::from),
        }
    }

    /// The outcome that a final state means.
    pub fn winner(&self) -> u8 {
        let [home, away] = match self {
            // Level after both innings: the super over decides.
            Self::Cricket(state) if state.runs[0] == state.runs[1] => state.super_over.map(u16::from),
            other => other.score(),
        };
        match (self, home.cmp(&away)) {
            (_, std::cmp::Ordering::Greater) => 0,
            (Self::Soccer(_), std::cmp::Ordering::Less) => 2,
            _ => 1,
        }
    }

    /// What the feed says of the state, besides the score.
    pub fn tell(&self, at: u32, fields: &mut Map<String, Value>) {
        match self {
            Self::Soccer(state) => soccer::tell(state, at, fields),
            Self::Cricket(state) => cricket::tell(state, fields),
            Self::Tennis(state) => tennis::tell(state, fields),
            Self::Rounds(state) => rounds::tell(state, fields),
        }
    }
}

/// Probabilities by outcome; they sum to certainty but for rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chances {
    /// Home, away.
    Two([u64; 2]),
    /// Home, draw, away.
    Three([u64; 3]),
}

impl Side {
    pub fn other(self) -> Self {
        if self == Self::Home { Self::Away } else { Self::Home }
    }
}

fn toss(random: &mut Random) -> Side {
    if random.below(2) == 0 { Side::Home } else { Side::Away }
}

/// Whether something of this probability happens.
fn happens(chance: u64, random: &mut Random) -> bool {
    random.below(ONE) < chance
}

/// An even draw of seconds.
fn seconds(from: u32, to: u32, random: &mut Random) -> u32 {
    // Below the difference, which is a u32.
    from + random.below(u64::from(to - from) + 1) as u32
}

/// "2-1".
fn pair<N: std::fmt::Display>([home, away]: [N; 2]) -> Value {
    format!("{home}-{away}").into()
}
