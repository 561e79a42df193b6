//! How long to wait before the next attempt.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// An exponential backoff: `base × factorⁿ`, capped, then jittered.
///
/// Pure: the number of the retry and the sample are arguments. Saturating for any of them.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | `factor` | 2 | the common choice; four retries span an order of magnitude |
/// | `jitter` | [`Jitter::Full`] | spreads a crowd best |
///
/// # Source
/// Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015. The cap comes *before*
/// the jitter: jittering first and capping after lets everyone at the cap sleep equally long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    base: Duration,
    factor: f64,
    cap: Duration,
    jitter: Jitter,
}

/// How chance spreads a delay `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Exactly `d`.
    None,
    /// Anywhere in `[0, d)`.
    Full,
    /// Anywhere in `[d/2, d)`.
    Equal,
    /// Anywhere in `[d, d + spread)`: never earlier than `d`.
    Additive(Duration),
}

impl Backoff {
    /// Doubles from `base` up to `cap`, with full jitter.
    #[must_use]
    pub const fn exponential(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            factor: 2.0,
            cap,
            jitter: Jitter::Full,
        }
    }

    /// The same delay each time, with full jitter.
    #[must_use]
    pub const fn constant(delay: Duration) -> Self {
        Self {
            base: delay,
            factor: 1.0,
            cap: delay,
            jitter: Jitter::Full,
        }
    }

    /// What each delay is multiplied by to get the next; at least 1. Default: 2.
    ///
    /// # Errors
    /// [`InvalidBackoff`] for a factor below 1, infinite, or not a number.
    pub fn factor(mut self, factor: f64) -> Result<Self, InvalidBackoff> {
        if !(factor.is_finite() && factor >= 1.0) {
            return Err(InvalidBackoff { factor });
        }
        self.factor = factor;
        Ok(self)
    }

    /// How chance spreads the delay. Default: [`Jitter::Full`].
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The same curve, capped elsewhere.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// The longest delay before jitter.
    #[must_use]
    pub const fn max_delay(&self) -> Duration {
        self.cap
    }

    /// Whether chance has any part in the delay.
    #[must_use]
    pub const fn is_jittered(&self) -> bool {
        !matches!(self.jitter, Jitter::None)
    }

    /// Whether no retry ever waits: what need not be computed.
    #[must_use]
    #[inline]
    pub fn is_zero(&self) -> bool {
        self.base.is_zero() && !matches!(self.jitter, Jitter::Additive(_))
    }

    /// The delay before the retry of this number, before jitter. The first retry is number 0.
    #[must_use]
    #[inline]
    pub fn ceiling(&self, retry: u32) -> Duration {
        if retry == 0 || self.base.is_zero() {
            return self.base.min(self.cap); // exact, and not zero times infinity
        }
        self.grown(retry)
    }

    fn grown(&self, retry: u32) -> Duration {
        let exponent = i32::try_from(retry).unwrap_or(i32::MAX);
        let seconds = self.base.as_secs_f64() * self.factor.powi(exponent);
        // What no `Duration` can say is past any cap.
        Duration::try_from_secs_f64(seconds).map_or(self.cap, |delay| delay.min(self.cap))
    }

    /// The delay before the retry of this number; the first retry is number 0.
    ///
    /// `sample` is a number in `[0, 1)`; whatever lies outside is taken for the nearest end.
    #[must_use]
    pub fn delay(&self, retry: u32, sample: f64) -> Duration {
        let delay = self.ceiling(retry);
        match self.jitter {
            Jitter::Full if delay.is_zero() => delay,
            Jitter::None => delay,
            Jitter::Full => scale(delay, sample),
            Jitter::Equal => {
                let half = delay / 2;
                (delay - half).saturating_add(scale(half, sample))
            }
            Jitter::Additive(spread) => delay.saturating_add(scale(spread, sample)),
        }
    }
}

/// A share of a duration. `share` outside `[0, 1]` is taken for the nearest end, NaN for 0.
fn scale(delay: Duration, share: f64) -> Duration {
    let share = if share > 0.0 { share.min(1.0) } else { 0.0 };
    // The product can exceed `delay` only by rounding.
    Duration::try_from_secs_f64(delay.as_secs_f64() * share).map_or(delay, |d| d.min(delay))
}

/// A factor with which delays would shrink, or be no delays at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InvalidBackoff {
    factor: f64,
}

impl fmt::Display for InvalidBackoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a backoff's factor is a finite number of at least 1, not {}",
            self.factor
        )
    }
}

impl Error for InvalidBackoff {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{Backoff, Jitter};

    const SECOND: Duration = Duration::from_secs(1);

    fn doubling() -> Backoff {
        Backoff::exponential(SECOND, SECOND * 8)
    }

    #[test]
    fn the_delay_doubles_up_to_the_cap() {
        let delays: Vec<_> = (0..5).map(|n| doubling().ceiling(n).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 8]);
    }

    #[test]
    fn the_cap_comes_before_the_jitter() {
        // Long past the cap, half a sample is still half the cap and not the cap.
        assert_eq!(doubling().delay(30, 0.5), SECOND * 4);
    }

    #[test]
    fn each_jitter_keeps_its_bounds() {
        let at = |jitter, sample| doubling().jitter(jitter).delay(1, sample);
        assert_eq!(at(Jitter::None, 0.9), SECOND * 2);
        assert_eq!(at(Jitter::Full, 0.0), Duration::ZERO);
        assert_eq!(at(Jitter::Equal, 0.0), SECOND);
        assert_eq!(at(Jitter::Equal, 1.0), SECOND * 2);
        assert_eq!(at(Jitter::Additive(SECOND), 0.0), SECOND * 2);
        assert_eq!(at(Jitter::Additive(SECOND), 1.0), SECOND * 3);
    }

    #[test]
    fn a_factor_that_shrinks_is_refused_with_its_number() {
        for bad in [0.5, -1.0, f64::NAN, f64::INFINITY] {
            let error = doubling().factor(bad).unwrap_err().to_string();
            assert!(error.contains(&bad.to_string()), "{error}");
        }
        assert_eq!(
            doubling().factor(1.5).unwrap().ceiling(2),
            Duration::from_millis(2250)
        );
    }

    proptest! {
        #[test]
        fn f7_no_retry_number_overflows_to_a_short_or_negative_delay(
            base in 0..=u64::MAX, cap in 0..=u64::MAX, retry in any::<u32>(),
        ) {
            let (base, cap) = (Duration::from_nanos(base), Duration::from_nanos(cap));
            let backoff = Backoff::exponential(base, cap);
            let delay = backoff.ceiling(retry);
            prop_assert!(delay <= cap);
            prop_assert!(delay >= backoff.ceiling(retry.saturating_sub(1)));
            if retry >= 64 && !base.is_zero() {
                prop_assert_eq!(delay, cap);
            }
        }

        #[test]
        fn any_sample_stays_in_bounds(retry in any::<u32>(), bits in any::<u64>()) {
            let sample = f64::from_bits(bits); // NaN and infinities included
            let ceiling = doubling().ceiling(retry);
            for jitter in [Jitter::None, Jitter::Full, Jitter::Equal] {
                prop_assert!(doubling().jitter(jitter).delay(retry, sample) <= ceiling);
            }
            let additive = doubling().jitter(Jitter::Additive(SECOND)).delay(retry, sample);
            prop_assert!((ceiling..=ceiling + SECOND).contains(&additive));
        }
    }
}
