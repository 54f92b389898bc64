//! The ball-by-ball file that goes with a market, as `game_moment` events.
//!
//! Each line is `{"op":"ccm","pt":…,"cc":[…]}`. Two things of a change matter:
//!
//! - `incidentListWrapper.incidentList`: the latest few incidents, newest
//!   first. The lists slide, so one ball stands in several of them, with its
//!   batter only while it is the newest. An incident is the same when its
//!   type, qualifier, value, over and time are the same. A ball whose value
//!   is put right later is another moment, with `"corrects": true`.
//! - `fixtureInfo.eventStatus`: repeated in most changes; a moment when it
//!   differs from the last one (BALL_IN_PROGRESS, MATCH_COMPLETE,
//!   EVENT_CLOSED, …).
//!
//! A moment's `kind` is the incident's type or the status, its time the
//! message's `pt`: an incident's own `actualTime` may lie before balls already
//! told, and is kept among the fields.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use schemas::game_event::{GameEvent, GameEventKind};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::time::{Moment, RunningTime};
use super::{identity, opening};
use crate::sources::error::FieldError;
use crate::sources::{Input, SourceError, Sourced};

/// Incidents remembered for each match: a five-day Test has about 2,700 balls.
/// Beyond it the oldest are forgotten, and would be told again if repeated.
const MAX_REMEMBERED: usize = 16_384;

/// The Betfair event type of the file: cricket is what its format is for.
const CRICKET: &str = "4";

/// Opens an incidents file: plain, `.gz` or `.bz2` by its first bytes.
pub fn open(path: &Path) -> Result<Input, SourceError> {
    Input::open(path)
}

/// The moments of an incidents file, in the file's order. Ends at the first
/// error.
pub struct Replay {
    input: Input,
    time: RunningTime,
    matches: BTreeMap<String, Match>,
    queue: VecDeque<Sourced>,
    stats: Stats,
    ended: bool,
}

/// Running counts of one incidents file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Lines that held a message.
    pub messages: u64,
    /// Moments yielded.
    pub moments: u64,
    /// Incidents that a list repeated.
    pub repeated: u64,
}

/// What was told of one match.
#[derive(Default)]
struct Match {
    status: Option<String>,
    told: BTreeSet<Identity>,
    /// Balls told, as `(actualTime, overs)`: another incident at one corrects it.
    balls: BTreeSet<(i64, String)>,
}

/// What makes an incident the same one: time, over, type, qualifier, value.
type Identity = (i64, String, String, String, String);

impl Replay {
    /// The moments of an opened incidents file.
    pub fn new(input: Input) -> Self {
        Self {
            input,
            time: RunningTime::default(),
            matches: BTreeMap::new(),
            queue: VecDeque::new(),
            stats: Stats::default(),
            ended: false,
        }
    }

    /// What was read so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn read(&mut self) -> Result<bool, SourceError> {
        let Some(document) = self.input.next_json::<Message>()? else { return Ok(false) };
        self.stats.messages += 1;
        if document.value.op != "ccm" {
            return Ok(true);
        }
        let pt = document.value.pt.ok_or_else(|| FieldError::new("pt", "missing"));
        let moment = pt.and_then(|pt| self.time.advance(pt)).map_err(|error| document.locate(error))?;
        for change in document.value.cc.iter().flatten() {
            let state = self.matches.entry(change.event_id.to_string()).or_default();
            state.apply(change, moment, &mut self.stats, &mut self.queue);
        }
        Ok(true)
    }
}

impl Iterator for Replay {
    type Item = Result<Sourced, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(sourced) = self.queue.pop_front() {
                return Some(Ok(sourced));
            }
            if self.ended {
                return None;
            }
            match self.read() {
                Ok(more) => self.ended = !more,
                Err(error) => {
                    self.queue.clear();
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Match {
    fn apply(&mut self, change: &Change, moment: Moment, stats: &mut Stats, out: &mut VecDeque<Sourced>) {
        // The lists are newest first; what happened earlier is told earlier.
        let list = change.incidents.as_ref().and_then(|wrapper| wrapper.list.as_ref());
        for incident in list.into_iter().flatten().rev() {
            match self.incident(change, incident) {
                Some(fields) => push(change, &incident.incident_type, fields, moment, stats, out),
                None => stats.repeated += 1,
            }
        }
        let Some(info) = &change.fixture_info else { return };
        let Some(status) = &info.event_status else { return };
        if self.status.as_deref() == Some(&**status) {
            return;
        }
        self.status = Some(status.to_string());
        let mut fields = Map::new();
        put(&mut fields, "market_id", change.market_id.as_deref());
        put(&mut fields, "fixture_status", info.fixture_status.as_deref());
        put(&mut fields, "description", info.event_description.as_deref());
        push(change, status, fields, moment, stats, out);
    }

    /// The fields of an incident not told before.
    fn incident(&mut self, change: &Change, incident: &Incident) -> Option<Map<String, Value>> {
        let text = |value: &Option<Cow<str>>| value.as_deref().unwrap_or_default().to_owned();
        let time = incident.actual_time.unwrap_or_default();
        let overs = text(&incident.overs);
        let identity = (
            time,
            overs.clone(),
            incident.incident_type.to_string(),
            text(&incident.qualifier_type),
            text(&incident.value),
        );
        if !self.told.insert(identity) {
            return None;
        }
        let corrects = !self.balls.insert((time, overs));
        if self.told.len() > MAX_REMEMBERED {
            self.told.pop_first();
        }
        if self.balls.len() > MAX_REMEMBERED {
            self.balls.pop_first();
        }
        let mut fields = Map::new();
        put(&mut fields, "market_id", change.market_id.as_deref());
        put(&mut fields, "overs", incident.overs.as_deref());
        put(&mut fields, "qualifier", incident.qualifier_type.as_deref());
        put(&mut fields, "value", incident.value.as_deref());
        put(&mut fields, "participant", incident.participant_ref.as_deref());
        if let Some(innings) = incident.innings {
            fields.insert("innings".to_owned(), innings.into());
        }
        if let Some(time) = incident.actual_time {
            fields.insert("actual_time".to_owned(), time.into());
        }
        if corrects {
            fields.insert("corrects".to_owned(), true.into());
        }
        Some(fields)
    }
}

fn push(
    change: &Change,
    kind: &str,
    fields: Map<String, Value>,
    moment: Moment,
    stats: &mut Stats,
    out: &mut VecDeque<Sourced>,
) {
    // Everything the event holds is in its name, so one id is one body.
    let detail = format!("{kind} {}", Value::Object(fields.clone()));
    let event_uuid = identity::event("game_moment", &change.event_id, &detail, moment.published);
    let kind = GameEventKind::GameMoment { game: opening::game(CRICKET), kind: kind.to_owned(), fields };
    let key = identity::stream(&change.event_id).to_string();
    stats.moments += 1;
    out.push_back(Sourced::game(moment.arrival, key, GameEvent::new(event_uuid, moment.published, kind)));
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    pt: Option<i64>,
    #[serde(borrow)]
    cc: Option<Vec<Change<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    market_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    fixture_info: Option<FixtureInfo<'a>>,
    #[serde(rename = "incidentListWrapper", borrow)]
    incidents: Option<IncidentList<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FixtureInfo<'a> {
    #[serde(borrow)]
    event_status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    fixture_status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_description: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct IncidentList<'a> {
    #[serde(rename = "incidentList", borrow)]
    list: Option<Vec<Incident<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Incident<'a> {
    #[serde(borrow)]
    incident_type: Cow<'a, str>,
    #[serde(borrow)]
    qualifier_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    value: Option<Cow<'a, str>>,
    #[serde(borrow)]
    overs: Option<Cow<'a, str>>,
    #[serde(borrow)]
    participant_ref: Option<Cow<'a, str>>,
    innings: Option<u32>,
    actual_time: Option<i64>,
}
