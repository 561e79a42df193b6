//! What is told of a failure: pure.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use buttress_classify::grpc::Code;
use buttress_classify::render::explain;
use buttress_classify::transport::transport_error;
use buttress_core::{Failure, Kind, Outcome, Reason, Timer, find};
use http::StatusCode;

/// What a client is told of a failure.
///
/// Made of the failure's [`Outcome`], so of nothing that names an upstream or quotes an error. A mapping of
/// your own changes what it likes: see [`RespondLayer::map`](crate::RespondLayer::map).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The status of the answer; its title is the standard one.
    pub status: StatusCode,
    /// What a gRPC caller gets in its place.
    pub code: Code,
    /// The URI of a page about this type of problem. Default: `about:blank`, which says that there is no
    /// more to it than the status.
    pub about: Cow<'static, str>,
    /// Prose for a human.
    pub detail: Cow<'static, str>,
    /// How long to wait before another request; `None` where waiting does not help.
    pub retry_after: Option<Duration>,
    /// Whether the client may send the request again by itself: `Some(false)` keeps an SDK from it.
    pub should_retry: Option<bool>,
    /// The time limit that ran out, if it was one.
    pub limit: Option<Duration>,
    outcome: Outcome,
}

impl Problem {
    /// What is told of this outcome.
    #[must_use]
    pub fn new(outcome: Outcome) -> Self {
        let (status, code) = status(&outcome);
        let retry_after = retry_after(&outcome);
        let repeated = status.is_server_error() || REPEATED.contains(&status);
        let hopeless = !outcome.kind.is_retryable() && retry_after.is_none();
        let not_again = (repeated && hopeless) || outcome.should_retry == Some(false);
        Self {
            status,
            code,
            about: Cow::Borrowed("about:blank"),
            detail: Cow::Borrowed(explain(&outcome)),
            retry_after,
            should_retry: not_again.then_some(false),
            limit: None,
            outcome,
        }
    }

    /// What is told of this error: by the [`Failure`] in its chain, or by what is known of its type.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut problem = Self::new(transport_error(error));
        problem.limit = find::<Failure>(error).and_then(Failure::limit);
        problem
    }

    /// What the failure means.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// All that could be tried has been: the client shall not do it all over again.
    pub(crate) fn after_retries(&mut self) {
        if self.outcome.kind.is_retryable() {
            self.should_retry = Some(false);
        }
    }

    pub(crate) fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    /// The wait in whole seconds, never earlier than it is, and never none.
    pub(crate) fn wait_seconds(&self) -> Option<u64> {
        let wait = self.retry_after?;
        let rest = u64::from(wait.subsec_nanos() > 0);
        Some(wait.as_secs().saturating_add(rest).max(1))
    }

    /// The wait in whole milliseconds, never earlier than it is, and never none.
    pub(crate) fn wait_millis(&self) -> Option<u64> {
        let millis = self.retry_after?.as_nanos().div_ceil(1_000_000);
        Some(u64::try_from(millis).unwrap_or(u64::MAX).max(1))
    }

    pub(crate) fn is_of_budget(&self) -> bool {
        self.outcome.reason == Some(Reason::Timeout(Timer::Deadline))
    }
}

/// Statuses below 500 after which the SDKs try again by themselves.
const REPEATED: [StatusCode; 3] = [
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::CONFLICT,
    StatusCode::TOO_MANY_REQUESTS,
];

/// The one table of statuses. The reason speaks first: it is more exact than the kind.
fn status(outcome: &Outcome) -> (StatusCode, Code) {
    match (outcome.kind, outcome.reason) {
        (_, Some(Reason::CircuitOpen | Reason::QueueFull)) => {
            (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable)
        }
        (_, Some(Reason::InFlight)) => (StatusCode::CONFLICT, Code::Aborted),
        // Nothing was sent: a gRPC client may try again.
        (_, Some(Reason::Timeout(Timer::Connect))) => {
            (StatusCode::GATEWAY_TIMEOUT, Code::Unavailable)
        }
        (_, Some(Reason::Timeout(_))) => (StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded),
        (_, Some(Reason::KeyMissing)) => (StatusCode::BAD_REQUEST, Code::InvalidArgument),
        (_, Some(Reason::KeyReused)) => (StatusCode::UNPROCESSABLE_ENTITY, Code::InvalidArgument),
        (_, Some(Reason::Local)) => (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
        (Kind::Throttled, _) => (StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted),
        (Kind::OutOfQuota, _) => (StatusCode::PAYMENT_REQUIRED, Code::ResourceExhausted),
        (Kind::Overloaded | Kind::Unavailable, _) => {
            (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable)
        }
        (Kind::Invalid, Some(Reason::Credentials)) => {
            (StatusCode::UNAUTHORIZED, Code::Unauthenticated)
        }
        (Kind::Invalid, Some(Reason::NotFound)) => (StatusCode::NOT_FOUND, Code::NotFound),
        (Kind::Invalid, _) => (StatusCode::BAD_REQUEST, Code::InvalidArgument),
        (Kind::Transient | Kind::Abandoned, _) => (StatusCode::BAD_GATEWAY, Code::Unavailable),
        // A failure that says that it is none.
        (Kind::Success, _) => (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
    }
}

/// The wait, wherever waiting helps.
fn retry_after(outcome: &Outcome) -> Option<Duration> {
    match (outcome.kind, outcome.reason) {
        // The time is the request's own, and it does not come back.
        (Kind::Unavailable, Some(Reason::Timeout(_))) | (_, Some(Reason::Local)) => None,
        (Kind::Throttled | Kind::Overloaded | Kind::Unavailable, _) => {
            Some(outcome.retry_after.unwrap_or(A_MOMENT))
        }
        (Kind::Transient | Kind::OutOfQuota, _) => {
            outcome.retry_after.filter(|wait| !wait.is_zero())
        }
        (Kind::Success | Kind::Invalid | Kind::Abandoned, _) => None,
    }
}

/// Where nobody knows how long: the shortest that the header can say.
const A_MOMENT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
