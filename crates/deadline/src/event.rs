//! The events of these layers. Names and fields are part of the API.

use std::time::Duration;

use http::HeaderName;

use crate::term::Whose;

const TARGET: &str = "buttress::deadline";

/// A call was ended.
#[cold]
pub(crate) fn exceeded(whose: Whose, limit: Duration) {
    tracing::info!(
        target: TARGET,
        limit = whose.as_str(),
        limit_ms = millis(limit),
        "exceeded"
    );
}

/// A call was not started.
#[cold]
pub(crate) fn refused(whose: Whose, left: Duration, floor: Duration) {
    tracing::info!(
        target: TARGET,
        limit = whose.as_str(),
        left_ms = millis(left),
        floor_ms = millis(floor),
        "refused"
    );
}

/// A header that says how long the caller waits was not understood.
#[cold]
pub(crate) fn ignored(header: &HeaderName) {
    tracing::debug!(target: TARGET, header = header.as_str(), "ignored");
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
