//! What can be wrong with weights, frames and devices.

use std::path::Path;

/// The outcome of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, which names the thing and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of weights cannot be read, or is not of one of the two models.
    #[error("{0}")]
    Weights(String),
    /// A frame cannot be decoded, or is beyond the limits.
    #[error("{0}")]
    Frame(String),
    /// A device is not there, or was not built in.
    #[error("{0}")]
    Device(String),
}

impl Error {
    pub(crate) fn weights(path: &Path, what: impl std::fmt::Display) -> Error {
        Error::Weights(format!("{}: {what}", path.display()))
    }

    pub(crate) fn frame(what: impl std::fmt::Display) -> Error {
        Error::Frame(what.to_string())
    }
}
