//! The event of this layer. Its name and fields are part of the API.

use std::time::Duration;

use crate::error::Limit;

/// A limit has elapsed, and the call or its body ends in an error.
#[cold]
pub(crate) fn elapsed(limit: Limit, length: Duration) {
    let limit_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(
        target: "buttress::timeout",
        limit = limit.as_str(),
        limit_ms,
        "elapsed"
    );
}
