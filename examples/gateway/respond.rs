//! What we say where there is no upstream's answer to pass on; [`RespondLayer`] says most of it.

use std::error::Error;
use std::fmt;

use buttress::classify::Profile;
use buttress::classify::grpc::Code;
use buttress::core::{chain, find};
use buttress::respond::{Problem, RespondLayer};
use http::StatusCode;

/// Answers for every failure, in this provider's words where a stream has to tell it.
pub(crate) fn layer(profile: Profile) -> RespondLayer {
    RespondLayer::new()
        .profile(profile)
        .after_retries(true)
        .map(tell)
}

/// What only a proxy refuses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: Code,
    detail: &'static str,
}

impl Refusal {
    pub(crate) const fn bad_request(detail: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: Code::InvalidArgument,
            detail,
        }
    }

    pub(crate) const fn not_implemented(detail: &'static str) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            code: Code::Unimplemented,
            detail,
        }
    }

    pub(crate) const fn bad_gateway(detail: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_GATEWAY,
            code: Code::Unavailable,
            detail,
        }
    }
}

/// The upstreams' failures are told by their outcome; these are not theirs.
fn tell(error: &(dyn Error + 'static), problem: &mut Problem) {
    let refusal = if chain(error).any(is_clients_body) {
        Refusal::bad_request("the request's body ended before its time")
    } else if let Some(refusal) = find::<Refusal>(error) {
        *refusal
    } else {
        return;
    };
    problem.status = refusal.status;
    problem.code = refusal.code;
    problem.detail = refusal.detail.into();
    problem.retry_after = None;
}

/// The request's own body broke off on its way through us.
fn is_clients_body(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<hyper::Error>()
        .is_some_and(hyper::Error::is_user)
}

/// An error and its causes in one line, for the log.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = chain(error).map(ToString::to_string).collect();
    causes.dedup(); // a mere wrapper repeats what it wraps
    causes.join(": ")
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl Error for Refusal {}
