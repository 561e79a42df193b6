//! Until when anybody cares.

use std::time::{Duration, Instant};

/// The moment after which nobody waits for the answer any more.
///
/// Travels in the request's extensions. A layer that would start work, or wait, asks first whether
/// there is time left for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    enforced: bool,
}

impl Deadline {
    /// A deadline that nothing enforces: layers respect it of their own accord.
    #[must_use]
    pub const fn at(at: Instant) -> Self {
        Self {
            at,
            enforced: false,
        }
    }

    /// A deadline so long after `now`. A time beyond what the clock can say is very far off.
    #[must_use]
    pub fn after(now: Instant, time: Duration) -> Self {
        Self::at(now.checked_add(time).unwrap_or_else(|| now + FAR_OFF))
    }

    /// The same moment, marked as one that an outer layer enforces with a timer of its own, so that
    /// inner layers need none for limits that lie behind it.
    #[must_use]
    pub const fn enforced(mut self) -> Self {
        self.enforced = true;
        self
    }

    /// The moment.
    #[must_use]
    pub const fn instant(&self) -> Instant {
        self.at
    }

    /// Whether an outer layer ends the call at that moment.
    #[must_use]
    pub const fn is_enforced(&self) -> bool {
        self.enforced
    }

    /// What is left of it; zero once it has passed.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }

    /// Whether work that takes `time` from `now` on would end before the deadline.
    #[must_use]
    pub fn allows(&self, now: Instant, time: Duration) -> bool {
        time < self.remaining(now)
    }

    /// The earlier of two deadlines: nobody can extend what another has set.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }
}

/// Thirty years: far enough for everybody, near enough for every platform's clock.
const FAR_OFF: Duration = Duration::from_secs(86_400 * 365 * 30);

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "an `Instant` can only be had from the clock; the tests then do sums with it"
)]
mod tests {
    use super::{Deadline, Duration, Instant};

    #[test]
    fn what_is_left_never_goes_below_zero() {
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::from_secs(1));
        assert_eq!(
            deadline.remaining(now + Duration::from_secs(9)),
            Duration::ZERO
        );
        assert!(!deadline.allows(now + Duration::from_secs(9), Duration::ZERO));
    }

    #[test]
    fn work_that_would_end_at_the_deadline_does_not_fit() {
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::from_secs(1));
        assert!(deadline.allows(now, Duration::from_millis(999)));
        assert!(!deadline.allows(now, Duration::from_secs(1)));
    }

    #[test]
    fn a_time_that_the_clock_cannot_say_is_very_far_off() {
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::MAX);
        assert!(deadline.allows(now, Duration::from_secs(86_400 * 365)));
    }

    #[test]
    fn the_earlier_of_two_wins_with_its_enforcement() {
        let now = Instant::now();
        let early = Deadline::after(now, Duration::from_secs(1));
        let late = Deadline::after(now, Duration::from_secs(2)).enforced();
        assert_eq!(late.min(early), early);
        assert_eq!(early.min(late), early);
    }
}
