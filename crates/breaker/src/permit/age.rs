//! How far a call has come, in four bytes.

use std::num::NonZeroU32;
use std::time::Duration;

/// How long a call has waited for its first content.
///
/// It was never pending; or it has been since a moment; or content has come after a time. Moments and times are
/// milliseconds in 29 bits, which come round after six days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age(NonZeroU32);

/// The time that the other bits say is not a moment, but how long it took.
const CONTENT: u32 = 1 << 31;
const MILLIS: u32 = (1 << 29) - 1;
/// Below the time there is room for two bits. With nothing above them the call was never pending, which is
/// asked most, and in one comparison.
const MILLIS_SHIFT: u32 = 2;
/// The answer ends with its head.
const HEAD_ONLY: u32 = 1 << 1;
/// Always set: no age is zero, and by a zero a future tells that there is no call.
const MARK: u32 = 1;

impl Age {
    pub(crate) const NEVER_PENDING: Self = Self::of(0, 0);

    const fn of(flags: u32, millis: u32) -> Self {
        let bits = flags | millis << MILLIS_SHIFT | MARK;
        Self(NonZeroU32::new(bits).expect("a bit is always set"))
    }

    pub(crate) const fn since(self, millis: u32) -> Self {
        let millis = millis & MILLIS;
        // Zero says never.
        Self::of(
            self.0.get() & HEAD_ONLY,
            if millis == 0 { 1 } else { millis },
        )
    }

    /// Content has come, so long after the call was first pending.
    pub(crate) const fn content_after(self, took: Option<Duration>) -> Self {
        let millis = match took {
            Some(took) => took.as_millis(),
            None => 0,
        };
        let most = MILLIS as u128;
        #[expect(clippy::cast_possible_truncation, reason = "at most 29 bits")]
        let millis = if millis > most { most } else { millis } as u32;
        Self::of(self.0.get() & HEAD_ONLY | CONTENT, millis)
    }

    pub(crate) const fn head_only(self) -> Self {
        Self(NonZeroU32::new(self.0.get() | HEAD_ONLY).expect("a bit is set"))
    }

    #[inline]
    pub(crate) const fn is_head_only(self) -> bool {
        self.0.get() & HEAD_ONLY != 0
    }

    #[inline]
    pub(crate) const fn is_never_pending(self) -> bool {
        self.0.get() < 1 << MILLIS_SHIFT
    }

    /// Whether the call is pending, and nothing has come yet.
    #[inline]
    pub(crate) const fn is_waiting(self) -> bool {
        !self.is_never_pending() && self.0.get() & CONTENT == 0
    }

    /// How long the call waited for its first content, or has waited until now.
    pub(crate) const fn took(self, now_millis: u32) -> Option<Duration> {
        if self.is_never_pending() {
            return None;
        }
        let own = self.0.get() >> MILLIS_SHIFT;
        let millis = if self.is_waiting() {
            now_millis.wrapping_sub(own)
        } else {
            own
        };
        Some(Duration::from_millis((millis & MILLIS) as u64))
    }
}

#[cfg(all(test, not(buttress_loom)))]
mod tests {
    use std::time::Duration;

    use super::Age;

    const NEW: Age = Age::NEVER_PENDING;

    #[test]
    fn an_age_is_the_time_since_the_call_was_first_pending() {
        assert_eq!(NEW.took(7), None);
        assert_eq!(NEW.since(5).took(7), Some(Duration::from_millis(2)));
        assert_eq!(NEW.since(5).took(5), Some(Duration::ZERO));
    }

    #[test]
    fn an_age_goes_on_where_the_milliseconds_come_round() {
        let before = (1 << 29) - 10;
        for round in [0, 1 << 29, 7 << 29] {
            let age = NEW.since(before);
            assert_eq!(age.took(round + 5), Some(Duration::from_millis(15)));
        }
    }

    #[test]
    fn content_stops_the_clock() {
        let age = NEW.since(5).content_after(Some(Duration::from_millis(40)));
        assert!(!age.is_waiting() && !age.is_never_pending());
        assert_eq!(age.took(1_000_000), Some(Duration::from_millis(40)));
        let age = NEW.since(5).content_after(Some(Duration::MAX));
        assert!(age.took(0) > Some(Duration::from_secs(500_000)));
    }

    #[test]
    fn the_bit_for_heads_disturbs_nothing() {
        let age = NEW.head_only();
        assert!(age.is_head_only() && age.is_never_pending() && !age.is_waiting());
        let age = age.since(3);
        assert!(age.is_head_only() && age.is_waiting());
        assert_eq!(age.took(10), Some(Duration::from_millis(7)));
        assert!(age.content_after(None).is_head_only());
        assert!(!NEW.is_head_only());
    }
}
