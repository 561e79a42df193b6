//! The exceptions of AWS: a name in a header, in a body, or on a frame of an event stream.

use buttress_core::Outcome;
use http::HeaderMap;

use super::Said;
use crate::json::Json;
use crate::status::{
    CREDENTIALS, INVALID, NOT_FOUND, OUT_OF_QUOTA, OVERLOADED, RATE_LIMITED, TRANSIENT,
    UPSTREAM_TIMEOUT,
};

/// Reads an error answer; `None` if it names no exception.
pub(super) fn read<'a>(headers: &HeaderMap, root: Json<'a>) -> Option<Said<'a>> {
    let header = headers.get("x-amzn-errortype");
    let named = header.and_then(|value| value.to_str().ok());
    let in_body = || root.get("__type").or_else(|| root.get("code"))?.text();
    let message = root.get("message").or_else(|| root.get("Message"));
    Some(Said {
        meaning: meaning(named.or_else(in_body)?),
        message: message.and_then(Json::text),
        ..Said::default()
    })
}

/// Reads a frame of an event stream by its `:exception-type`. The status on a frame is no guide: an
/// `internalServerException` has been seen with 400.
pub(super) fn event(name: Option<&str>) -> Option<Said<'static>> {
    let name = name?;
    let meaning = meaning(name);
    let failed = meaning.is_some() || short(name).ends_with("Exception");
    failed.then_some(Said {
        meaning,
        ..Said::default()
    })
}

fn meaning(name: &str) -> Option<Outcome> {
    let name = short(name);
    let mut exceptions = EXCEPTIONS.iter();
    // An event stream starts the name with a small letter, an answer with a capital.
    exceptions
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, meaning)| *meaning)
}

/// What is left of `com.amazon.coral.availability#ThrottlingException:http://internal…`.
fn short(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or_default();
    name.rsplit('#').next().unwrap_or_default().trim()
}

/// Bedrock's own, and those that any AWS service may answer with.
///
/// # Source
/// The API reference of `ResponseStream` and `InvokeModel`; the code lists of the AWS SDKs' retry
/// classifiers.
const EXCEPTIONS: &[(&str, Outcome)] = &[
    ("ThrottlingException", RATE_LIMITED),
    ("Throttling", RATE_LIMITED),
    ("ThrottledException", RATE_LIMITED),
    ("RequestThrottled", RATE_LIMITED),
    ("RequestThrottledException", RATE_LIMITED),
    ("EC2ThrottledException", RATE_LIMITED),
    ("TooManyRequestsException", RATE_LIMITED),
    ("ProvisionedThroughputExceededException", RATE_LIMITED),
    ("RequestLimitExceeded", RATE_LIMITED),
    ("BandwidthLimitExceeded", RATE_LIMITED),
    ("LimitExceededException", RATE_LIMITED),
    ("TransactionInProgressException", RATE_LIMITED),
    ("PriorRequestNotComplete", RATE_LIMITED),
    ("SlowDown", OVERLOADED),
    ("ServiceUnavailableException", OVERLOADED),
    ("ModelNotReadyException", OVERLOADED),
    ("InternalServerException", TRANSIENT),
    ("InternalFailure", TRANSIENT),
    ("ModelErrorException", TRANSIENT),
    ("ModelStreamErrorException", TRANSIENT),
    ("ModelTimeoutException", UPSTREAM_TIMEOUT),
    ("RequestTimeout", UPSTREAM_TIMEOUT),
    ("RequestTimeoutException", UPSTREAM_TIMEOUT),
    ("ServiceQuotaExceededException", OUT_OF_QUOTA),
    ("ValidationException", INVALID),
    ("AccessDeniedException", CREDENTIALS),
    ("ExpiredTokenException", CREDENTIALS),
    ("UnrecognizedClientException", CREDENTIALS),
    ("ResourceNotFoundException", NOT_FOUND),
];
