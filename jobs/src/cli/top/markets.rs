//! The busiest markets and their odds, window by window.
//!
//! Life of a market here: found by a survey of all questions → its windows of the last hours read
//! once → from then on only the newest windows are read → forgotten when others are busier.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use pipeline::Result;
use schemas::money::Total;
use schemas::odds::Odds;
use schemas::question::QuestionState;
use schemas::time::Timestamp;

use super::cells::{Row, ask, keys, rows};
use super::model::{HISTORY_WINDOWS, MARKETS, Market, Outcome};
use crate::bets::odds::{LENGTH_MS, NAME};
use crate::control::Access;

/// Bets come out of order, by half a minute or so: the window before the newest still changes.
const OPEN_WINDOWS: i64 = 2;
/// What a market's rows hold.
const COLUMNS: &str =
    "question_uuid, question, state, outcomes, stake_by_outcome, bets_by_outcome, betting_end_time, closed_at";

/// An outcome's place: its question and its index.
type Place = (String, u16);

/// An outcome's odds in one window.
#[derive(Debug, Clone, Copy)]
struct Window {
    first: Odds,
    last: Odds,
}

/// The markets shown.
#[derive(Debug, Default)]
pub struct Markets {
    chosen: Vec<Known>,
    /// By the start of the window, of the chosen markets.
    windows: BTreeMap<Place, BTreeMap<i64, Window>>,
    /// Markets whose earlier windows have been read.
    read: BTreeSet<String>,
    /// Odds in the snapshot before.
    before: BTreeMap<Place, Odds>,
    /// Questions there are.
    pub known: u64,
    /// Those of them that take bets.
    pub open: u64,
}

/// A question as its row says.
#[derive(Debug, Clone)]
struct Known {
    question_uuid: String,
    question: String,
    state: String,
    outcomes: Vec<String>,
    stakes: Vec<Total>,
    bets: Vec<u64>,
    /// No bet is accepted that arrives later.
    ends: Timestamp,
}

impl Known {
    fn of(row: Row<'_>) -> Result<Known> {
        let ends = row.time("closed_at")?.or(row.time("betting_end_time")?);
        Ok(Known {
            question_uuid: row.text("question_uuid")?,
            question: row.text("question")?,
            state: row.text("state")?,
            outcomes: row.texts("outcomes")?,
            stakes: row.amounts("stake_by_outcome")?,
            bets: row.numbers("bets_by_outcome")?,
            ends: ends.unwrap_or(Timestamp::MAX),
        })
    }

    fn is_open(&self) -> bool {
        self.state == QuestionState::Open.as_str()
    }

    /// Markets in play first, then those with the most money on them.
    fn rank(&self) -> impl Ord + use<> {
        let playing = self.is_open() || self.state == QuestionState::Paused.as_str();
        (Reverse(playing), Reverse(sum(&self.stakes)), self.question_uuid.clone())
    }
}

fn sum(amounts: &[Total]) -> Total {
    amounts.iter().try_fold(Total::ZERO, |sum, amount| sum.checked_add(*amount)).unwrap_or_default()
}

impl Markets {
    /// Looks through all questions for the busiest ones.
    ///
    /// Costs a read of every question's row and totals: about a millisecond for a hundred. Eight
    /// are kept at a time, whatever their number.
    pub async fn survey(&mut self, access: &Access) -> Result<()> {
        let mut batches = access.sql(&format!("SELECT {COLUMNS} FROM questions")).await?.batches;
        let (mut chosen, mut known, mut open) = (Vec::new(), 0, 0);
        while let Some(batch) = batches.next().await {
            for row in rows(&[batch?]) {
                let market = Known::of(row)?;
                known += 1;
                open += u64::from(market.is_open());
                chosen.push(market);
            }
            chosen.sort_by_cached_key(Known::rank);
            chosen.truncate(MARKETS);
        }
        (self.chosen, self.known, self.open) = (chosen, known, open);
        let chosen: BTreeSet<String> = self.chosen.iter().map(|market| market.question_uuid.clone()).collect();
        self.windows.retain(|(question, _), _| chosen.contains(question));
        self.read.retain(|question| chosen.contains(question));
        Ok(())
    }

    /// Whether a chosen market's earlier windows have not been read.
    pub fn is_new(&self) -> bool {
        self.chosen.iter().any(|market| !self.read.contains(&market.question_uuid))
    }

    /// Reads the chosen markets' rows and windows again, as of a pipeline's time.
    ///
    /// Costs eight reads by key and the newest windows; once for each new market, thirty windows
    /// more. A closed window is one stored value with the rows of all markets; open ones are made
    /// from their partials.
    pub async fn refresh(&mut self, access: &Access, now: Timestamp) -> Result<()> {
        if self.chosen.is_empty() {
            return Ok(());
        }
        let ids = keys(self.chosen.iter().map(|market| market.question_uuid.as_str()));
        let batches = ask(access, &format!("SELECT {COLUMNS} FROM questions WHERE question_uuid IN ({ids})")).await?;
        for row in rows(&batches) {
            let fresh = Known::of(row)?;
            if let Some(market) = self.chosen.iter_mut().find(|market| market.question_uuid == fresh.question_uuid) {
                *market = fresh;
            }
        }
        for market in self.chosen.clone() {
            if self.read.insert(market.question_uuid.clone()) {
                // One that is over ended before the pipeline's time, by days perhaps.
                let to = market.ends.min(now);
                let from = to.saturating_add(-LENGTH_MS * (HISTORY_WINDOWS as i64 + OPEN_WINDOWS));
                let id = keys(std::iter::once(market.question_uuid.as_str()));
                self.read_windows(access, &id, &format!("window_start >= '{from}' AND window_start <= '{to}'")).await?;
            }
        }
        let newest = self.newest().unwrap_or_else(|| now.millis());
        let from = Timestamp::from_millis_clamped(newest).saturating_add(-LENGTH_MS * OPEN_WINDOWS);
        self.read_windows(access, &ids, &format!("window_start >= '{from}'")).await?;
        self.forget();
        Ok(())
    }

    async fn read_windows(&mut self, access: &Access, ids: &str, starts: &str) -> Result<()> {
        let query = format!(
            "SELECT question_uuid, outcome_index, window_start, first_odds, last_odds FROM odds_windows \
             WHERE window_name = '{NAME}' AND {starts} AND question_uuid IN ({ids})"
        );
        for row in rows(&ask(access, &query).await?) {
            let place = (row.text("question_uuid")?, row.small("outcome_index")?);
            let odds = row.odds("first_odds")?.zip(row.odds("last_odds")?);
            if let Some((start, (first, last))) = row.time("window_start")?.zip(odds) {
                self.windows.entry(place).or_default().insert(start.millis(), Window { first, last });
            }
        }
        Ok(())
    }

    /// The start of the newest window of any chosen market.
    fn newest(&self) -> Option<i64> {
        self.windows.values().filter_map(|windows| windows.last_key_value()).map(|(start, _)| *start).max()
    }

    fn forget(&mut self) {
        for windows in self.windows.values_mut() {
            while windows.len() > HISTORY_WINDOWS {
                windows.pop_first();
            }
        }
    }

    /// The markets as they stand; what they show is compared with at the next call.
    pub fn show(&mut self) -> Vec<Market> {
        let newest = self.newest();
        let markets: Vec<Market> = self.chosen.iter().map(|market| self.market(market, newest)).collect();
        self.before = self
            .windows
            .iter()
            .filter_map(|(place, windows)| Some((place.clone(), windows.last_key_value()?.1.last)))
            .collect();
        markets
    }

    fn market(&self, market: &Known, newest: Option<i64>) -> Market {
        let places = || (0..=u16::MAX).map(|index| (market.question_uuid.clone(), index)).take(market.outcomes.len());
        let windows: Vec<_> = places().map(|place| self.windows.get(&place)).collect();
        // An open market's chart ends with the newest window of any, so that silence is seen; that
        // of one that is over with its own last one.
        let own =
            windows.iter().flatten().filter_map(|windows| windows.last_key_value()).map(|(start, _)| *start).max();
        let end = if market.is_open() { newest } else { own };
        let last =
            |index: usize| windows[index].and_then(|windows| windows.last_key_value()).map(|(_, window)| *window);
        let outcome = |(index, (name, place)): (usize, (&String, Place))| Outcome {
            name: name.clone(),
            odds: last(index).map(|window| window.last),
            opened_at: last(index).map(|window| window.first),
            odds_before: self.before.get(&place).copied(),
            history: history(windows[index], end),
            bets: market.bets.get(index).copied().unwrap_or(0),
            stake: market.stakes.get(index).copied().unwrap_or_default(),
        };
        Market {
            question_uuid: market.question_uuid.clone(),
            question: market.question.clone(),
            state: market.state.clone(),
            bets: market.bets.iter().sum(),
            stake: sum(&market.stakes),
            outcomes: market.outcomes.iter().zip(places()).enumerate().map(outcome).collect(),
        }
    }
}

/// The windows that end with the one that starts at `end`, oldest first.
fn history(windows: Option<&BTreeMap<i64, Window>>, end: Option<i64>) -> Vec<Option<Odds>> {
    let (Some(windows), Some(end)) = (windows, end) else { return vec![None; HISTORY_WINDOWS] };
    let start = |back: usize| end - LENGTH_MS * back as i64;
    (0..HISTORY_WINDOWS).rev().map(|back| windows.get(&start(back)).map(|window| window.last)).collect()
}
