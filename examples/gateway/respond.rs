//! The answers we give ourselves: RFC 9457 problem details that say nothing about the upstream's
//! address.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use axum::body::Body;
use buttress::breaker::CircuitOpen;
use buttress::core::{BoxError, Failure, Reason, chain, find};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

/// Why there is no upstream's answer to pass on.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    detail: &'static str,
    /// When it is worth asking again.
    retry_after: Option<Duration>,
    /// For the log alone.
    cause: Option<BoxError>,
}

impl Refusal {
    pub(crate) const fn bad_request(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) const fn not_implemented(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, detail)
    }

    pub(crate) const fn bad_gateway(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, detail)
    }

    const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            status,
            detail,
            retry_after: None,
            cause: None,
        }
    }

    /// What the stack's failure means to the client: the last attempt's, or our own word.
    pub(crate) fn upstream(error: BoxError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return *own,
            Err(error) => error,
        };
        let refusal = if any(&*error, is_clients_body) {
            Self::bad_request("the request's body ended before its time")
        } else if any(&*error, is_timeout) {
            Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "the upstream did not answer in time",
            )
        } else if find::<CircuitOpen>(&*error).is_some() {
            Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the upstream is left alone after too many failures",
            )
        } else if any(&*error, is_connect) {
            Self::bad_gateway("the upstream could not be reached")
        } else {
            Self::bad_gateway("the upstream gave no proper answer")
        };
        Self {
            retry_after: find::<CircuitOpen>(&*error).map(CircuitOpen::retry_after),
            cause: Some(error),
            ..refusal
        }
    }

    /// What the log says.
    pub(crate) fn reason(&self) -> String {
        match &self.cause {
            Some(cause) => explain(&**cause),
            None => self.detail.to_owned(),
        }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let Self {
            status,
            detail,
            retry_after,
            cause: _,
        } = self;
        let title = status.canonical_reason().unwrap_or_default();
        let code = status.as_u16();
        // Every part is a literal without quotes in it, so this is JSON.
        let json = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{code},"detail":"{detail}"}}"#
        );
        let mut response = Response::new(Body::from(json));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if !status.is_server_error() || status == StatusCode::NOT_IMPLEMENTED {
            // What we make of a request that is not one may not be where the next one begins.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(wait) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Rounded up, and never zero: who comes too early is refused again.
fn whole_seconds(wait: Duration) -> u64 {
    let rounded = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    rounded.max(1)
}

/// An error and its causes in one line, for the log.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = chain(error).map(ToString::to_string).collect();
    causes.dedup(); // a mere wrapper repeats what it wraps
    causes.join(": ")
}

fn any(error: &(dyn Error + 'static), is: fn(&(dyn Error + 'static)) -> bool) -> bool {
    chain(error).any(is)
}

/// The request's own body broke off on its way through us.
fn is_clients_body(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<hyper::Error>()
        .is_some_and(hyper::Error::is_user)
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let limit = |failure: &Failure| matches!(failure.outcome().reason, Some(Reason::Timeout(_)));
    error.downcast_ref::<Failure>().is_some_and(limit)
        || error.is::<tower::timeout::error::Elapsed>()
        || error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

fn is_connect(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<hyper_util::client::legacy::Error>()
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
}
