//! The events of this layer. Their names and fields are part of the API.

use std::time::Duration;

use buttress_core::Outcome;
use http::StatusCode;

const TARGET: &str = "buttress::heartbeat";

/// A heartbeat goes out.
pub(crate) fn sent() {
    tracing::trace!(target: TARGET, "sent");
}

/// The head goes out before there is an answer.
pub(crate) fn committed(after: Duration) {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(target: TARGET, after_ms, "committed");
}

/// What came behind a head that had gone out was no stream.
pub(crate) fn failed(status: Option<StatusCode>, outcome: &Outcome) {
    tracing::debug!(
        target: TARGET,
        status = status.map(|status| status.as_u16()),
        kind = outcome.kind.as_str(),
        reason = outcome.reason.map(|reason| reason.as_str()),
        "failed"
    );
}
