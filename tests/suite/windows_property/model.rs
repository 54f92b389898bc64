//! What must come of a world, computed from the rules as they are documented and from nothing that
//! the engine computes: each bet's decision, and with it every window.

use std::collections::{BTreeMap, BTreeSet};

use schemas::bet::Bet;
use schemas::bet_row::RejectReason;
use schemas::codec::Event;
use schemas::ids::{BetId, QuestionId};

use super::declared::MAX_SKEW;
use super::publications;
use super::told::{self, Met, Told};
use super::world::{What, World};

/// A bet as it was decided last.
#[derive(Debug, Clone, Copy)]
pub struct Decided {
    pub bet: Bet,
    pub rejected: Option<RejectReason>,
    pub version: u32,
    /// When the record came that was decided.
    pub arrived: i64,
    /// When it was decided; later than the arrival for what is redriven.
    pub effective: i64,
}

struct Model<'a> {
    world: &'a World,
    opened: BTreeSet<QuestionId>,
    bets: BTreeMap<BetId, Decided>,
    dead: Vec<String>,
    met: Met,
}

/// All that a node must tell of the world in the end, Parquet's bytes apart; and what the world has in
/// it.
pub fn told(world: &World) -> (Told, Met) {
    let mut model =
        Model { world, opened: BTreeSet::new(), bets: BTreeMap::new(), dead: Vec::new(), met: Met::default() };
    let mut told = Told::default();
    for step in &world.steps {
        match &step.what {
            What::Opened(number) => _ = model.opened.insert(world.questions[*number].id),
            What::Bet(bet) => model.meet(bet, step.at, step.at),
            What::Garbage(text) => model.refuse(step.at, "invalid", text.as_bytes()),
            What::Redrive => model.redrive(step.at),
            What::Look => {
                let accepted = model.accepted();
                world.windows.iter().for_each(|window| publications::look(window, &accepted, step.at, &mut told));
            }
        }
    }
    told.extend("bets", model.bets.values().map(|row| told::bet(&row.bet, row.rejected, row.version, row.arrived)));
    told.extend("dead letters", std::mem::take(&mut model.dead));
    let accepted = model.accepted();
    model.bets.values().filter_map(|row| row.rejected).for_each(|reason| model.met.one(reason.as_str()));
    for window in &world.windows {
        publications::tell(window, &accepted, &mut told, &mut model.met);
    }
    (told, model.met)
}

impl Model<'_> {
    fn accepted(&self) -> Vec<Decided> {
        self.bets.values().filter(|row| row.rejected.is_none()).copied().collect()
    }

    fn meet(&mut self, bet: &Bet, arrived: i64, effective: i64) {
        let earlier = self.bets.get(&bet.bet_uuid).copied();
        match earlier {
            Some(row) if row.bet != *bet => return self.refuse(arrived, "conflict", &bet.to_json()),
            // Only an unknown question can be decided again.
            Some(row) if row.rejected != Some(RejectReason::UnknownQuestion) => return self.met.one("repeat"),
            _ => {}
        }
        let question = self.world.questions.iter().find(|question| question.id == bet.question_uuid);
        let question = question.filter(|question| self.opened.contains(&question.id));
        let rejected = match question {
            _ if bet.placed_at.millis().abs_diff(arrived) > MAX_SKEW as u64 => Some(RejectReason::TooSkewed),
            None => Some(RejectReason::UnknownQuestion),
            Some(question) if bet.outcome_index >= question.outcomes => {
                return self.refuse(arrived, "invalid", &bet.to_json());
            }
            Some(question) if arrived > question.betting_end => Some(RejectReason::BettingClosed),
            Some(_) => None,
        };
        let row = Decided { bet: *bet, rejected, version: if earlier.is_some() { 2 } else { 1 }, arrived, effective };
        if earlier.is_some() && rejected.is_none() {
            self.met.one(if arrived < effective { "redriven" } else { "sent again" });
        }
        // A question that is unknown still changes nothing.
        if earlier.is_none() || rejected != Some(RejectReason::UnknownQuestion) {
            self.bets.insert(bet.bet_uuid, row);
        }
    }

    fn refuse(&mut self, arrived: i64, reason: &str, bytes: &[u8]) {
        self.met.one(reason);
        self.dead.push(told::dead_letter(arrived, reason, bytes));
    }

    fn redrive(&mut self, at: i64) {
        let unknown = |row: &&Decided| row.rejected == Some(RejectReason::UnknownQuestion);
        let waiting: Vec<Decided> = self.bets.values().filter(unknown).copied().collect();
        for row in waiting {
            self.meet(&row.bet, row.arrived, at);
        }
    }
}
