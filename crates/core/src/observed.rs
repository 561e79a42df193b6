//! The findings of the one observer of a response body.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use crate::Outcome;

/// The findings of the one observer of a response body, for every layer outside it.
///
/// The layer that reads a response body leaves this handle in the extensions of the response. The handle fills while
/// the body is polled. A layer that finds it reads the findings after each frame and does not parse the body again.
///
/// # Clone
/// Clones share the findings.
///
/// # Examples
/// ```
/// use buttress_core::{Observed, Outcome};
///
/// let observed = Observed::new();
/// let outer = observed.clone();
/// observed.record_content();
/// assert!(outer.has_content());
/// observed.record_outcome(Outcome::SUCCESS);
/// assert_eq!(outer.outcome(), Some(Outcome::SUCCESS));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Observed(Arc<Findings>);

#[derive(Debug, Default)]
struct Findings {
    flags: AtomicU8,
    outcome: OnceLock<Outcome>,
    usage: OnceLock<Usage>,
}

/// Content has come.
const CONTENT: u8 = 1;
/// Content is still to come, so that the head alone decides nothing.
const AWAITS_CONTENT: u8 = 2;

/// The number of tokens that a response says it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the request.
    pub input_tokens: u64,
    /// Tokens of the response.
    pub output_tokens: u64,
}

impl Observed {
    /// Creates a handle without findings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a handle for a stream whose first content is still to come.
    #[must_use]
    pub fn awaiting_content() -> Self {
        let observed = Self::default();
        observed.0.flags.store(AWAITS_CONTENT, Ordering::Relaxed);
        observed
    }

    /// Whether the response is a stream whose content decides its outcome.
    #[must_use]
    pub fn awaits_content(&self) -> bool {
        self.0.flags.load(Ordering::Acquire) & AWAITS_CONTENT != 0
    }

    /// Whether the first content has come.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.0.flags.load(Ordering::Acquire) & CONTENT != 0
    }

    /// The outcome, once it is settled.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.0.outcome.get().copied()
    }

    /// The usage that the response reported, if it did.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.0.usage.get().copied()
    }

    /// Records that the first content has come.
    pub fn record_content(&self) {
        self.0.flags.fetch_or(CONTENT, Ordering::Release);
    }

    /// Records the outcome. The first one stays.
    pub fn record_outcome(&self, outcome: Outcome) {
        let _ = self.0.outcome.set(outcome);
    }

    /// Records the usage. The first one stays.
    pub fn record_usage(&self, usage: Usage) {
        let _ = self.0.usage.set(usage);
    }
}

#[cfg(test)]
mod tests {
    use super::{Observed, Usage};
    use crate::{Kind, Outcome};

    #[test]
    fn clones_share_what_was_recorded_and_the_first_outcome_stays() {
        let (inner, outer) = {
            let observed = Observed::awaiting_content();
            (observed.clone(), observed)
        };
        assert!(outer.awaits_content() && !outer.has_content());
        inner.record_content();
        inner.record_outcome(Outcome::SUCCESS);
        inner.record_outcome(Outcome::new(Kind::Transient));
        let usage = Usage {
            input_tokens: 5,
            output_tokens: 7,
        };
        inner.record_usage(usage);
        assert!(outer.awaits_content() && outer.has_content());
        assert_eq!(outer.outcome(), Some(Outcome::SUCCESS));
        assert_eq!(outer.usage(), Some(usage));
    }
}
