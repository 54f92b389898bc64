//! The first definition of a market: its streamer, its stream, its question.

use std::collections::VecDeque;

use schemas::game_event::{GameEvent, GameEventKind};
use schemas::question::{QuestionSpec, Winners};
use schemas::stream::StreamSpec;
use schemas::streamer::StreamerSpec;
use schemas::time::Timestamp;

use super::identity;
use super::ladder::RunnerKey;
use super::market::{Cast, Market, Outcome, Phase};
use super::message::{Definition, Runner};
use super::settling::Status;
use super::time::Moment;
use crate::sources::Sourced;
use crate::sources::error::FieldError;

/// Polygon, where the collateral of the product's other questions sits. The
/// exchange's own volume is on no chain.
pub(super) const CHAIN_ID: u64 = 137;

/// How long after the scheduled start bets are taken at most. The exchange
/// says when betting ends by closing the market; in-play betting goes on after
/// the start, and a five-day match with rain days stays within 30 days.
const BETTING_BACKSTOP_MS: i64 = 30 * 24 * 3_600_000;

/// As many outcomes as a question may have.
const MAX_OUTCOMES: usize = 1024;

impl Market {
    /// Opens the question with the definition's runners.
    pub(super) fn open(
        &mut self,
        definition: &Definition,
        moment: Moment,
        cast: &mut Cast,
        out: &mut VecDeque<Sourced>,
    ) -> Result<(), FieldError> {
        start_stream(definition, moment, cast, out);
        self.priced = priced(definition);
        self.add_outcomes(&definition.runners)?;
        let question = self.question_spec(definition)?;
        out.push_back(self.event("question_opened", "", moment, GameEventKind::QuestionOpened { question }));
        self.phase = Phase::Open;
        cast.stats.markets += 1;
        Ok(())
    }

    fn add_outcomes(&mut self, runners: &[Runner]) -> Result<(), FieldError> {
        let mut new: Vec<(u32, RunnerKey, &Runner)> = Vec::new();
        for runner in runners {
            let key = RunnerKey::new(runner.id, runner.hc)?;
            if !self.outcomes.contains_key(&key) {
                new.push((runner.sort_priority.unwrap_or(u32::MAX), key, runner));
            }
        }
        // Stable: equal priorities keep the definition's order.
        new.sort_by_key(|(priority, _, _)| *priority);
        for (_, key, runner) in new {
            if self.outcomes.contains_key(&key) {
                return Err(FieldError::new("runners", format!("runner {key} is defined twice")));
            }
            if self.outcomes.len() == MAX_OUTCOMES {
                let detail = format!("more than {MAX_OUTCOMES} runners; a question has no more outcomes than that");
                return Err(FieldError::new("runners", detail));
            }
            let index = u16::try_from(self.outcomes.len()).unwrap_or(u16::MAX);
            let name = runner.name.as_ref().map_or_else(|| format!("Runner {key}"), |name| name.to_string());
            self.outcomes.insert(key, Outcome { index, name, status: Status::Running, observed: false });
        }
        Ok(())
    }

    fn question_spec(&self, definition: &Definition) -> Result<QuestionSpec, FieldError> {
        let start =
            Timestamp::parse_rfc3339(&definition.market_time).map_err(|error| FieldError::new("marketTime", error))?;
        Ok(QuestionSpec {
            question_uuid: self.question,
            game: game(&definition.event_type_id),
            question: self.text(definition),
            outcomes: self.outcome_names(),
            question_id: None,
            owner_address: None,
            oracle_address: None,
            chain_id: CHAIN_ID,
            collateral_token: None,
            fpmm_address: None,
            betting_end_time: start.saturating_add(BETTING_BACKSTOP_MS),
            streamer: Some(identity::streamer()),
            stream_uuid: Some(identity::stream(&definition.event_id)),
            source_id: Some(format!("betfair:{}", self.id)),
            outcome_ids: self.in_order(|key, _| key.to_string()),
            quorum: 1,
            collateral_decimals: 6,
            winners: winners(definition.number_of_winners, self.outcomes.len()),
            rule: None,
        })
    }

    /// Match and market as far as the definition names them: recordings of the
    /// live stream have no names, the exchange's own files do.
    fn text(&self, definition: &Definition) -> String {
        let market = definition.name.as_ref().or(definition.market_type.as_ref());
        match (&definition.event_name, market) {
            (Some(event), Some(market)) => format!("{event}: {market}"),
            (Some(event), None) => event.to_string(),
            (None, Some(market)) => format!("{market} of Betfair event {}", definition.event_id),
            (None, None) => format!("Betfair market {}", self.id),
        }
    }

    fn outcome_names(&self) -> Vec<String> {
        self.in_order(|_, outcome| outcome.name.clone())
    }

    fn in_order(&self, text: impl Fn(&RunnerKey, &Outcome) -> String) -> Vec<String> {
        let mut ordered: Vec<_> = self.outcomes.iter().collect();
        ordered.sort_by_key(|(_, outcome)| outcome.index);
        ordered.into_iter().map(|(key, outcome)| text(key, outcome)).collect()
    }
}

/// Introduces the exchange as a streamer, once, and the match's stream, once.
fn start_stream(definition: &Definition, moment: Moment, cast: &mut Cast, out: &mut VecDeque<Sourced>) {
    let at = moment.published;
    let address = identity::streamer();
    if !cast.streamer_known {
        cast.streamer_known = true;
        let streamer = StreamerSpec { address, username: identity::STREAMER_NAME.to_owned() };
        let key = address.to_string();
        let event_uuid = identity::event("streamer_upserted", &key, "", at);
        let event = GameEvent::new(event_uuid, at, GameEventKind::StreamerUpserted { streamer });
        out.push_back(Sourced::game(moment.arrival, key, event));
    }
    if cast.streams_known.insert(definition.event_id.to_string()) {
        let stream_uuid = identity::stream(&definition.event_id);
        let stream = StreamSpec {
            stream_uuid,
            stream_url: format!("https://www.betfair.com/exchange/plus/event/{}", definition.event_id),
            platform: "betfair".to_owned(),
            game: game(&definition.event_type_id),
            streamer: Some(address),
        };
        let key = stream_uuid.to_string();
        let event_uuid = identity::event("stream_started", &key, "", at);
        let event = GameEvent::new(event_uuid, at, GameEventKind::StreamStarted { stream });
        out.push_back(Sourced::game(moment.arrival, key, event));
    }
}

/// Whether prices are decimal odds: not so where one bets on a line.
fn priced(definition: &Definition) -> bool {
    !matches!(definition.betting_type.as_deref(), Some("LINE" | "RANGE"))
}

/// The game of a Betfair event type.
pub(super) fn game(event_type_id: &str) -> String {
    let name = match event_type_id {
        "1" => "soccer",
        "2" => "tennis",
        "3" => "golf",
        "4" => "cricket",
        "5" => "rugby-union",
        "6" => "boxing",
        "7" => "horse-racing",
        "8" => "motor-sport",
        "1477" => "rugby-league",
        "3503" => "darts",
        "4339" => "greyhound-racing",
        "6422" => "snooker",
        "6423" => "american-football",
        "7511" => "baseball",
        "7522" => "basketball",
        "7524" => "ice-hockey",
        "61420" => "australian-rules",
        "2378961" => "politics",
        "26420387" => "mixed-martial-arts",
        "27454571" => "esports",
        other => return format!("betfair-event-type-{other}"),
    };
    name.to_owned()
}

/// Places that pay, as the exchange counts them; handicap and line markets say 0.
fn winners(places: Option<u16>, outcomes: usize) -> Winners {
    let most = u16::try_from(outcomes).unwrap_or(u16::MAX).max(1);
    Winners(places.unwrap_or(1).clamp(1, most))
}
