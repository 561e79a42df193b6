//! What an outcome means to a circuit.

use std::time::Duration;

use buttress_core::{Kind, Outcome};

use crate::policy::Policy;

/// What an outcome means to a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bearing {
    Success,
    /// The upstream has failed.
    Failure {
        hint: Option<Duration>,
    },
    /// Our credential has been asked to slow down.
    Throttled {
        hint: Option<Duration>,
    },
    /// Our credential has nothing left.
    OutOfQuota {
        hint: Option<Duration>,
    },
    /// It says nothing about the upstream.
    Neutral,
}

impl Bearing {
    pub(crate) fn of(outcome: &Outcome, took: Option<Duration>, policy: &Policy) -> Self {
        let hint = outcome.retry_after;
        match outcome.kind {
            _ if outcome.neutral => Self::Neutral,
            Kind::Success => Self::Success,
            Kind::Transient | Kind::Overloaded => Self::Failure { hint },
            Kind::Throttled if policy.single_credential => Self::Throttled { hint },
            Kind::OutOfQuota if policy.single_credential => Self::OutOfQuota { hint },
            Kind::Abandoned if policy.has_waited_long(took) => Self::Failure { hint: None },
            Kind::Throttled
            | Kind::OutOfQuota
            | Kind::Invalid
            | Kind::Unavailable
            | Kind::Abandoned => Self::Neutral,
        }
    }

    /// How long the circuit stays open at least, if it opens for this.
    pub(crate) fn least_wait(self, policy: &Policy) -> Duration {
        let wait = match self {
            Self::Failure { hint } | Self::Throttled { hint } => hint.unwrap_or_default(),
            // A quota takes its time to come back, whatever a hint that is meant for a rate says.
            Self::OutOfQuota { hint } => hint.unwrap_or_default().max(policy.max_open_wait),
            Self::Success | Self::Neutral => Duration::ZERO,
        };
        wait.min(MAX_HINT)
    }
}

/// A quota of a day is believed; who says longer may be mistaken, and a probe a day costs little.
const MAX_HINT: Duration = Duration::from_secs(24 * 60 * 60);
