//! The events of this layer. Names and fields are part of its API.

use buttress_core::Outcome;

use crate::name::TierName;
use crate::served::ServedBy;

/// Target of all events: what a subscriber filters on.
const TARGET: &str = "buttress::fallback";

/// The next tier is asked.
pub(crate) fn falling_back(to: &TierName, why: &Outcome) {
    tracing::info!(
        target: TARGET,
        to = to.as_str(),
        kind = why.kind.as_str(),
        reason = why.reason.map(|reason| reason.as_str()),
        "falling back"
    );
}

/// A tier was passed over: nothing was sent.
pub(crate) fn skipped(tier: &TierName, why: &Outcome) {
    tracing::debug!(
        target: TARGET,
        tier = tier.as_str(),
        kind = why.kind.as_str(),
        reason = why.reason.map(|reason| reason.as_str()),
        "skipped"
    );
}

/// A tier has served the call.
pub(crate) fn served(by: &ServedBy) {
    tracing::info!(
        target: TARGET,
        tier = by.name(),
        place = by.tier(),
        degraded = by.is_degraded(),
        "served"
    );
}

/// Nobody suits, so that the primary's failure goes outward.
pub(crate) fn nobody_asked(primary: &TierName, outcome: &Outcome) {
    tracing::debug!(
        target: TARGET,
        tier = primary.as_str(),
        kind = outcome.kind.as_str(),
        reason = outcome.reason.map(|reason| reason.as_str()),
        "nobody to ask"
    );
}

/// Nobody could serve the call.
pub(crate) fn all_failed(tiers: usize, outcome: &Outcome) {
    tracing::warn!(
        target: TARGET,
        tiers,
        kind = outcome.kind.as_str(),
        reason = outcome.reason.map(|reason| reason.as_str()),
        "all tiers failed"
    );
}
