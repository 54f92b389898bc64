//! One market's life: undefined, open, closed.
//!
//! | state     | becomes | by |
//! |-----------|---------|----|
//! | undefined | open    | the first definition: the question opens |
//! | open      | closed  | the first definition with status CLOSED: betting ends |
//! | closed    | –       | later definitions may still name winners; volume is ignored |
//!
//! Within one change the order is: open, then volume, then what the definition
//! says of the runners. So the volume in the very message that closes a market
//! still counts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemas::game_event::{GameEvent, GameEventKind};
use schemas::ids::QuestionId;

use super::ladder::{Ladder, RunnerKey};
use super::message::{MarketChange, RunnerChange};
use super::stats::Stats;
use super::time::Moment;
use super::{identity, settling::Status};
use crate::sources::Sourced;
use crate::sources::error::FieldError;

/// What all markets of a file share: who was introduced already, and counts.
#[derive(Default)]
pub(super) struct Cast {
    pub streamer_known: bool,
    /// Event ids whose stream was started.
    pub streams_known: BTreeSet<String>,
    /// Numbers of bettors whose account was opened; at most
    /// [`identity::BETTORS`].
    pub bettors_known: BTreeSet<u32>,
    pub stats: Stats,
}

/// One runner as an outcome.
pub(super) struct Outcome {
    pub index: u16,
    pub name: String,
    pub status: Status,
    /// Its win was told already.
    pub observed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Undefined,
    Open,
    Closed,
}

pub(super) struct Market {
    pub id: String,
    pub question: QuestionId,
    pub phase: Phase,
    /// By runner, as the first definition has them in the order of sortPriority.
    /// Later definitions move priorities about; indices never change.
    pub outcomes: BTreeMap<RunnerKey, Outcome>,
    pub ladder: Ladder,
    /// Whether a price is decimal odds here.
    pub priced: bool,
    /// Bets so far: the ordinal of the next one's id.
    pub bets: u64,
    pub voided: bool,
}

impl Market {
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            question: identity::question(id),
            phase: Phase::Undefined,
            outcomes: BTreeMap::new(),
            ladder: Ladder::default(),
            priced: true,
            bets: 0,
            voided: false,
        }
    }

    /// Takes one change and pushes what follows from it.
    pub fn apply(
        &mut self,
        change: &MarketChange,
        moment: Moment,
        cast: &mut Cast,
        out: &mut VecDeque<Sourced>,
    ) -> Result<(), FieldError> {
        let image = change.img.unwrap_or(false);
        if image {
            cast.stats.images += 1;
            self.ladder.clear();
        }
        if let (Phase::Undefined, Some(definition)) = (self.phase, &change.definition) {
            self.open(definition, moment, cast, out)?;
        }
        for runner in change.rc.iter().flatten() {
            self.volume(runner, image, moment, cast, out)?;
        }
        if let Some(definition) = &change.definition {
            self.settle(definition, moment, cast, out)?;
        }
        Ok(())
    }

    fn volume(
        &mut self,
        change: &RunnerChange,
        image: bool,
        moment: Moment,
        cast: &mut Cast,
        out: &mut VecDeque<Sourced>,
    ) -> Result<(), FieldError> {
        if self.phase == Phase::Closed {
            let entries = change.trd.as_ref().map_or(0, Vec::len);
            cast.stats.after_close += entries as u64;
            return Ok(());
        }
        let runner = RunnerKey::new(change.id, change.hc)?;
        for (price, size) in change.trd.iter().flatten() {
            self.traded(runner, (price, size), image, moment, cast, out)?;
        }
        Ok(())
    }

    /// A game event about this market's question. `detail` tells apart events
    /// of one kind at one time.
    pub fn event(&self, name: &str, detail: &str, moment: Moment, kind: GameEventKind) -> Sourced {
        let event_uuid = identity::event(name, &self.id, detail, moment.published);
        let event = GameEvent::new(event_uuid, moment.published, kind);
        Sourced::game(moment.arrival, self.question.to_string(), event)
    }
}
