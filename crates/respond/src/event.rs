//! The event of this layer. Its name and fields are part of the API.

use crate::problem::Problem;

/// A failure has become an answer, or the end of one.
#[cold]
pub(crate) fn answered(problem: &Problem) {
    let outcome = problem.outcome();
    tracing::debug!(
        target: "buttress::respond",
        status = problem.status.as_u16(),
        kind = outcome.kind.as_str(),
        reason = outcome.reason.map(|reason| reason.as_str()),
        "answered"
    );
}
