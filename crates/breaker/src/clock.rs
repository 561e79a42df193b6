//! Moments as numbers that fit an atomic.

use std::time::Instant;

/// Now, by the clock that tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Nanoseconds from one moment to another: none if the clock went backwards, and centuries at most.
pub(crate) fn nanos_since(epoch: Instant, moment: Instant) -> u64 {
    let elapsed = moment.saturating_duration_since(epoch);
    elapsed
        .as_secs()
        .saturating_mul(NANOS_PER_SEC)
        .saturating_add(u64::from(elapsed.subsec_nanos()))
}

const NANOS_PER_SEC: u64 = 1_000_000_000;
