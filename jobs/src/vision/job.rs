//! The vision job as the engine runs it: frames and the openings of questions in one order, one commit.
//!
//! Frames are looked at where records are decoded, a batch at a time; applying what was seen is pure. What tells
//! a repeated frame is the broadcast's row, so no decision is kept of each.

use pipeline::dead_letter::{self, Reject};
use pipeline::job::{At, Decided, DecisionKey, Effects, Input, Job};
use pipeline::metrics::{Metric, Metrics};
use pipeline::record::Append;
use pipeline::rows::Rows;
use pipeline::{Error, Result};
use schemas::codec::Event as _;
use schemas::frame::Frame;
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::ids::{EventId, QuestionId, StreamId, derive};
use schemas::question::{QuestionSpec, Rule, Source};
use schemas::row::Row;
use schemas::time::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

use super::VisionOptions;
use super::row::{Evidence, Glance, MAX_WATCHES, Said, Smoothing, VisionRow};
use super::sight::{Look, Seen, Sight};
use crate::betting::{announce, decisions_only};
use crate::partition;

/// The number of the input `game-events`.
const GAME_EVENTS: usize = 0;

/// The job.
pub struct Vision {
    inputs: Vec<Input>,
    sight: Sight,
    smoothing: Smoothing,
    metrics: Metrics,
}

/// A record of one of its inputs.
#[derive(Debug)]
pub enum Event {
    /// A question that a rule answers was opened.
    Opened { event: EventId, question: QuestionId, stream: StreamId, rule: Rule },
    /// A broadcast ended.
    Ended { event: EventId, stream: StreamId },
    /// A game event of no concern here.
    Other,
    /// A frame, and what was seen in it where there was time to look.
    Frame { frame: Shown, seen: Option<Seen> },
}

/// A frame without its picture.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    stream: StreamId,
    sequence: u64,
    captured_at: Timestamp,
    fingerprint: u64,
}

/// It leaves no facts.
type Nothing = std::convert::Infallible;

impl Vision {
    /// Loads the models. What is seen is counted in `metrics`.
    ///
    /// # Errors
    /// `Fatal` for weights or a device that cannot be used.
    pub fn load(options: VisionOptions, metrics: Metrics) -> Result<Vision> {
        let inputs = vec![
            Input { stream: GameEvent::STREAM, decisions: decisions_only("vision.game-events") },
            Input { stream: Frame::STREAM, decisions: decisions_only("vision.frames") },
        ];
        let smoothing = Smoothing { confidence: options.confidence, frames: options.frames, of: options.of };
        Ok(Vision { inputs, sight: Sight::load(options, metrics.clone())?, smoothing, metrics })
    }

    /// The states that rules can name.
    pub fn states(&self) -> &[String] {
        self.sight.states()
    }

    fn see(&self, frame: &Shown, seen: &Seen, at: &At, row: &mut VisionRow, effects: &mut Effects) {
        let glance = Glance { sequence: frame.sequence, class: seen.class, probability: seen.probability };
        for said in row.see(glance, self.sight.hash(), self.states(), &self.smoothing) {
            let event = match said {
                Said::State { before, now, evidence } => self.state_changed(frame, seen, before, now, evidence),
                Said::Answer { question, outcome_index, state, evidence } => {
                    self.observed(frame, question, outcome_index, &state, &evidence)
                }
                Said::Unanswered { question, state } => {
                    effects.notes.push(unanswered(question, &format!("{state:?} ended its round")));
                    continue;
                }
            };
            let record = Append::new(partition::of_game_event(&event), event.to_json()).arrived(at.now);
            effects.emits.push((GameEvent::STREAM, record));
        }
    }

    fn state_changed(
        &self,
        frame: &Shown,
        seen: &Seen,
        before: Option<u16>,
        now: u16,
        rests_on: Evidence,
    ) -> GameEvent {
        let name = |class: u16| self.states().get(usize::from(class)).cloned().unwrap_or_default();
        let (stream, model) = (frame.stream, self.sight.hash());
        let id = derive("vision.state", &[stream.as_bytes(), &frame.sequence.to_be_bytes(), model.as_bytes()]);
        let kind = GameEventKind::StateChanged {
            stream_uuid: stream,
            state: name(now),
            before: before.map(name),
            confidence: rests_on.confidence,
            frames: rests_on.frames,
            detections: seen.found.clone().unwrap_or_default(),
            model: model.to_owned(),
        };
        GameEvent::new(EventId::from_bytes(*id.as_bytes()), frame.captured_at, kind)
    }

    fn observed(
        &self,
        frame: &Shown,
        question: QuestionId,
        outcome: u16,
        state: &str,
        rests_on: &Evidence,
    ) -> GameEvent {
        let frames: Vec<String> = rests_on.frames.iter().map(u64::to_string).collect();
        let (stream, model) = (frame.stream, &self.sight.hash()[..12]);
        let kind = GameEventKind::OutcomeObserved {
            question_uuid: question,
            outcome_index: outcome,
            source: Source::Vision,
            confidence: rests_on.confidence,
            evidence: Some(format!("{state} in frames {} of stream {stream}, model {model}", frames.join(", "))),
        };
        // A question is answered once, whatever is read again.
        let id = derive("vision.answer", &[question.as_bytes()]);
        GameEvent::new(EventId::from_bytes(*id.as_bytes()), frame.captured_at, kind)
    }
}

/// Whether a question's rule names states that the models know.
///
/// # Errors
/// `Invalid`, with the field and the states there are.
pub fn check_rule(question: &QuestionSpec, states: &[String]) -> std::result::Result<(), Reject> {
    match question.rule.as_ref().and_then(|rule| unknown_state(rule, states)) {
        None => Ok(()),
        Some(unknown) => Err(Reject::invalid(format!(
            "question.rule: the models see no state {unknown:?}; they know {}",
            states.join(", ")
        ))),
    }
}

fn unknown_state<'a>(rule: &'a Rule, states: &[String]) -> Option<&'a str> {
    rule.states().find(|named| !states.iter().any(|state| state == named))
}

fn unanswered(question: QuestionId, why: &str) -> String {
    format!("question {question}: {why}, and its rule was not met; another source must answer it")
}

/// What concerns this job in a game event. One that cannot be decoded is the betting job's to set aside.
fn concern(data: &[u8]) -> Event {
    match GameEvent::decode(data) {
        Ok(GameEvent { event_uuid: event, kind: GameEventKind::QuestionOpened { question }, .. }) => {
            match (question.stream_uuid, question.rule) {
                (Some(stream), Some(rule)) => {
                    Event::Opened { event, question: question.question_uuid, stream, rule: *rule }
                }
                _ => Event::Other,
            }
        }
        Ok(GameEvent { event_uuid: event, kind: GameEventKind::StreamEnded { stream_uuid: stream }, .. }) => {
            Event::Ended { event, stream }
        }
        _ => Event::Other,
    }
}

impl Job for Vision {
    type Event = Event;
    type Key = StreamId;
    type Row = VisionRow;
    type Fact = Nothing;

    fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    fn decode(&self, input: usize, data: &[u8]) -> std::result::Result<Event, Reject> {
        let mut decoded = self.decode_batch(&[(input, data)]).map_err(Reject::invalid)?;
        decoded.pop().unwrap_or(Ok(Event::Other))
    }

    fn decode_batch(&self, records: &[(usize, &[u8])]) -> Result<Vec<std::result::Result<Event, Reject>>> {
        let frame = |(input, data): &(usize, &[u8])| (*input != GAME_EVENTS).then(|| Frame::decode(data));
        let frames: Vec<_> = records.iter().map(frame).collect();
        let good: Vec<&Frame> = frames.iter().flatten().flatten().collect();
        let mut looks = self.sight.look(&good)?.into_iter();
        let event = |((_, data), frame): (&(usize, &[u8]), _)| {
            let frame: Frame = match frame {
                None => return Ok(concern(data)),
                Some(decoded) => match decoded {
                    Ok(frame) => frame,
                    Err(cause) => return Err(Reject::invalid(cause)),
                },
            };
            let Frame { stream_uuid: stream, sequence, captured_at, .. } = frame;
            let shown = Shown { stream, sequence, captured_at, fingerprint: xxh3_64(data) };
            match looks.next() {
                Some(Look::Seen(seen)) => Ok(Event::Frame { frame: shown, seen: Some(seen) }),
                Some(Look::Bad(why)) => Err(Reject::invalid(format!("frame {sequence} of stream {stream}: {why}"))),
                Some(Look::Passed) | None => Ok(Event::Frame { frame: shown, seen: None }),
            }
        };
        Ok(records.iter().zip(frames).map(event).collect())
    }

    fn decision(&self, event: &Event) -> DecisionKey {
        match event {
            Event::Opened { event, .. } | Event::Ended { event, .. } => {
                DecisionKey { id: *event.as_bytes(), fingerprint: 0 }
            }
            Event::Other => DecisionKey { id: [0; 16], fingerprint: 0 },
            Event::Frame { frame: Shown { stream, sequence, fingerprint, .. }, .. } => {
                let id = derive("vision.frame", &[stream.as_bytes(), &sequence.to_be_bytes()]);
                DecisionKey { id: *id.as_bytes(), fingerprint: *fingerprint }
            }
        }
    }

    fn needs(&self, event: &Event, keys: &mut Vec<StreamId>) {
        match event {
            Event::Opened { stream, .. } | Event::Ended { stream, .. } => keys.push(*stream),
            Event::Frame { frame, .. } => keys.push(frame.stream),
            Event::Other => {}
        }
    }

    fn apply(
        &self,
        event: &Event,
        at: &At,
        rows: &mut Rows<StreamId, VisionRow>,
        effects: &mut Effects,
    ) -> std::result::Result<Decided<Nothing>, Reject> {
        let mut decided = Decided { fact: None, open: false, kept: true };
        match event {
            Event::Other => decided.kept = false,
            Event::Opened { question, stream, rule, .. } => {
                let row = rows.change(*stream, VisionRow::default);
                let known = row.watches.iter().any(|watch| watch.question == *question);
                // An opening that the main job refuses is nobody's question.
                if !known && unknown_state(rule, self.states()).is_none() {
                    let why = format!("stream {stream} has {MAX_WATCHES} newer ones");
                    effects.notes.extend(row.watch(*question, rule.clone()).map(|oldest| unanswered(oldest, &why)));
                }
            }
            Event::Ended { stream, .. } => {
                let row = rows.change(*stream, VisionRow::default);
                let why = format!("stream {stream} ended");
                effects.notes.extend(row.watches.drain(..).map(|watch| unanswered(watch.question, &why)));
                // A broadcast that begins again may count from the start.
                *row = VisionRow::default();
            }
            Event::Frame { frame, seen } => {
                decided.kept = false;
                let row = rows.change(frame.stream, VisionRow::default);
                match (row.is_new(frame.sequence), seen) {
                    (true, Some(seen)) => self.see(frame, seen, at, row, effects),
                    (false, Some(_)) => self.metrics.add(Metric::VisionSkipped, 1),
                    (_, None) => {}
                }
            }
        }
        Ok(decided)
    }

    fn announce(&self, letter: &dead_letter::DeadLetter) -> Option<(&'static str, Append)> {
        Some(announce(letter))
    }

    fn locate(&self, key: &StreamId) -> (&'static str, Vec<u8>) {
        (VisionRow::TABLE, key.as_bytes().to_vec())
    }

    fn encode(&self, row: &VisionRow) -> Vec<u8> {
        row.to_bytes()
    }

    fn restore(&self, _key: &StreamId, bytes: &[u8]) -> Result<VisionRow> {
        VisionRow::from_bytes(bytes).map_err(Error::corrupt)
    }
}
