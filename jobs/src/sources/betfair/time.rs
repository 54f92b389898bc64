//! A file's publish times as arrival times that never decrease.

use schemas::time::Timestamp;

use crate::sources::error::FieldError;

/// How far a message may be published before an earlier line: one minute.
/// Recordings of several connections interleave by seconds; more than that is
/// several files in a row, whose bets would all seem to arrive too late.
pub const MAX_DISORDER_MS: i64 = 60_000;

/// When a message was published and when it arrives in a replay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The running maximum of publish times.
    pub arrival: Timestamp,
    /// The message's own time.
    pub published: Timestamp,
}

impl Moment {
    pub fn disordered(&self) -> bool {
        self.published < self.arrival
    }
}

/// The running maximum of publish times.
#[derive(Debug, Default)]
pub(crate) struct RunningTime {
    last: Option<Timestamp>,
}

impl RunningTime {
    /// Takes the next message's `pt`.
    pub fn advance(&mut self, pt: i64) -> Result<Moment, FieldError> {
        let published = Timestamp::from_millis(pt)
            .ok_or_else(|| FieldError::new("pt", format!("{pt} is no time in ms since the epoch")))?;
        let arrival = self.last.map_or(published, |last| last.max(published));
        let back = arrival.millis() - published.millis();
        if back > MAX_DISORDER_MS {
            return Err(FieldError::new(
                "pt",
                format!(
                    "{pt} lies {back} ms before an earlier line; sort the lines by pt, or replay the files one by one, oldest first"
                ),
            ));
        }
        self.last = Some(arrival);
        Ok(Moment { arrival, published })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_never_decreases() {
        // pt → arrival, or None for an error.
        let cases = [
            (1_000_000, Some(1_000_000)),
            (999_000, Some(1_000_000)),
            (1_000_001, Some(1_000_001)),
            (900_000, None),
            (-1, None),
        ];
        let mut time = RunningTime::default();
        for (pt, expected) in cases {
            let arrival = time.advance(pt).ok().map(|moment| moment.arrival.millis());
            assert_eq!(arrival, expected, "{pt}");
        }
    }
}
