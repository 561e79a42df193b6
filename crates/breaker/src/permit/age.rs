//! How far a call has come, in four bytes.

use std::num::NonZeroU32;
use std::time::Duration;

/// How long a call has waited for its first content.
///
/// It was never pending; or it has been since a moment; or it is not at present, after a time; or content has
/// come after a time. Moments and times are milliseconds in 27 bits, which come round after a day and a half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age(NonZeroU32);

/// Content has come. What the other bits say is not a moment, but how long it took.
const CONTENT: u32 = 1 << 31;
/// Nobody waits at present. What the other bits say is how long somebody did.
const PAUSED: u32 = 1 << 30;
const MILLIS: u32 = (1 << 27) - 1;
/// Below the time there is room for three bits. With nothing above them the call was never pending, which is
/// asked most, and in one comparison.
const MILLIS_SHIFT: u32 = 3;
const FLAGS: u32 = (1 << MILLIS_SHIFT) - 1;
/// The answer is well, and who leaves its body has had it.
const HEAD_SUFFICES: u32 = 1 << 2;
/// The answer ends with its head.
const HEAD_ONLY: u32 = 1 << 1;
/// Always set: no age is zero, and by a zero a future tells that there is no call.
const MARK: u32 = 1;

impl Age {
    pub(crate) const NEVER_PENDING: Self = Self::of(0, 0);

    const fn of(flags: u32, millis: u32) -> Self {
        let bits = flags | (millis & MILLIS) << MILLIS_SHIFT | MARK;
        Self(NonZeroU32::new(bits).expect("a bit is always set"))
    }

    /// The same flags, and this time.
    const fn at(self, state: u32, millis: u32) -> Self {
        Self::of(self.0.get() & FLAGS | state, millis)
    }

    /// Somebody waits from now on, or again.
    pub(crate) const fn since(self, now_millis: u32) -> Self {
        let millis = now_millis.wrapping_sub(self.millis()) & MILLIS;
        // Zero says never.
        self.at(0, if millis == 0 { 1 } else { millis })
    }

    /// Nobody waits for now.
    pub(crate) const fn paused(self, now_millis: u32) -> Self {
        self.at(PAUSED, now_millis.wrapping_sub(self.millis()))
    }

    /// Content has come, for which the call was waited for so long.
    pub(crate) const fn content_after(self, took: Option<Duration>) -> Self {
        let millis = match took {
            Some(took) => took.as_millis(),
            None => 0,
        };
        let most = MILLIS as u128;
        #[expect(clippy::cast_possible_truncation, reason = "at most 27 bits")]
        let millis = if millis > most { most } else { millis } as u32;
        self.at(CONTENT, millis)
    }

    pub(crate) const fn head_only(self) -> Self {
        Self(NonZeroU32::new(self.0.get() | HEAD_ONLY).expect("a bit is set"))
    }

    #[inline]
    pub(crate) const fn is_head_only(self) -> bool {
        self.0.get() & HEAD_ONLY != 0
    }

    pub(crate) const fn head_suffices(self) -> Self {
        Self(NonZeroU32::new(self.0.get() | HEAD_SUFFICES).expect("a bit is set"))
    }

    pub(crate) const fn is_head_enough(self) -> bool {
        self.0.get() & HEAD_SUFFICES != 0
    }

    #[inline]
    pub(crate) const fn is_never_pending(self) -> bool {
        self.0.get() < 1 << MILLIS_SHIFT
    }

    /// Whether the call is pending, and nothing has come yet.
    #[inline]
    pub(crate) const fn is_waiting(self) -> bool {
        !self.is_never_pending() && self.0.get() & (CONTENT | PAUSED) == 0
    }

    pub(crate) const fn has_content(self) -> bool {
        self.0.get() & CONTENT != 0
    }

    /// Whether a wait that begins now would be the first one, or go on.
    #[inline]
    pub(crate) const fn can_begin(self) -> bool {
        self.is_never_pending() || self.0.get() & PAUSED != 0
    }

    /// How long the call waited for its first content, or has waited until now.
    pub(crate) const fn took(self, now_millis: u32) -> Option<Duration> {
        if self.is_never_pending() {
            return None;
        }
        let millis = if self.is_waiting() {
            now_millis.wrapping_sub(self.millis())
        } else {
            self.millis()
        };
        Some(Duration::from_millis((millis & MILLIS) as u64))
    }

    const fn millis(self) -> u32 {
        self.0.get() >> MILLIS_SHIFT & MILLIS
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
        let before = (1 << 27) - 10;
        for round in [0, 1 << 27, 31 << 27] {
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
        assert!(age.took(0) > Some(Duration::from_secs(130_000)));
    }

    #[test]
    fn pauses_are_left_out() {
        let age = NEW.since(5).paused(15);
        assert!(!age.is_waiting() && age.can_begin() && !age.is_never_pending());
        assert_eq!(age.took(1_000), Some(Duration::from_millis(10)));
        let age = age.since(2_000);
        assert!(age.is_waiting() && !age.can_begin());
        assert_eq!(age.took(2_003), Some(Duration::from_millis(13)));
        let early = NEW.since(1).paused(101).since(50);
        assert_eq!(early.took(60), Some(Duration::from_millis(110)));
        assert!(!NEW.content_after(None).can_begin());
    }

    #[test]
    fn the_bits_for_heads_disturb_nothing() {
        let enough = NEW.head_suffices();
        assert!(enough.is_head_enough() && enough.is_never_pending() && !enough.is_head_only());
        assert!(enough.since(3).paused(4).is_head_enough() && !NEW.is_head_enough());
        let age = NEW.head_only();
        assert!(age.is_head_only() && age.is_never_pending() && !age.is_waiting());
        let age = age.since(3);
        assert!(age.is_head_only() && age.is_waiting());
        assert_eq!(age.took(10), Some(Duration::from_millis(7)));
        assert!(age.content_after(None).is_head_only());
        assert!(!NEW.is_head_only());
    }
}
