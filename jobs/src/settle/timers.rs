//! What settling wakes up for, and how a timer's key says so.

use schemas::ids::QuestionId;

/// A timer of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// `betting_end_time` came.
    EndOfBetting,
    /// The proposed answer stood long enough.
    EndOfChallenge,
    /// The delay of an emergency answer is over.
    EndOfDelay,
    /// The next page of bets is to be settled.
    NextPage,
}

impl Alarm {
    /// The timer's key.
    pub fn key(self, question: QuestionId) -> Vec<u8> {
        let mut key = question.as_bytes().to_vec();
        key.push(match self {
            Alarm::EndOfBetting => 0,
            Alarm::EndOfChallenge => 1,
            Alarm::EndOfDelay => 2,
            Alarm::NextPage => 3,
        });
        key
    }

    /// The inverse of [`Alarm::key`].
    pub fn parse(key: &[u8]) -> Option<(QuestionId, Alarm)> {
        let (kind, question) = key.split_last()?;
        let alarm = match kind {
            0 => Alarm::EndOfBetting,
            1 => Alarm::EndOfChallenge,
            2 => Alarm::EndOfDelay,
            3 => Alarm::NextPage,
            _ => return None,
        };
        Some((QuestionId::from_bytes(question.try_into().ok()?), alarm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let question = QuestionId::from_bytes([7; 16]);
        for alarm in [Alarm::EndOfBetting, Alarm::EndOfChallenge, Alarm::EndOfDelay, Alarm::NextPage] {
            assert_eq!(Alarm::parse(&alarm.key(question)), Some((question, alarm)));
        }
        assert_eq!(Alarm::parse(&[0; 16]), None);
        assert_eq!(Alarm::parse(&[9; 17]), None);
    }
}
