//! What went wrong, sorted by what the caller must do about it.
//!
//! An error's kind is the caller's instruction; its text names the thing, the value and the way
//! out. Bad *records* are not errors: they are dead letters (see [`crate::dead_letter`]).

/// The outcome of everything that can fail in the engine and its adapters.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, by what the caller must do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The same call may succeed later: a throttle, a time-out, a busy peer.
    #[error("{0} (this may pass: try again)")]
    Retry(String),
    /// The request itself is wrong and will fail again unchanged.
    #[error("{0}")]
    Reject(String),
    /// What would be written is more than the store takes at once: write less, or set the record aside.
    #[error("{0}")]
    TooLarge(String),
    /// Somebody else owns the shard now: stop working on it and write nothing more.
    #[error("{0} (another worker took over: stop)")]
    Fenced(String),
    /// The process cannot go on: a broken disk, corrupt data, a broken invariant.
    #[error("{0}")]
    Fatal(String),
    /// A test's crash point was reached. Never seen outside tests.
    #[error("crashed on purpose at {0:?}")]
    Crashed(crate::fault::CrashPoint),
}

impl Error {
    /// A fatal error about stored bytes that cannot be what was written.
    pub fn corrupt(what: impl std::fmt::Display) -> Self {
        Error::Fatal(format!(
            "stored data is corrupt: {what}; restore the data directory from a copy, or replay the log into a fresh one"
        ))
    }

    /// A fatal error with the thing that failed in front.
    pub fn fatal(what: &str, cause: impl std::fmt::Display) -> Self {
        Error::Fatal(format!("{what}: {cause}"))
    }
}

impl From<fjall::Error> for Error {
    fn from(cause: fjall::Error) -> Self {
        match cause {
            fjall::Error::Locked => Error::Reject(
                "the data directory is in use by another process; use its socket, or stop it first".into(),
            ),
            fjall::Error::Io(cause) | fjall::Error::Storage(fjall::LsmError::Io(cause)) if is_full(&cause) => {
                Error::Fatal(format!(
                    "the data directory cannot be written: {cause}; make room there and start again, what was \
                 acknowledged is in it"
                ))
            }
            // Whose write it was that failed may say it later than who wrote next.
            fjall::Error::Poisoned => Error::Fatal(
                "the data directory cannot be written: an earlier write to it failed; see that there is room and start \
                 again, what was acknowledged is in it"
                    .into(),
            ),
            other => Error::fatal("embedded store", other),
        }
    }
}

/// Whether there is no more room: on the disk, in a quota, or below a limit of file sizes.
fn is_full(cause: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(cause.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl From<std::io::Error> for Error {
    fn from(cause: std::io::Error) -> Self {
        Error::fatal("I/O", cause)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(cause: arrow::error::ArrowError) -> Self {
        Error::fatal("columns", cause)
    }
}

impl From<crate::window::WindowError> for Error {
    fn from(cause: crate::window::WindowError) -> Self {
        Error::fatal("window", cause)
    }
}
