//! How much of what remains a call, or a stage of it, gets: pure.

use std::time::Duration;

use buttress_core::Ratio;

use crate::tell::LEAST;
use crate::term::Whose;

/// How much of the remaining time one stage gets.
///
/// In the extensions of a request it replaces the layer's own for that call.
///
/// ```
/// use buttress_core::Ratio;
/// use buttress_deadline::Share;
/// use std::time::Duration;
///
/// // A third of what remains, but no more than ten seconds.
/// let share = Share::fraction(Ratio::basis_points(3_333)).at_most(Duration::from_secs(10));
/// # let _ = share;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    fraction: Ratio,
    at_most: Duration,
    floor: Duration,
    attempt: Ratio,
}

/// What a call or a stage gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Portion {
    /// All the time that it has; `None` without end.
    pub(crate) time: Option<Duration>,
    /// Whose time ends with it.
    pub(crate) whose: Whose,
    /// The time until its first content, if that is less.
    pub(crate) first: Option<Duration>,
}

/// Why it gets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLittle {
    pub(crate) whose: Whose,
    pub(crate) left: Duration,
    pub(crate) floor: Duration,
}

impl Share {
    /// All that remains.
    pub const ALL: Self = Self {
        fraction: Ratio::ONE,
        at_most: Duration::MAX,
        floor: LEAST,
        attempt: Ratio::ONE,
    };

    /// This fraction of what remains.
    #[must_use]
    pub const fn fraction(fraction: Ratio) -> Self {
        Self {
            fraction,
            ..Self::ALL
        }
    }

    /// No more than that, whatever remains; also where there is no deadline at all. Default: no limit.
    #[must_use]
    pub const fn at_most(mut self, time: Duration) -> Self {
        self.at_most = time;
        self
    }

    /// With less than that the stage is not started: another one, with a lower floor, may still be. At least,
    /// and by default, 1 ms: the least that an upstream can be told, and so the end of the whole budget.
    #[must_use]
    pub fn floor(mut self, time: Duration) -> Self {
        self.floor = time.max(LEAST);
        self
    }

    /// The fraction of the stage's time within which the first bytes of its body must come: what it has not used of
    /// the rest is left for another attempt. Default: all of it.
    ///
    /// Any bytes count, a comment in an event stream as well: nobody here knows what they mean. Where that
    /// matters, stand outside of a judge, which holds the answer back until its first content.
    ///
    /// Once they have come the answer is committed, and keeps all the time of the stage: to cut a long
    /// one off halfway, and begin again, would be to pay for it twice.
    #[must_use]
    pub const fn attempt_share(mut self, fraction: Ratio) -> Self {
        self.attempt = fraction;
        self
    }

    /// Its part of what remains; `None` if there is no deadline.
    #[inline]
    pub(crate) fn of(&self, remaining: Option<Duration>) -> Result<Portion, TooLittle> {
        let part = remaining.map_or(Duration::MAX, |remaining| self.fraction.of_time(remaining));
        let time = part.min(self.at_most);
        if time < self.floor {
            let is_over = remaining.is_some_and(|remaining| remaining < LEAST);
            return Err(TooLittle {
                // A stage that takes longer than another says nothing about that one.
                whose: if is_over { Whose::Budget } else { Whose::Share },
                left: time,
                floor: self.floor,
            });
        }
        let whose = match remaining {
            Some(remaining) if time == remaining => Whose::Budget,
            _ => Whose::Share,
        };
        let time = (time < Duration::MAX).then_some(time);
        let first = time.map(|time| self.attempt.of_time(time));
        Ok(Portion {
            time,
            whose,
            first: first.filter(|_| self.attempt < Ratio::ONE),
        })
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::ALL
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{Duration, LEAST, Portion, Ratio, Share, TooLittle, Whose};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_least_of_fraction_and_limit_is_what_a_stage_gets() {
        let share = Share::fraction(Ratio::percent(30)).at_most(SECOND);
        let time = |remaining| share.of(remaining).unwrap().time.unwrap();
        assert_eq!(time(Some(SECOND * 2)), SECOND * 6 / 10);
        assert_eq!(time(Some(SECOND * 60)), SECOND);
        assert_eq!(time(None), SECOND, "a limit needs no deadline");
    }

    #[test]
    fn all_that_remains_is_the_callers_own_time() {
        let all = Share::ALL.of(Some(SECOND)).unwrap();
        assert_eq!((all.time, all.whose), (Some(SECOND), Whose::Budget));
        assert_eq!(all.first, None);
        assert_eq!(Share::ALL.of(None).unwrap().time, None);
    }

    #[test]
    fn below_its_floor_a_stage_is_refused_and_the_numbers_say_why() {
        let share = Share::fraction(Ratio::percent(10)).floor(SECOND);
        let too_little = |whose, left| {
            Err(TooLittle {
                whose,
                left,
                floor: SECOND,
            })
        };
        // Another stage might start, with five seconds as with half a one, and none with nothing.
        assert_eq!(
            share.of(Some(SECOND * 5)),
            too_little(Whose::Share, SECOND / 2)
        );
        assert_eq!(
            share.of(Some(SECOND / 2)),
            too_little(Whose::Share, SECOND / 20)
        );
        assert_eq!(
            share.of(Some(LEAST / 2)),
            too_little(Whose::Budget, LEAST / 20)
        );
        assert_eq!(Share::ALL.floor(Duration::ZERO), Share::ALL);
        assert!(Share::ALL.of(Some(LEAST)).is_ok());
        assert!(Share::ALL.of(Some(Duration::ZERO)).is_err());
    }

    #[test]
    fn an_attempts_share_bounds_its_beginning_and_not_its_time() {
        let share = Share::ALL.attempt_share(Ratio::percent(50));
        let portion = share.of(Some(SECOND)).unwrap();
        let expected = Portion {
            time: Some(SECOND),
            whose: Whose::Budget,
            first: Some(SECOND / 2),
        };
        assert_eq!(portion, expected);
    }

    proptest! {
        #[test]
        fn no_stage_gets_more_than_remains(
            points in 0..=10_000_u16, attempt in 0..=10_000_u16,
            remaining in any::<Duration>(), at_most in any::<Duration>(), floor in any::<Duration>(),
        ) {
            let share = Share::fraction(Ratio::basis_points(points))
                .at_most(at_most)
                .floor(floor)
                .attempt_share(Ratio::basis_points(attempt));
            match share.of(Some(remaining)) {
                Ok(portion) => {
                    let time = portion.time.unwrap_or(Duration::MAX);
                    prop_assert!(time <= remaining && time <= at_most && time >= floor);
                    prop_assert!(portion.first.is_none_or(|first| first <= time));
                }
                Err(too_little) => prop_assert!(too_little.left < too_little.floor),
            }
        }
    }
}
