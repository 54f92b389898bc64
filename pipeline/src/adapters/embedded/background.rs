//! Threads whose work can wait: merging and compaction give way to the records that pass.
//!
//! On two cores a merge or a compaction takes half of the machine for a second. At the same
//! priority as the loop it made every record of that second wait for its turn, some ten times as
//! long as usual.

use std::io;
use std::thread::{Builder, JoinHandle};

use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority as set};

/// Of 0 to 99, where 48 is the usual one: niceness 4 on Linux, two fifths of the usual weight when
/// processors are contended, so that a loop that never rests cannot starve what keeps its memory
/// small.
const PRIORITY: u8 = 37;

/// Starts a thread of low priority; threads that it starts have it too.
pub fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.into()).spawn(move || {
        let lowered = ThreadPriorityValue::try_from(PRIORITY).map(ThreadPriority::Crossplatform).map(set);
        if !matches!(lowered, Ok(Ok(()))) {
            tracing::debug!("background work runs at the usual priority: the system refuses a lower one");
        }
        work()
    })
}
