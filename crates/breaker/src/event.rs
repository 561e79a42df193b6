//! The events of this layer. Names and fields are part of its API.

use std::time::Duration;

use buttress_core::Outcome;

use crate::circuit::CircuitState;
use crate::error::CircuitOpen;

/// Target of all events: what a subscriber filters on.
const TARGET: &str = "buttress::breaker";

/// The circuit has changed its state. `outcome` is what did it, if a call did, and `wait` how long an open
/// circuit will refuse.
#[cold]
pub(crate) fn changed(
    circuit: Option<&str>,
    state: CircuitState,
    outcome: Option<&Outcome>,
    wait: Option<Duration>,
) {
    // A success can be the call that makes a rate of earlier failures: it has not opened anything by itself.
    let outcome = outcome.filter(|outcome| !outcome.is_success());
    let kind = outcome.map(|outcome| outcome.kind.as_str());
    let reason = outcome.and_then(|outcome| outcome.reason.map(|reason| reason.as_str()));
    let retry_after_ms = wait.map(millis);
    let forced = matches!(state, CircuitState::ForcedOpen | CircuitState::ForcedClosed);
    match state {
        CircuitState::Open | CircuitState::ForcedOpen => {
            tracing::warn!(target: TARGET, circuit, forced, kind, reason, retry_after_ms, "opened");
        }
        CircuitState::HalfOpen => tracing::info!(target: TARGET, circuit, "half open"),
        CircuitState::Closed | CircuitState::ForcedClosed => {
            tracing::info!(target: TARGET, circuit, forced, "closed");
        }
    }
}

/// A call was refused.
#[inline]
pub(crate) fn rejected(refusal: &CircuitOpen) {
    // The macro asks this, too, but only after its function has been entered.
    if tracing::level_enabled!(tracing::Level::DEBUG) {
        say_rejected(refusal);
    }
}

#[cold]
fn say_rejected(refusal: &CircuitOpen) {
    tracing::debug!(
        target: TARGET,
        circuit = refusal.circuit(),
        retry_after_ms = millis(refusal.retry_after()),
        "rejected"
    );
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
