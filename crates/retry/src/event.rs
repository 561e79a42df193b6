//! The events of this layer. Names and fields are part of its API.

use std::num::NonZeroU32;
use std::time::Duration;

use buttress_core::Outcome;

use crate::policy::GaveUp;

/// Target of all events: what a subscriber filters on.
const TARGET: &str = "buttress::retry";

#[inline]
pub(crate) fn retrying(attempt: NonZeroU32, outcome: &Outcome, delay: Duration) {
    // The macro asks this, too, but only after its function has been entered.
    if tracing::level_enabled!(tracing::Level::INFO) {
        say_retrying(attempt, outcome, delay);
    }
}

fn say_retrying(attempt: NonZeroU32, outcome: &Outcome, delay: Duration) {
    tracing::info!(
        target: TARGET,
        attempt = attempt.get(),
        kind = outcome.kind.as_str(),
        reason = outcome.reason.map(|reason| reason.as_str()),
        delay_ms = millis(delay),
        "retrying"
    );
}

pub(crate) fn gave_up(attempt: NonZeroU32, outcome: &Outcome, why: GaveUp) {
    let number = attempt.get();
    let kind = outcome.kind.as_str();
    let reason = outcome.reason.map(|reason| reason.as_str());
    let why_not = why.as_str();
    // A failure that no attempt can mend is the ordinary course of things.
    if why == GaveUp::NotRetryable {
        tracing::debug!(target: TARGET, attempt = number, kind, reason, why_not, "gave up");
    } else {
        tracing::info!(target: TARGET, attempt = number, kind, reason, why_not, "gave up");
    }
}

fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}
