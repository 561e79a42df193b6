//! Whether to try again, and when: a pure function of what is known.

use std::num::NonZeroU32;
use std::time::Duration;

use buttress_core::{Acceptance, Backoff, Deadline, Kind, Outcome};

/// What the layer was told.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) max_attempts: NonZeroU32,
    pub(crate) backoff: Backoff,
    pub(crate) throttled_cap: Duration,
    pub(crate) max_hint: Duration,
    pub(crate) min_attempt: Duration,
    pub(crate) retry_answered: bool,
    pub(crate) retry_ambiguous: bool,
}

/// What a request says about being sent again. [`Replay::facts`](crate::Replay::facts) is asked only
/// after a failure.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Facts {
    /// Whether a second effect of it is as good as one: an idempotent method, or a key by which the
    /// upstream recognises it.
    pub repeatable: bool,
    /// Until when anybody waits for the answer.
    pub deadline: Option<Deadline>,
    /// What a retry of it costs, in retries of an ordinary request. Zero counts as one.
    pub weight: u32,
    /// What the request itself asks for.
    pub overrides: RetryOverride,
}

/// What one request asks for in place of the layer's settings: put it into the extensions of an
/// `http::Request`.
///
/// It can ask a layer that makes several attempts for more or fewer; a layer that makes one keeps nothing,
/// and so can make no more. (`reqwest::Request` does not show its extensions: there it has no effect.)
///
/// ```
/// use buttress_retry::RetryOverride;
///
/// let mut request = http::Request::post("https://api.example/v1/charge").body(())?;
/// request.extensions_mut().insert(RetryOverride::never());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryOverride {
    pub(crate) max_attempts: Option<NonZeroU32>,
    pub(crate) retry_ambiguous: Option<bool>,
}

/// Why there was no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// Another attempt would end the same way.
    NotRetryable,
    /// The attempts are used up.
    Attempts,
    /// The request may have had its effect, and a second one would be one too many.
    NotRepeatable,
    /// The upstream asks for more patience than we have.
    HintTooLong,
    /// There is no time left for it.
    Deadline,
    /// Too many retries at once.
    BudgetConcurrency,
    /// Too many retries of late.
    BudgetHistory,
    /// The request was too large to be kept, or its own body failed.
    NotKept,
    /// The inner service failed to become ready for another attempt.
    NotReady,
}

// ===== impl Policy =====

impl Policy {
    /// The delay before the next attempt, or why there is none.
    ///
    /// `time_left` is what remains of the deadline, if there is one.
    #[inline]
    pub(crate) fn decide(
        &self,
        outcome: &Outcome,
        facts: &Facts,
        attempt: NonZeroU32,
        time_left: Option<Duration>,
        sample: f64,
    ) -> Result<Duration, GaveUp> {
        if !outcome.is_retryable() {
            return Err(GaveUp::NotRetryable);
        }
        let max_attempts = facts.overrides.max_attempts.unwrap_or(self.max_attempts);
        if attempt >= max_attempts {
            return Err(GaveUp::Attempts);
        }
        if !self.is_safe(outcome, facts) {
            return Err(GaveUp::NotRepeatable);
        }
        let delay = self.delay(outcome, attempt, sample)?;
        match time_left {
            Some(left) if left <= delay.saturating_add(self.min_attempt) => Err(GaveUp::Deadline),
            _ => Ok(delay),
        }
    }

    /// Whether a second attempt cannot do harm, or the user has said that it may.
    fn is_safe(&self, outcome: &Outcome, facts: &Facts) -> bool {
        let ambiguous = facts
            .overrides
            .retry_ambiguous
            .unwrap_or(self.retry_ambiguous);
        facts.repeatable
            // The upstream knows best whether its request may be sent again.
            || outcome.should_retry == Some(true)
            || match outcome.acceptance {
                Acceptance::Rejected => true,
                Acceptance::Answered => self.retry_answered || ambiguous,
                Acceptance::Unknown => ambiguous,
            }
    }

    #[inline]
    fn delay(
        &self,
        outcome: &Outcome,
        attempt: NonZeroU32,
        sample: f64,
    ) -> Result<Duration, GaveUp> {
        let retry = attempt.get() - 1;
        match outcome.retry_after {
            Some(hint) if hint > self.max_hint => Err(GaveUp::HintTooLong),
            Some(hint) if !hint.is_zero() => Ok(self.hinted(hint, outcome.kind, retry, sample)),
            _ if self.backoff.is_zero() => Ok(Duration::ZERO),
            _ => Ok(self.local(outcome.kind).delay(retry, sample)),
        }
    }

    /// Never earlier than told; spread by as much as we would have waited anyway, but by no more than
    /// the hint itself, so that a small one is followed exactly.
    #[inline(never)]
    fn hinted(&self, hint: Duration, kind: Kind, retry: u32, sample: f64) -> Duration {
        let local = self.local(kind);
        let spread = if local.is_jittered() {
            local.ceiling(retry).min(hint)
        } else {
            Duration::ZERO
        };
        let jitter = Backoff::constant(spread).delay(0, sample);
        hint.saturating_add(jitter)
    }

    /// The backoff after a failure of this kind, whatever the upstream asks for.
    fn local(&self, kind: Kind) -> Backoff {
        match kind {
            Kind::Throttled | Kind::Overloaded => {
                // Nobody who asks for patience shall get less of it.
                let cap = self.throttled_cap.max(self.backoff.max_delay());
                self.backoff.cap(cap)
            }
            _ => self.backoff,
        }
    }
}

// ===== impl Facts =====

impl Facts {
    /// A request that may be sent again as often as one likes, without a deadline.
    pub const REPEATABLE: Self = Self {
        repeatable: true,
        deadline: None,
        weight: 1,
        overrides: RetryOverride {
            max_attempts: None,
            retry_ambiguous: None,
        },
    };
}

// ===== impl RetryOverride =====

impl RetryOverride {
    /// One attempt and no more. Such a call takes no part in the budget.
    #[must_use]
    pub const fn never() -> Self {
        Self {
            max_attempts: Some(NonZeroU32::MIN),
            retry_ambiguous: None,
        }
    }

    pub(crate) fn is_never(&self) -> bool {
        self.max_attempts == Some(NonZeroU32::MIN)
    }

    /// So many attempts, the first included.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: NonZeroU32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Whether to try again although the first attempt may have had its effect.
    #[must_use]
    pub const fn retry_ambiguous(mut self, yes: bool) -> Self {
        self.retry_ambiguous = Some(yes);
        self
    }
}

// ===== impl GaveUp =====

impl GaveUp {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NotRetryable => "not_retryable",
            Self::Attempts => "attempts",
            Self::NotRepeatable => "not_repeatable",
            Self::HintTooLong => "hint_too_long",
            Self::Deadline => "deadline",
            Self::BudgetConcurrency => "budget_concurrency",
            Self::BudgetHistory => "budget_history",
            Self::NotKept => "not_kept",
            Self::NotReady => "not_ready",
        }
    }
}

#[cfg(all(test, not(buttress_loom)))]
mod tests;
