//! How long a call has waited, in four bytes.

use std::time::Duration;

/// How long a call has waited for its first content.
///
/// Never pending, or pending since a moment, or content has come after a time, or the call is settled. Moments and
/// times are milliseconds in 31 bits, which come round after 24 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age(u32);

impl Age {
    pub(crate) const NEVER_PENDING: Self = Self(0);
    pub(crate) const SETTLED: Self = Self(u32::MAX);

    pub(crate) const fn since(millis: u32) -> Self {
        let millis = millis & MILLIS;
        Self(if millis == 0 { 1 } else { millis })
    }

    /// Content has come, so long after the call was first pending.
    pub(crate) const fn content_after(took: Option<Duration>) -> Self {
        let millis = match took {
            Some(took) => took.as_millis(),
            None => 0,
        };
        // All but the greatest, which says settled.
        let most = (MILLIS - 1) as u128;
        #[expect(clippy::cast_possible_truncation, reason = "at most 31 bits")]
        let millis = if millis > most { most } else { millis } as u32;
        Self(CONTENT | millis)
    }

    #[inline]
    pub(crate) const fn is_never_pending(self) -> bool {
        self.0 == Self::NEVER_PENDING.0
    }

    #[inline]
    pub(crate) const fn is_settled(self) -> bool {
        self.0 == Self::SETTLED.0
    }

    /// Whether the call is pending, and nothing has come yet.
    #[inline]
    pub(crate) const fn is_waiting(self) -> bool {
        !self.is_never_pending() && self.0 & CONTENT == 0
    }

    /// How long the call waited for its first content, or has waited until now.
    pub(crate) const fn took(self, now_millis: u32) -> Option<Duration> {
        let millis = if self.is_never_pending() || self.is_settled() {
            return None;
        } else if self.is_waiting() {
            now_millis.wrapping_sub(self.0) & MILLIS
        } else {
            self.0 & MILLIS
        };
        Some(Duration::from_millis(millis as u64))
    }
}

const CONTENT: u32 = 1 << 31;
const MILLIS: u32 = CONTENT - 1;

#[cfg(all(test, not(buttress_loom)))]
mod tests {
    use std::time::Duration;

    use super::Age;

    #[test]
    fn an_age_is_the_time_since_the_call_was_first_pending() {
        assert_eq!(Age::NEVER_PENDING.took(7), None);
        assert_eq!(Age::since(5).took(7), Some(Duration::from_millis(2)));
        assert_eq!(Age::since(5).took(5), Some(Duration::ZERO));
    }

    #[test]
    fn an_age_goes_on_where_the_milliseconds_come_round() {
        let before = (1 << 31) - 10;
        for round in [0, 1 << 31] {
            let age = Age::since(before);
            assert_eq!(age.took(round + 5), Some(Duration::from_millis(15)));
        }
    }

    #[test]
    fn content_stops_the_clock() {
        let age = Age::content_after(Some(Duration::from_millis(40)));
        assert!(!age.is_waiting() && !age.is_never_pending());
        assert_eq!(age.took(1_000_000), Some(Duration::from_millis(40)));
        assert!(!Age::content_after(Some(Duration::MAX)).is_settled());
        assert!(!Age::content_after(None).is_settled());
    }
}
