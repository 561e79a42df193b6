//! Lengths of time, as people write them in headers.

use std::time::Duration;

/// A unit, by its nanoseconds.
pub(crate) type Unit = u128;

pub(crate) const MILLISECOND: Unit = 1_000_000;
pub(crate) const SECOND: Unit = 1_000_000_000;

/// A number of ASCII digits with an optional decimal fraction, in that unit.
///
/// Rounded up to the next nanosecond; [`Duration::MAX`] for what is larger.
pub(crate) fn decimal(value: &[u8], unit: Unit) -> Option<Duration> {
    nanoseconds(value, unit).map(from_nanoseconds)
}

fn nanoseconds(value: &[u8], unit: Unit) -> Option<u128> {
    let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(point) => (&value[..point], &value[point + 1..]),
        None => (value, &b"0"[..]),
    };
    let mut total: u128 = 0;
    for digit in digits(whole)? {
        total = total.saturating_mul(10).saturating_add(digit);
    }
    total = total.saturating_mul(unit);

    let mut place = unit;
    let mut beyond = false;
    for digit in digits(fraction)? {
        // Every unit is a product of 2, 3 and 5, so a place may have a remainder: an hour's tenth
        // millionth has. What is cut off by it counts as something, and is rounded up below.
        beyond |= digit != 0 && place % 10 != 0;
        place /= 10;
        total = total.saturating_add(digit * place);
    }
    Some(total.saturating_add(u128::from(beyond)))
}

fn digits(value: &[u8]) -> Option<impl Iterator<Item = u128> + '_> {
    let all = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    all.then(|| value.iter().map(|digit| u128::from(digit - b'0')))
}

fn from_nanoseconds(total: u128) -> Duration {
    let Ok(seconds) = u64::try_from(total / SECOND) else {
        return Duration::MAX;
    };
    let rest = (total % SECOND) as u32;
    Duration::new(seconds, rest)
}
