//! What is said when there is no time left.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The caller's whole time budget ran out, or what was left of it was not worth a call.
///
/// The outcome is [`Outcome::DEADLINE_EXCEEDED`]: no attempt can help, here or elsewhere. Of a call that was
/// started it says that nobody knows whether it was [taken on](buttress_core::Acceptance::Unknown).
///
/// [`Outcome::DEADLINE_EXCEEDED`]: buttress_core::Outcome::DEADLINE_EXCEEDED
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadlineExceeded {
    pub(crate) limit: Duration,
    pub(crate) floor: Option<Duration>,
}

/// A stage's share of the time budget ran out, or was not worth a call: there may be time left for
/// another stage.
///
/// The outcome is [`Outcome::SHARE_EXCEEDED`], or [`Outcome::SHARE_TOO_SHORT`] if nothing was sent.
///
/// [`Outcome::SHARE_EXCEEDED`]: buttress_core::Outcome::SHARE_EXCEEDED
/// [`Outcome::SHARE_TOO_SHORT`]: buttress_core::Outcome::SHARE_TOO_SHORT
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareExceeded {
    pub(crate) limit: Duration,
    pub(crate) floor: Option<Duration>,
}

// ===== impl DeadlineExceeded =====

impl DeadlineExceeded {
    /// How much time there was when the layer that says this saw the call.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// How much there must be for a call to start; `None` if it was started. With one, the inner service
    /// was not called.
    #[must_use]
    pub const fn floor(&self) -> Option<Duration> {
        self.floor
    }
}

/// Names the numbers that mattered; the text may change.
impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        say(f, "time budget", self.limit, self.floor)
    }
}

impl Error for DeadlineExceeded {}

// ===== impl ShareExceeded =====

impl ShareExceeded {
    /// How long the share was.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// How long it must be for a call to start; `None` if it was started. With one, the inner service was
    /// not called.
    #[must_use]
    pub const fn floor(&self) -> Option<Duration> {
        self.floor
    }
}

/// Names the numbers that mattered; the text may change.
impl fmt::Display for ShareExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        say(f, "share of the time budget", self.limit, self.floor)
    }
}

impl Error for ShareExceeded {}

fn say(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    limit: Duration,
    floor: Option<Duration>,
) -> fmt::Result {
    match floor {
        None => write!(f, "the {what} of {limit:?} ran out"),
        Some(_) if limit.is_zero() => write!(f, "the {what} was used up before the call"),
        Some(floor) => write!(f, "the {what} is {limit:?}, and a call takes {floor:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{DeadlineExceeded, Duration, ShareExceeded};

    #[test]
    fn the_text_names_the_numbers_that_mattered() {
        let error = DeadlineExceeded {
            limit: Duration::from_secs(2),
            floor: None,
        };
        assert_eq!(error.to_string(), "the time budget of 2s ran out");
        let error = DeadlineExceeded {
            limit: Duration::ZERO,
            floor: Some(Duration::ZERO),
        };
        assert_eq!(
            error.to_string(),
            "the time budget was used up before the call"
        );
        let error = ShareExceeded {
            limit: Duration::from_millis(3),
            floor: Some(Duration::from_millis(10)),
        };
        assert_eq!(
            error.to_string(),
            "the share of the time budget is 3ms, and a call takes 10ms"
        );
    }
}
