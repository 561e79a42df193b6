//! Looking at a circuit: nothing here changes it.

use std::time::{Duration, Instant};

use super::Circuit;
use super::state::{CircuitState, End, State};
use crate::policy::Policy;
use crate::window::Counts;

impl Circuit {
    /// Where it is. An open circuit whose wait is over stays open until a call asks.
    #[must_use]
    pub const fn state(&self) -> CircuitState {
        match self.state {
            State::Closed { .. } => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen(_) => CircuitState::HalfOpen,
            State::ForcedClosed => CircuitState::ForcedClosed,
            State::ForcedOpen => CircuitState::ForcedOpen,
        }
    }

    /// What the window holds now. Nothing while the circuit is not closed.
    #[must_use]
    pub fn counts(&self, now: Instant) -> Counts {
        self.tally.counts(now)
    }

    /// Failures since the last success.
    #[must_use]
    pub const fn consecutive_failures(&self) -> u32 {
        self.consecutive
    }

    /// How long a call that is refused now should wait; `None` if it would be let through.
    ///
    /// Reading it takes no probe's place.
    #[must_use]
    pub fn left(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed { .. } | State::ForcedClosed => None,
            State::ForcedOpen | State::Open { until: None, .. } => Some(self.policy.open_wait),
            State::Open {
                until: Some(until), ..
            } => {
                let left = until.saturating_duration_since(now);
                (!left.is_zero()).then_some(left)
            }
            State::HalfOpen(probes) if probes.taken() < self.policy.probes.get() => None,
            State::HalfOpen(probes) => {
                let lease = probes.lease.map(|end| end.saturating_duration_since(now));
                Some(lease.map_or(PROBING, |left| left.min(PROBING)))
            }
        }
    }

    /// Its policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The number of its era.
    pub(crate) const fn era(&self) -> u32 {
        self.era
    }

    /// Whether a success cannot change anything but the counts.
    pub(crate) fn is_calm(&self, now: Instant) -> bool {
        let counts = self.counts(now);
        let rated = counts.calls >= self.policy.enough_calls();
        self.consecutive == 0 && (rated || counts.failures == 0 && counts.slow == 0)
    }

    /// Whether nothing is lost with it: it is closed, or what it waited for has been over for longer than the
    /// longest wait, and no call has asked since. What somebody holds by hand he will miss.
    pub(crate) fn is_forgettable(&self, now: Instant) -> bool {
        let over = match self.state {
            State::Closed { .. } => return true,
            State::Open { until, .. } => until,
            State::HalfOpen(probes) => probes.lease, // of the last one that went out alone
            State::ForcedClosed | State::ForcedOpen => None,
        };
        over.and_then(|over| over.checked_add(self.policy.max_open_wait))
            .is_some_and(|forsaken| now > forsaken)
    }

    /// Until when calls are refused: `None` if one would be let through, or asks for it.
    pub(crate) fn shut_until(&self) -> Option<End> {
        match self.state {
            State::Closed { .. } | State::ForcedClosed => None,
            State::ForcedOpen => Some(End::Never),
            State::Open { until, .. } => Some(until.map_or(End::Never, End::At)),
            State::HalfOpen(probes) if probes.taken() < self.policy.probes.get() => None,
            State::HalfOpen(probes) => Some(probes.lease.map_or(End::Never, End::At)),
        }
    }

    /// When there is something to [turn](Self::turn), in nanoseconds since the epoch.
    pub(crate) fn turns_at(&self) -> u64 {
        self.tally.turns_at()
    }
}

/// What a refused call is told while probes are under way: nobody knows how long they take.
pub(crate) const PROBING: Duration = Duration::from_secs(1);
