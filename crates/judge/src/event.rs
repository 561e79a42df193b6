//! The event of this layer. Its name and fields are part of the API.

use buttress_core::Outcome;
use http::StatusCode;

/// An answer has turned out to be a failure.
pub(crate) fn judged(status: StatusCode, held_bytes: u64, outcome: &Outcome) {
    tracing::debug!(
        target: "buttress::judge",
        status = status.as_u16(),
        held_bytes,
        kind = outcome.kind.as_str(),
        reason = outcome.reason.map(|reason| reason.as_str()),
        "judged"
    );
}
