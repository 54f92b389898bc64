//! What is remembered of a broadcast, and what a frame adds to it.
//!
//! A state stands once it was seen in k of the latest n frames and the one before it in fewer than n − k of them
//! (hysteresis: two that alternate change nothing). Frames in which the classifier is not sure count for nobody, so
//! that a state does not end with a picture that shows nothing. The rule of a question counts frames the same way,
//! with numbers of its own and from the one at which the question was opened; once met it is met.

use std::collections::VecDeque;

use minicbor::{Decode, Encode};
use schemas::ids::QuestionId;
use schemas::probability::Probability;
use schemas::question::{MAX_OF, Rule};
use schemas::row::Row;

/// Frames remembered of a broadcast.
pub const REMEMBERED: usize = MAX_OF as usize;
/// Questions of a broadcast that rules answer at once, at most: with rules of 16 answers they are 350 KB.
pub const MAX_WATCHES: usize = 64;

/// A row of `vision`: a broadcast as the models see it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct VisionRow {
    /// The hash of the classifier's weights that saw what is remembered.
    #[n(0)]
    pub model: String,
    /// The sequence number of the last frame, looked at or passed over.
    #[n(1)]
    pub last: Option<u64>,
    /// The state that stands: the number of a class.
    #[n(2)]
    pub state: Option<u16>,
    /// The latest frames that were looked at, oldest first.
    #[n(3)]
    pub glances: VecDeque<Glance>,
    /// Questions that wait for an answer.
    #[n(4)]
    pub watches: Vec<Watch>,
}

impl Row for VisionRow {
    const TABLE: &'static str = "vision";
}

/// What the classifier saw in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Glance {
    /// The frame's number in its broadcast.
    #[n(0)]
    pub sequence: u64,
    /// The most probable class.
    #[n(1)]
    pub class: u16,
    /// How probable it is.
    #[n(2)]
    pub probability: Probability,
}

/// A question that a rule answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Watch {
    /// Which question.
    #[n(0)]
    pub question: QuestionId,
    /// Its rule.
    #[n(1)]
    pub rule: Rule,
    /// Frames up to this one do not count.
    #[n(2)]
    pub after: Option<u64>,
}

/// When a state stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smoothing {
    /// How sure the classifier must be for a frame to count.
    pub confidence: Probability,
    /// Seen in so many …
    pub frames: usize,
    /// … of so many of the latest frames.
    pub of: usize,
}

/// Frames that agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Their mean confidence, rounded down.
    pub confidence: Probability,
    /// Their numbers, oldest first.
    pub frames: Vec<u64>,
}

/// What a frame leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Another state stands.
    State { before: Option<u16>, now: u16, evidence: Evidence },
    /// A question's rule is met.
    Answer { question: QuestionId, outcome_index: u16, state: String, evidence: Evidence },
    /// The round ended before a question's rule was met.
    Unanswered { question: QuestionId, state: String },
}

impl VisionRow {
    /// Begins to watch for a question's answer. Of too many the oldest gives way: the question that waits for it.
    pub fn watch(&mut self, question: QuestionId, rule: Rule) -> Option<QuestionId> {
        self.watches.push(Watch { question, rule, after: self.last });
        (self.watches.len() > MAX_WATCHES).then(|| self.watches.remove(0).question)
    }

    /// Whether a frame is newer than all before it; it counts as the last one then.
    pub fn is_new(&mut self, sequence: u64) -> bool {
        let new = self.last.is_none_or(|last| sequence > last);
        self.last = if new { Some(sequence) } else { self.last };
        new
    }

    /// Takes in what was seen by a model with these classes. What another model saw is forgotten first.
    pub fn see(&mut self, glance: Glance, model: &str, classes: &[String], rules: &Smoothing) -> Vec<Said> {
        if self.model != model {
            (self.model, self.state) = (model.to_owned(), None);
            self.glances.clear();
        }
        self.glances.push_back(glance);
        while self.glances.len() > REMEMBERED {
            self.glances.pop_front();
        }
        let mut said = self.answers(classes, rules);
        let stands = (self.state != Some(glance.class) && self.has_faded(rules))
            .then(|| self.agreeing(glance.class, rules.frames, rules.of, None, rules.confidence))
            .flatten();
        if let Some(evidence) = stands {
            let before = self.state.replace(glance.class);
            said.push(Said::State { before, now: glance.class, evidence });
            said.extend(self.end_round(glance.class, classes));
        }
        said
    }

    /// Whether the state that stands was hardly seen of late.
    fn has_faded(&self, rules: &Smoothing) -> bool {
        let Some(state) = self.state else { return true };
        let latest = self.glances.iter().rev().take(rules.of);
        let seen = latest.filter(|glance| glance.class == state && glance.probability >= rules.confidence).count();
        seen < (rules.of - rules.frames).max(1)
    }

    /// The questions whose rules are met now: they wait no more.
    fn answers(&mut self, classes: &[String], rules: &Smoothing) -> Vec<Said> {
        let mut said = Vec::new();
        let watches = std::mem::take(&mut self.watches);
        for watch in watches {
            match self.answer(&watch, classes, rules) {
                Some(answer) => said.push(answer),
                None => self.watches.push(watch),
            }
        }
        said
    }

    fn answer(&self, watch: &Watch, classes: &[String], rules: &Smoothing) -> Option<Said> {
        watch.rule.answers.iter().find_map(|answer| {
            let class = (0..).zip(classes).find(|(_, name)| **name == answer.state)?.0;
            let (frames, of) = (usize::from(answer.frames), usize::from(answer.of));
            let evidence = self.agreeing(class, frames, of, watch.after, rules.confidence)?;
            let (question, outcome_index, state) = (watch.question, answer.outcome_index, answer.state.clone());
            Some(Said::Answer { question, outcome_index, state, evidence })
        })
    }

    /// The questions whose round ends with a state.
    fn end_round(&mut self, class: u16, classes: &[String]) -> Vec<Said> {
        let Some(state) = classes.get(usize::from(class)) else { return Vec::new() };
        let over = |watch: &mut Watch| watch.rule.until.as_ref() == Some(state);
        let over = self.watches.extract_if(.., over);
        over.map(|watch| Said::Unanswered { question: watch.question, state: state.clone() }).collect()
    }

    /// The frames in which a class was seen, if they are `frames` of the latest `of` after a number.
    fn agreeing(
        &self,
        class: u16,
        frames: usize,
        of: usize,
        after: Option<u64>,
        least: Probability,
    ) -> Option<Evidence> {
        let latest =
            self.glances.iter().rev().take(of).take_while(|glance| after.is_none_or(|at| glance.sequence > at));
        let mut agreeing: Vec<&Glance> =
            latest.filter(|glance| glance.class == class && glance.probability >= least).collect();
        if agreeing.len() < frames.max(1) {
            return None;
        }
        agreeing.reverse();
        let sum: u64 = agreeing.iter().map(|glance| u64::from(glance.probability.micros())).sum();
        let mean = u32::try_from(sum / agreeing.len() as u64).ok().and_then(Probability::from_micros);
        let frames = agreeing.iter().map(|glance| glance.sequence).collect();
        Some(Evidence { confidence: mean.unwrap_or(Probability::ZERO), frames })
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use schemas::question::Answer;

    use super::*;

    const CLASSES: [&str; 3] = ["playing", "cleared", "dead"];

    fn classes() -> Vec<String> {
        CLASSES.map(str::to_owned).to_vec()
    }

    /// A frame a letter: p, c and d are seen surely, P, C and D not; `.` is none.
    fn glance(sequence: u64, letter: char) -> Option<Glance> {
        let class = "pcd".find(letter.to_ascii_lowercase())? as u16;
        let micros = if letter.is_lowercase() { 900_000 } else { 500_000 };
        Some(Glance { sequence, class, probability: Probability::from_micros(micros).unwrap() })
    }

    fn rule(answers: &[(u16, &str, u8, u8)], until: Option<&str>) -> Rule {
        let answer = |&(outcome_index, state, frames, of): &(u16, &str, u8, u8)| Answer {
            outcome_index,
            state: state.into(),
            frames,
            of,
        };
        Rule { answers: answers.iter().map(answer).collect(), until: until.map(str::to_owned) }
    }

    /// What is said of a sequence, each with the frame at which it is.
    fn said(rules: &[Rule], opened_at: u64, sequence: &str) -> Vec<String> {
        let smoothing = Smoothing { confidence: Probability::from_micros(600_000).unwrap(), frames: 3, of: 5 };
        let (mut row, mut told) = (VisionRow::default(), Vec::new());
        for (number, letter) in (0..).zip(sequence.chars()) {
            if number == opened_at {
                for (rule, question) in rules.iter().zip(1..) {
                    row.watch(QuestionId::from_bytes([question; 16]), rule.clone());
                }
            }
            let Some(glance) = glance(number, letter) else { continue };
            assert!(row.is_new(number) && !row.is_new(number));
            for said in row.see(glance, "model", &classes(), &smoothing) {
                // A crash and a restart in between change nothing.
                row = VisionRow::from_bytes(&row.to_bytes()).unwrap();
                told.push(match said {
                    Said::State { now, evidence, .. } => {
                        format!("{number}: {} by {:?}", CLASSES[usize::from(now)], evidence.frames)
                    }
                    Said::Answer { question, outcome_index, evidence, .. } => {
                        format!("{number}: {}={outcome_index} by {:?}", question.as_bytes()[0], evidence.frames)
                    }
                    Said::Unanswered { question, .. } => format!("{number}: {} unanswered", question.as_bytes()[0]),
                });
            }
        }
        told
    }

    #[test]
    fn states_stand_once_enough_frames_agree() {
        for (sequence, expected) in [
            ("", &[][..]),
            ("pp", &[]),
            ("ppp", &["2: playing by [0, 1, 2]"]),
            // Once it stands it is not said again.
            ("pppppppppp", &["2: playing by [0, 1, 2]"]),
            // A frame, or two, of something else change nothing.
            ("ppppdpppddpppp", &["2: playing by [0, 1, 2]"]),
            // The state before must have faded.
            ("pppddd", &["2: playing by [0, 1, 2]"]),
            ("pppdddd", &["2: playing by [0, 1, 2]", "6: dead by [3, 4, 5, 6]"]),
            // Three of five with others in between are not enough to end what stands, and two that alternate never.
            ("pppdpdpd", &["2: playing by [0, 1, 2]"]),
            ("cdcdcdcdcdcd", &["4: cleared by [0, 2, 4]"]),
            ("pppdpdpddd", &["2: playing by [0, 1, 2]", "9: dead by [5, 7, 8, 9]"]),
            // Where the classifier is not sure a frame counts for nobody, and the state stays.
            ("pppDDDDDDD", &["2: playing by [0, 1, 2]"]),
            ("pppDdDdDd", &["2: playing by [0, 1, 2]", "8: dead by [4, 6, 8]"]),
            ("pPpPp", &["4: playing by [0, 2, 4]"]),
            // Frames that are missing are no frames.
            ("p..p....p", &["8: playing by [0, 3, 8]"]),
            ("pppccccpppp", &["2: playing by [0, 1, 2]", "6: cleared by [3, 4, 5, 6]", "10: playing by [7, 8, 9, 10]"]),
            // Changing every frame it never stands.
            ("pcdpcdpcdpcd", &[]),
        ] {
            assert_eq!(said(&[], 0, sequence), expected, "{sequence}");
        }
    }

    #[test]
    fn rules_answer_from_frames_after_the_opening() {
        let dead = rule(&[(1, "dead", 3, 5)], None);
        let either = rule(&[(0, "cleared", 2, 4), (1, "dead", 4, 4)], None);
        let in_round = rule(&[(1, "dead", 4, 6)], Some("cleared"));
        let unknown = rule(&[(1, "paused", 2, 2)], None);
        for (rules, opened_at, sequence, expected) in [
            (slice::from_ref(&dead), 0, "ddd", &["2: 1=1 by [0, 1, 2]", "2: dead by [0, 1, 2]"][..]),
            // Frames before the opening do not count.
            (slice::from_ref(&dead), 2, "ddddd", &["2: dead by [0, 1, 2]", "4: 1=1 by [2, 3, 4]"]),
            // A question is answered once.
            (
                slice::from_ref(&dead),
                0,
                "dddppppdddd",
                &[
                    "2: 1=1 by [0, 1, 2]",
                    "2: dead by [0, 1, 2]",
                    "6: playing by [3, 4, 5, 6]",
                    "10: dead by [7, 8, 9, 10]",
                ],
            ),
            // Whichever rule is met first, each by its own numbers.
            (
                &[dead.clone(), either.clone()],
                0,
                "dcdcd",
                &["3: 2=0 by [1, 3]", "4: 1=1 by [0, 2, 4]", "4: dead by [0, 2, 4]"],
            ),
            (slice::from_ref(&either), 0, "dddd", &["2: dead by [0, 1, 2]", "3: 1=1 by [0, 1, 2, 3]"]),
            // The round's end.
            (
                slice::from_ref(&in_round),
                0,
                "dddccccdddd",
                &["2: dead by [0, 1, 2]", "6: cleared by [3, 4, 5, 6]", "6: 1 unanswered", "10: dead by [7, 8, 9, 10]"],
            ),
            (
                slice::from_ref(&in_round),
                0,
                "ddddcccc",
                &["2: dead by [0, 1, 2]", "3: 1=1 by [0, 1, 2, 3]", "7: cleared by [4, 5, 6, 7]"],
            ),
            (slice::from_ref(&unknown), 0, "ddd", &["2: dead by [0, 1, 2]"]),
            (slice::from_ref(&dead), 0, "DDDDD", &[]),
        ] {
            assert_eq!(said(rules, opened_at, sequence), expected, "{sequence} from {opened_at}");
        }
    }

    #[test]
    fn another_model_begins_anew() {
        let smoothing = Smoothing { confidence: Probability::ZERO, frames: 2, of: 2 };
        let mut row = VisionRow::default();
        let mut see = |sequence, model| row.see(glance(sequence, 'p').unwrap(), model, &classes(), &smoothing).len();
        assert_eq!([see(0, "a"), see(1, "a"), see(2, "b"), see(3, "b"), see(4, "b")], [0, 1, 0, 1, 0]);
        assert!(row.glances.len() == 3 && row.is_new(4) && !row.is_new(4) && !row.is_new(1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let smoothing = Smoothing { confidence: Probability::ZERO, frames: 2, of: 2 };
        let mut row = VisionRow::default();
        for sequence in 0..1_000 {
            row.see(glance(sequence, 'p').unwrap(), "model", &classes(), &smoothing);
        }
        assert_eq!(row.glances.len(), REMEMBERED);
    }
}
