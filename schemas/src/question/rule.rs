//! A rule by which what is seen in a broadcast answers a question.

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::text::{MAX_NAME_BYTES, check_optional, check_text};

/// Answers of a rule, at most.
const MAX_ANSWERS: usize = 16;
/// Frames that an answer looks back over, at most: as many as the vision job remembers.
pub const MAX_OF: u8 = 32;

/// How states that are seen in a broadcast answer a question: the first answer whose state was seen often
/// enough decides, counted from the question's opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(expecting = "a rule such as {\"answers\": [{\"outcome_index\": 1, \"state\": \"dead\"}]}")]
pub struct Rule {
    /// Which state means which outcome, 1 to 16.
    #[n(0)]
    pub answers: Vec<Answer>,
    /// The state that ends the round: once it stands, the rule answers no more.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// One state, and the outcome it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Answer {
    /// Which outcome it is.
    #[n(0)]
    pub outcome_index: u16,
    /// The state that must be seen, by its name in the model.
    #[n(1)]
    pub state: String,
    /// In how many frames, 2 or more: a single frame settles nothing.
    #[n(2)]
    #[serde(default = "default_frames")]
    pub frames: u8,
    /// Among how many of the latest frames, 32 at most.
    #[n(3)]
    #[serde(default = "default_of")]
    pub of: u8,
}

const fn default_frames() -> u8 {
    3
}

const fn default_of() -> u8 {
    5
}

impl Rule {
    /// Every state that it names.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        self.answers.iter().map(|answer| answer.state.as_str()).chain(self.until.as_deref())
    }

    pub(super) fn check(&self, outcomes: usize, has_stream: bool) -> Result<(), DecodeError> {
        let bad = |field: &str, problem: String| Err(DecodeError::field(format!("question.rule{field}"), problem));
        if !has_stream {
            return bad("", "without question.stream_uuid nothing is seen; name the broadcast".into());
        }
        if self.answers.is_empty() || self.answers.len() > MAX_ANSWERS {
            return bad(".answers", format!("{} answers; a rule has 1 to {MAX_ANSWERS}", self.answers.len()));
        }
        check_optional("question.rule.until", self.until.as_ref(), MAX_NAME_BYTES)?;
        for (index, Answer { outcome_index, state, frames, of }) in self.answers.iter().enumerate() {
            let field = |name: &str| format!(".answers[{index}].{name}");
            check_text(&format!("question.rule{}", field("state")), state, MAX_NAME_BYTES)?;
            if usize::from(*outcome_index) >= outcomes {
                let problem = format!("there is no outcome {outcome_index}; the question has {outcomes}, from 0");
                return bad(&field("outcome_index"), problem);
            }
            if *of > MAX_OF {
                return bad(&field("of"), format!("{of} frames are too many; choose {MAX_OF} at most"));
            }
            if *frames < 2 || frames > of {
                let problem =
                    format!("{frames} of {of} frames; choose 2 to {of}, since a single frame settles nothing");
                return bad(&field("frames"), problem);
            }
            let twice = self.answers[..index].iter().any(|earlier| earlier.state == *state);
            if twice || self.until.as_ref() == Some(state) {
                return bad(&field("state"), format!("{state:?} is named twice; each state means one thing"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_cannot_be_is_said_by_field() {
        let answer = |outcome_index, state: &str, frames, of| Answer { outcome_index, state: state.into(), frames, of };
        let good = Rule { answers: vec![answer(1, "dead", 3, 5), answer(0, "cleared", 2, 2)], until: None };
        assert!(good.check(2, true).is_ok());
        let with = |answers: Vec<Answer>, until: Option<&str>| Rule { answers, until: until.map(str::to_owned) };
        for (rule, has_stream, expected) in [
            (good.clone(), false, "question.rule: without question.stream_uuid"),
            (with(vec![], None), true, "question.rule.answers: 0 answers"),
            (with(vec![answer(0, "a", 3, 5); 17], None), true, "17 answers"),
            (
                with(vec![answer(2, "dead", 3, 5)], None),
                true,
                "question.rule.answers[0].outcome_index: there is no outcome 2",
            ),
            (with(vec![answer(0, "dead", 1, 5)], None), true, "question.rule.answers[0].frames: 1 of 5 frames"),
            (with(vec![answer(0, "dead", 6, 5)], None), true, "6 of 5 frames"),
            (with(vec![answer(0, "dead", 3, 33)], None), true, "question.rule.answers[0].of: 33 frames are too many"),
            (
                with(vec![answer(0, "a", 3, 5), answer(1, "a", 3, 5)], None),
                true,
                "question.rule.answers[1].state: \"a\" is",
            ),
            (with(vec![answer(0, "a", 3, 5)], Some("a")), true, "named twice"),
            (with(vec![answer(0, &"x".repeat(300), 3, 5)], None), true, "300 bytes"),
        ] {
            let error = rule.check(2, has_stream).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn counts_have_defaults() {
        let rule: Rule = serde_json::from_str(r#"{"answers":[{"outcome_index":1,"state":"dead"}]}"#).unwrap();
        assert_eq!((rule.answers[0].frames, rule.answers[0].of), (3, 5));
    }
}
