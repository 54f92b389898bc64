//! Where the time of a run goes: one clock that is read wherever one stage ends and another begins,
//! every few thousand bets.

use std::time::Instant;

/// The stages of a bet, in order.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// From the page cache into our buffer.
    Read,
    /// Lines, and the bets in them.
    Decode,
    /// Bets into columns.
    Batch,
    /// Rows into partial states.
    Group,
    /// Partial states into rows, as windows end.
    Finish,
    /// Rows as text into the file.
    Write,
}

/// Names of the stages.
pub const NAMES: [&str; 6] = ["read", "decode", "batch", "group", "finish", "write"];

/// Seconds by stage.
pub type Seconds = [f64; NAMES.len()];

/// The clock.
pub struct Laps {
    last: Instant,
    pub seconds: Seconds,
}

impl Laps {
    pub fn start() -> Laps {
        Laps { last: Instant::now(), seconds: Seconds::default() }
    }

    /// Ends a stage: what passed since the last one ended was its.
    pub fn end(&mut self, stage: Stage) {
        self.skip(|passed, seconds| seconds[stage as usize] += passed);
    }

    /// Leaves out what passed since the last stage ended.
    pub fn leave_out(&mut self) {
        self.skip(|_, _| {});
    }

    fn skip(&mut self, count: impl FnOnce(f64, &mut Seconds)) {
        let now = Instant::now();
        count((now - self.last).as_secs_f64(), &mut self.seconds);
        self.last = now;
    }
}

/// The stages of several threads together.
pub fn sum(threads: impl IntoIterator<Item = Seconds>) -> Seconds {
    let add = |a: Seconds, b: Seconds| std::array::from_fn(|stage| a[stage] + b[stage]);
    threads.into_iter().fold(Seconds::default(), add)
}
