//! What AWS' errors mean to the caller: try again, or mend something first.

use std::fmt::Display;

use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::error::Error;

/// Codes that say "slower", of all services.
const THROTTLES: [&str; 15] = [
    "KMSThrottling",
    "KMSThrottlingException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ReplicatedWriteConflictException",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];
/// Codes that say that the service has trouble of its own.
const TROUBLES: [&str; 9] = [
    "InternalError",
    "InternalErrorException",
    "InternalFailure",
    "InternalFailureException",
    "InternalServerError",
    "InternalServerException",
    "InternalServiceErrorException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
];
/// Codes that say that the caller may not.
const DENIALS: [&str; 9] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "InvalidSecurity",
    "InvalidClientTokenId",
    "KMSAccessDenied",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Whether a code says "slower".
pub fn is_throttle(code: Option<&str>) -> bool {
    code.is_some_and(|code| THROTTLES.contains(&code))
}

/// Whether a code says that the service has trouble of its own.
pub fn is_trouble(code: Option<&str>) -> bool {
    code.is_some_and(|code| TROUBLES.contains(&code))
}

/// Whether a code says that the caller may not.
pub fn is_denial(code: Option<&str>) -> bool {
    code.is_some_and(|code| DENIALS.contains(&code))
}

/// The error of a call that was to do `what`.
pub fn explain<E, R>(what: impl Display, error: SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let SdkError::ServiceError(context) = &error else {
        // Time-outs, broken connections, unreadable answers, and credentials that cannot be had.
        let text = format!("{what}: {}", DisplayErrorContext(&error));
        return match error {
            SdkError::ConstructionFailure(_) => Error::Reject(text),
            _ => Error::Retry(text),
        };
    };
    let (code, message) =
        (context.err().code().unwrap_or("unknown error"), context.err().message().unwrap_or("no details"));
    let text = format!("{what}: {code}: {message}");
    if is_throttle(Some(code)) || is_trouble(Some(code)) {
        return Error::Retry(text);
    }
    if is_denial(Some(code)) {
        return Error::Reject(format!("{text}; `oddsmill aws check` lists the permissions that are missing"));
    }
    Error::Reject(text)
}

/// A service's code, if it answered with one.
pub fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    match error {
        SdkError::ServiceError(context) => context.err().code(),
        _ => None,
    }
}
