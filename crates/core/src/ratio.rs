//! An exact share.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A share between none and all, exact to 1/10,000.
///
/// Kept as an integer, so that shares of counts are exact and round down: a third of two calls is
/// none.
///
/// ```
/// use buttress_core::Ratio;
///
/// const FIFTH: Ratio = Ratio::percent(20);
/// assert_eq!(FIFTH.of(14), 2);
/// assert_eq!(Ratio::basis_points(3_330).of(10), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(u16);

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Everything.
    pub const ONE: Self = Self(Self::UNITS);

    const UNITS: u16 = 10_000;

    /// So many hundredths. In a `const` a bad value does not compile.
    ///
    /// # Panics
    /// Above 100.
    #[must_use]
    pub const fn percent(percent: u16) -> Self {
        assert!(percent <= 100, "a ratio is at most 100 percent");
        Self(percent * 100)
    }

    /// So many ten-thousandths. In a `const` a bad value does not compile.
    ///
    /// # Panics
    /// Above 10,000.
    #[must_use]
    pub const fn basis_points(points: u16) -> Self {
        assert!(
            points <= Self::UNITS,
            "a ratio is at most 10,000 basis points"
        );
        Self(points)
    }

    /// For values from files and flags: a share as a number from 0 to 1, rounded to 1/10,000.
    ///
    /// # Errors
    /// [`InvalidRatio`] for anything below 0, above 1, or not a number.
    pub fn try_new(share: f64) -> Result<Self, InvalidRatio> {
        if !(0.0..=1.0).contains(&share) {
            return Err(InvalidRatio { share });
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0..=1 was checked, so the product is 0..=10,000"
        )]
        let points = (share * f64::from(Self::UNITS)).round() as u16;
        Ok(Self(points))
    }

    /// The share of a count, rounded down.
    #[must_use]
    #[inline]
    pub const fn of(self, count: u32) -> u32 {
        let share = count as u64 * self.0 as u64 / Self::UNITS as u64;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a share of a count is at most the count"
        )]
        let share = share as u32;
        share
    }

    /// Whether `part` is at least this share of `whole`: exact, without rounding.
    #[must_use]
    #[inline]
    pub const fn is_reached(self, part: u32, whole: u32) -> bool {
        part as u64 * Self::UNITS as u64 >= whole as u64 * self.0 as u64
    }

    /// The share of a time, rounded down to the nanosecond.
    #[must_use]
    #[inline]
    pub const fn of_time(self, time: Duration) -> Duration {
        if self.0 == Self::UNITS {
            return time; // without a division
        }
        let share = time.as_nanos() * self.0 as u128 / Self::UNITS as u128;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a share of a time is at most the time, and a remainder less than its divisor"
        )]
        let (seconds, nanos) = ((share / NANOS) as u64, (share % NANOS) as u32);
        Duration::new(seconds, nanos)
    }
}

/// Nanoseconds in a second.
const NANOS: u128 = 1_000_000_000;

/// A number that is no share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InvalidRatio {
    share: f64,
}

impl fmt::Display for InvalidRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a ratio is a number from 0 to 1, not {}", self.share)
    }
}

impl Error for InvalidRatio {}

#[cfg(test)]
mod tests {
    use super::{Duration, Ratio};

    #[test]
    fn p11_ratios_are_exact_where_a_truncated_one_allows_everything() {
        assert_eq!(Ratio::percent(60).of(100), 60);
        assert_eq!(Ratio::percent(75).of(100), 75);
        assert_eq!(Ratio::percent(90).of(100), 90);
    }

    #[test]
    fn a_share_is_reached_exactly_and_not_where_rounding_would_do() {
        let half = Ratio::percent(50);
        assert!(!half.is_reached(1, 3), "though half of three rounds to one");
        assert!(half.is_reached(2, 4));
        assert!(Ratio::ONE.is_reached(u32::MAX, u32::MAX));
        assert!(!Ratio::ONE.is_reached(u32::MAX - 1, u32::MAX));
    }

    #[test]
    fn shares_round_down_and_never_overflow() {
        assert_eq!(Ratio::percent(20).of(14), 2);
        assert_eq!(Ratio::ONE.of(u32::MAX), u32::MAX);
        assert_eq!(Ratio::ZERO.of(u32::MAX), 0);
    }

    #[test]
    fn shares_of_a_time_are_exact_and_round_down() {
        assert_eq!(
            Ratio::percent(30).of_time(Duration::from_secs(10)),
            Duration::from_secs(3)
        );
        assert_eq!(
            Ratio::basis_points(1).of_time(Duration::from_nanos(19_999)),
            Duration::from_nanos(1)
        );
        assert_eq!(Ratio::ONE.of_time(Duration::MAX), Duration::MAX);
        assert_eq!(Ratio::ZERO.of_time(Duration::MAX), Duration::ZERO);
    }

    #[test]
    fn what_is_no_share_is_refused_with_its_number() {
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = Ratio::try_new(bad).unwrap_err().to_string();
            assert!(error.contains(&bad.to_string()), "{error}");
        }
        assert_eq!(Ratio::try_new(0.2), Ok(Ratio::percent(20)));
    }
}
