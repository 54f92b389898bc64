//! The account's time, as its answers tell it by their `Date`, in whole seconds: what a worker's clock is held against.
//!
//! A shard without records tells no time; its worker does, and may be wrong by hours. But a request leaves after the
//! answer before it, and before its own: what lies outside of that is another clock's time. The answer before is the
//! safe moment then: whatever arrived earlier had arrived when the request was made.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_kinesis::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;
use aws_sdk_kinesis::primitives::{DateTime, DateTimeFormat};

use crate::clock::Arrival;

/// A `Date` is up to so much later than it says.
const SECOND_MS: i64 = 1_000;
/// No answer said when it was given.
const UNKNOWN: i64 = i64::MIN;

/// Between which moments of the account's time a request was made; nothing where no answer says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Not before this.
    pub after: Option<Arrival>,
    /// Before this.
    pub before: Option<Arrival>,
}

impl Asked {
    /// When it was made: at `clock` by this machine's, unless that cannot be. Nothing where nobody knows.
    pub fn at(self, clock: Arrival) -> Option<Arrival> {
        if self.off_by(clock) == 0 { Some(clock) } else { self.after }
    }

    /// By how many milliseconds a clock that said this is wrong, at least: more than 0 where it is ahead.
    pub fn off_by(self, clock: Arrival) -> i64 {
        let behind = self.after.map_or(0, |after| (clock.0.saturating_sub(after.0)).min(0));
        let ahead = self.before.map_or(0, |before| (clock.0.saturating_sub(before.0)).max(0));
        behind + ahead
    }
}

/// Takes note of the time that answers tell.
#[derive(Debug, Clone)]
pub struct Dates(Arc<AtomicI64>);

impl Default for Dates {
    fn default() -> Dates {
        Dates(Arc::new(AtomicI64::new(UNKNOWN)))
    }
}

impl Dates {
    /// When the last answer was given, and before which moment; forgets it.
    pub fn take(&self) -> (Option<Arrival>, Option<Arrival>) {
        let at = Some(self.0.swap(UNKNOWN, Ordering::AcqRel)).filter(|at| *at != UNKNOWN).map(Arrival);
        (at, at.map(|at| at.plus_ms(SECOND_MS)))
    }
}

impl Intercept for Dates {
    fn name(&self) -> &'static str {
        "Dates"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        self.0.store(date.and_then(|date| date.to_millis().ok()).unwrap_or(UNKNOWN), Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_gives_way_to_the_answer_before() {
        let ms = |ms: i64| Some(Arrival(ms));
        let cases = [
            // Nobody says otherwise.
            (None, None, 5, ms(5)),
            // Right, as far as one can tell.
            (ms(1_000), ms(3_000), 1_000, ms(1_000)),
            (ms(1_000), ms(3_000), 3_000, ms(3_000)),
            // Behind, ahead.
            (ms(1_000), ms(3_000), 999, ms(1_000)),
            (ms(1_000), ms(3_000), 3_001, ms(1_000)),
            // Ahead, and nothing was asked before.
            (None, ms(3_000), 3_001, None),
            (None, ms(3_000), 2_000, ms(2_000)),
            (ms(1_000), None, 9_999, ms(9_999)),
        ];
        for (after, before, clock, expected) in cases {
            assert_eq!(Asked { after, before }.at(Arrival(clock)), expected, "{after:?} {before:?} {clock}");
        }
        let asked = Asked { after: ms(1_000), before: ms(3_000) };
        assert_eq!([400, 1_000, 2_000, 3_007].map(|clock| asked.off_by(Arrival(clock))), [-600, 0, 0, 7]);
    }
}
