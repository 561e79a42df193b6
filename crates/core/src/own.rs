//! What each of our own errors means to the other layers: the one table of kinds and reasons.
//!
//! A layer wraps its error into a [`Failure`](crate::Failure) with the outcome named here, so that
//! any other layer can judge it without knowing its type.

use crate::outcome::{Kind, Outcome, Reason, Timer};

impl Outcome {
    /// A circuit breaker refused the call: nothing was sent.
    pub const CIRCUIT_OPEN: Self = Self::new(Kind::Unavailable).because(Reason::CircuitOpen);

    /// A queue or a limit of ours is full: nothing was sent.
    pub const QUEUE_FULL: Self = Self::new(Kind::Unavailable).because(Reason::QueueFull);

    /// The same call is under way already, and its owner asked not to wait for it.
    pub const IN_FLIGHT: Self = Self::new(Kind::Unavailable).because(Reason::InFlight);

    /// The whole time budget ran out: no other attempt can help, here or elsewhere.
    pub const DEADLINE_EXCEEDED: Self =
        Self::new(Kind::Unavailable).because(Reason::Timeout(Timer::Deadline));

    /// This stage's share of the time budget ran out: there may be time left for another stage.
    pub const SHARE_EXCEEDED: Self = Self::timeout(Timer::Share);

    /// This stage's share of the time budget was too short to begin with: nothing was sent. Another
    /// attempt would have less.
    pub const SHARE_TOO_SHORT: Self =
        Self::new(Kind::Unavailable).because(Reason::Timeout(Timer::Share));

    /// No connection was made in time: nothing was sent.
    pub const CONNECT_ELAPSED: Self =
        Self::timeout(Timer::Connect).accepted(crate::Acceptance::Rejected);

    /// The first frame did not come in time.
    pub const FIRST_FRAME_ELAPSED: Self = Self::timeout(Timer::FirstFrame);

    /// No bytes came for too long.
    pub const IDLE_ELAPSED: Self = Self::timeout(Timer::Idle);

    /// Bytes came, but no content, for too long.
    pub const PROGRESS_ELAPSED: Self = Self::timeout(Timer::Progress);

    /// The whole call took too long.
    pub const TOTAL_ELAPSED: Self = Self::timeout(Timer::Total);

    /// The answer ended before its own end.
    pub const TRUNCATED: Self = Self::new(Kind::Transient).because(Reason::Truncated);

    /// An idempotency key is required, and there is none, or it is malformed.
    pub const KEY_MISSING: Self = Self::refused(Reason::KeyMissing);

    /// The idempotency key came with another request before.
    pub const KEY_REUSED: Self = Self::refused(Reason::KeyReused);

    /// One of several readers of an answer was too slow for the others: as if it had gone away.
    pub const FELL_BEHIND: Self = Self::new(Kind::Abandoned);

    /// Our own side failed to build, rewrite or send the request: no attempt can end better.
    pub const LOCAL: Self = Self::new(Kind::Invalid).because(Reason::Local);

    /// The request's own fault, found before it was sent.
    const fn refused(reason: Reason) -> Self {
        Self::new(Kind::Invalid)
            .because(reason)
            .accepted(crate::Acceptance::Rejected)
    }

    const fn timeout(timer: Timer) -> Self {
        Self::new(Kind::Transient).because(Reason::Timeout(timer))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Acceptance, Kind, Outcome};

    #[test]
    fn a_share_may_be_tried_again_and_the_whole_budget_may_not() {
        assert_eq!(Outcome::SHARE_EXCEEDED.kind, Kind::Transient);
        assert_eq!(Outcome::DEADLINE_EXCEEDED.kind, Kind::Unavailable);
    }

    #[test]
    fn our_own_timeout_proves_nothing_about_the_request() {
        assert_eq!(Outcome::IDLE_ELAPSED.acceptance, Acceptance::Unknown);
        assert_eq!(Outcome::TOTAL_ELAPSED.acceptance, Acceptance::Unknown);
        assert_eq!(Outcome::CONNECT_ELAPSED.acceptance, Acceptance::Rejected);
    }

    #[test]
    fn an_error_of_our_own_side_is_never_retryable() {
        assert!(!Outcome::LOCAL.is_retryable());
    }
}
