//! How a command ends: exit codes that mean something, and the text that goes with them.

use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::control::OpenError;
use crate::replay::ReplayError;

/// Why a command did not simply succeed.
#[derive(Debug)]
pub enum Failure {
    /// It failed: 1.
    Failed(String),
    /// It was called or configured wrongly: 2.
    Usage(String),
    /// It went through its input, of which some records were rejected: 3.
    Rejected(String),
    /// The data directory is missing, busy or unusable: 4.
    Directory(String),
    /// It was interrupted: 130.
    Interrupted(String),
    /// Whoever read its output has gone: a quiet 0, as `head` expects.
    PipeClosed,
}

/// Prints a failure and gives the process' exit code.
pub fn report(outcome: Result<(), Failure>) -> ExitCode {
    let (code, text) = match outcome {
        Ok(()) | Err(Failure::PipeClosed) => return ExitCode::SUCCESS,
        Err(Failure::Failed(text)) => (1, format!("error: {text}")),
        Err(Failure::Usage(text)) => (2, format!("error: {text}")),
        Err(Failure::Rejected(text)) => (3, text),
        Err(Failure::Directory(text)) => (4, format!("error: {text}")),
        Err(Failure::Interrupted(text)) => (130, text),
    };
    // Where standard error is closed, the code alone speaks.
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::from(code)
}

impl From<pipeline::Error> for Failure {
    fn from(error: pipeline::Error) -> Self {
        Failure::Failed(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Failure::Directory(error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Usage(error.to_string())
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Refused(text) => Failure::Directory(text),
            error => Failure::Failed(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(cause: std::io::Error) -> Self {
        match cause.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::PipeClosed,
            _ => Failure::Failed(cause.to_string()),
        }
    }
}

impl From<arrow::error::ArrowError> for Failure {
    fn from(cause: arrow::error::ArrowError) -> Self {
        match cause {
            // Writers of columns wrap what the pipe says.
            arrow::error::ArrowError::IoError(_, cause) => cause.into(),
            cause => Failure::Failed(cause.to_string()),
        }
    }
}
