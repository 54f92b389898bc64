//! Weighing what the sources say: has a quorum of independent ones the same answer?
//!
//! A source's word is what it said last. Outcomes that it named at one moment belong together: two
//! winners of a question with one are a dead heat. Where a question has several winners (the places
//! of a race), a source may name them one after another, and its latest ones count.

use std::collections::{BTreeMap, BTreeSet};

use schemas::question::{Observation, QuestionSpec};

/// What the sources' words come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Too few have spoken.
    Open,
    /// A quorum agrees on these payout numerators.
    Agreed(Vec<u64>),
    /// They contradict each other: a person must decide.
    Disagreed(String),
}

/// Weighs a question's observations.
pub fn weigh(spec: &QuestionSpec, observations: &[Observation]) -> Verdict {
    let words = words(spec, observations);
    let mut support: BTreeMap<&BTreeSet<u16>, usize> = BTreeMap::new();
    for word in words.values() {
        *support.entry(word).or_default() += 1;
    }
    let quorum = usize::from(spec.quorum);
    let agreed: Vec<_> = support.iter().filter(|(_, sources)| **sources >= quorum).map(|(word, _)| *word).collect();
    match agreed[..] {
        [word] if tied_places(spec, word) => {
            Verdict::Disagreed(format!("{} outcomes for {} places: say who shares a place", word.len(), spec.winners.0))
        }
        [word] => Verdict::Agreed(payouts(spec, word)),
        [] => {
            // A word that names fewer than win may still grow into another's.
            let complete = words.values().filter(|word| word.len() >= usize::from(spec.winners.0)).count();
            if complete >= quorum && support.len() > 1 { disagreed(spec, &words) } else { Verdict::Open }
        }
        _ => disagreed(spec, &words),
    }
}

/// Sources that say the same, at most.
pub fn agreeing(spec: &QuestionSpec, observations: &[Observation]) -> usize {
    let words = words(spec, observations);
    let alike = |word: &BTreeSet<u16>| words.values().filter(|other| *other == word).count();
    words.values().map(alike).max().unwrap_or(0)
}

/// By source: the outcomes that it says have won.
fn words(spec: &QuestionSpec, observations: &[Observation]) -> BTreeMap<&'static str, BTreeSet<u16>> {
    let mut by_source: BTreeMap<&'static str, Vec<&Observation>> = BTreeMap::new();
    for seen in observations {
        by_source.entry(seen.source.as_str()).or_default().push(seen);
    }
    let word = |mut seen: Vec<&Observation>| {
        // Stable: what was said at one moment keeps its order.
        seen.sort_by_key(|seen| seen.at);
        let mut word = BTreeSet::new();
        for together in seen.chunk_by(|a, b| a.at == b.at).rev() {
            if word.len() >= usize::from(spec.winners.0) {
                break;
            }
            word.extend(together.iter().map(|seen| seen.outcome_index));
        }
        word
    };
    by_source.into_iter().map(|(source, seen)| (source, word(seen))).collect()
}

/// More outcomes than places: some share the last one, but which?
fn tied_places(spec: &QuestionSpec, word: &BTreeSet<u16>) -> bool {
    spec.winners.0 > 1 && word.len() > usize::from(spec.winners.0)
}

fn payouts(spec: &QuestionSpec, word: &BTreeSet<u16>) -> Vec<u64> {
    let outcomes = u16::try_from(spec.outcomes.len()).unwrap_or(u16::MAX);
    (0..outcomes).map(|outcome| u64::from(word.contains(&outcome))).collect()
}

fn disagreed(spec: &QuestionSpec, words: &BTreeMap<&'static str, BTreeSet<u16>>) -> Verdict {
    let name = |outcome: &u16| spec.outcomes.get(usize::from(*outcome)).map_or("?", String::as_str);
    let says = |(source, word): (&&str, &BTreeSet<u16>)| {
        format!("{source} says {}", word.iter().map(name).collect::<Vec<_>>().join(" and "))
    };
    let mut text = words.iter().map(says).collect::<Vec<_>>().join("; ");
    if text.len() > MAX_REASON_BYTES {
        text.truncate(text.floor_char_boundary(MAX_REASON_BYTES));
    }
    Verdict::Disagreed(format!("sources disagree: {text}"))
}

/// A reason is kept in the question's row, which must stay small.
const MAX_REASON_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use schemas::probability::Probability;
    use schemas::question::{Source, Winners};
    use schemas::time::Timestamp;

    use super::*;
    use Source::{Feed, Operator, Streamer, Vision};

    fn check(quorum: u8, winners: u16, seen: &[(Source, i64, u16)], expected: Option<&[u64]>, disagreed: bool) {
        let mut spec = super::super::tests::spec(4);
        (spec.quorum, spec.winners) = (quorum, Winners(winners));
        let observation = |(source, at, outcome_index): &(Source, i64, u16)| Observation {
            outcome_index: *outcome_index,
            source: *source,
            at: Timestamp::from_millis(*at).unwrap(),
            confidence: Probability::ONE,
            evidence: None,
        };
        let seen: Vec<_> = seen.iter().map(observation).collect();
        let verdict = weigh(&spec, &seen);
        let agreed = match &verdict {
            Verdict::Agreed(payouts) => Some(&payouts[..]),
            _ => None,
        };
        assert_eq!(agreed, expected, "{quorum} {winners} {seen:?}");
        assert_eq!(matches!(verdict, Verdict::Disagreed(_)), disagreed, "{quorum} {winners} {seen:?}: {verdict:?}");
    }

    #[test]
    fn a_quorum_of_the_same_word_decides() {
        let first = Some(&[1, 0, 0, 0][..]);
        for (quorum, winners, seen, expected, disagreed) in [
            (1, 1, &[][..], None, false),
            (1, 1, &[(Feed, 1, 0)][..], first, false),
            (2, 1, &[(Feed, 1, 0)], None, false),
            // The same source twice is one source.
            (2, 1, &[(Feed, 1, 0), (Feed, 2, 0)], None, false),
            (2, 1, &[(Feed, 1, 0), (Vision, 9, 0)], first, false),
            (2, 1, &[(Feed, 1, 0), (Streamer, 2, 1)], None, true),
            // Two of three agree.
            (2, 1, &[(Feed, 1, 0), (Streamer, 2, 1), (Vision, 3, 0)], first, false),
            (2, 1, &[(Feed, 1, 0), (Streamer, 2, 1), (Vision, 3, 0), (Operator, 3, 1)], None, true),
            // With a quorum of one, a second source that says otherwise is a contradiction.
            (1, 1, &[(Feed, 1, 0), (Streamer, 2, 1)], None, true),
            // A source that corrects itself: the later word counts, in whatever order it is read.
            (1, 1, &[(Feed, 1, 1), (Feed, 2, 0)], first, false),
            (1, 1, &[(Feed, 2, 0), (Feed, 1, 1)], first, false),
            // A dead heat: two winners at one moment.
            (1, 1, &[(Feed, 5, 0), (Feed, 5, 2)], Some(&[1, 0, 1, 0]), false),
            // Places, one after another or together.
            (1, 3, &[(Feed, 1, 0), (Feed, 2, 1), (Feed, 3, 3)], Some(&[1, 1, 0, 1]), false),
            (1, 2, &[(Feed, 1, 0), (Feed, 2, 1), (Feed, 3, 3)], Some(&[0, 1, 0, 1]), false),
            (1, 2, &[(Feed, 1, 0), (Feed, 1, 1), (Feed, 1, 2)], None, true),
            // An incomplete word is no contradiction.
            (2, 2, &[(Feed, 1, 0), (Feed, 2, 1), (Streamer, 3, 0)], None, false),
            (2, 2, &[(Feed, 1, 0), (Feed, 2, 1), (Streamer, 3, 1), (Streamer, 4, 0)], Some(&[1, 1, 0, 0]), false),
        ] {
            check(quorum, winners, seen, expected, disagreed);
        }
    }
}
