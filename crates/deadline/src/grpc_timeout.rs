//! `grpc-timeout`: one to eight digits and a unit.
//!
//! ```
//! use buttress_deadline::grpc_timeout;
//! use std::time::Duration;
//!
//! assert_eq!(grpc_timeout::parse(b"250m"), Some(Duration::from_millis(250)));
//! let header = grpc_timeout::format(Duration::from_nanos(1_999_999_999)).ok_or("no time")?;
//! assert_eq!(header, "1999999u", "rounded down");
//! # Ok::<(), &str>(())
//! ```
//!
//! # Source
//! "gRPC over HTTP2" of the gRPC project, `Timeout`.

use std::time::Duration;

use http::HeaderValue;

/// Reads a value of the header; `None` for anything that is not exactly of its grammar.
///
/// Zero is read as what it says: the time is over already.
#[must_use]
pub fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (_, nanos) = UNITS.iter().find(|(letter, _)| letter == unit)?;
    let number = digits
        .iter()
        .fold(0, |sum: u64, digit| sum * 10 + u64::from(digit - b'0'));
    Some(from_nanos(u128::from(number) * nanos))
}

/// Writes a value of the header: in the most precise unit that fits, rounded down, so that nobody is
/// promised more time than there is. `None` if there is none.
#[must_use]
pub fn format(time: Duration) -> Option<HeaderValue> {
    let nanos = time.as_nanos();
    if nanos == 0 {
        return None;
    }
    let fits = |(letter, unit): &(u8, u128)| {
        let number = u32::try_from(nanos / unit).ok()?;
        (number <= MAX_NUMBER).then_some((*letter, number))
    };
    let (letter, mut number) = UNITS.iter().find_map(fits).unwrap_or((b'H', MAX_NUMBER));
    // From behind: the unit, then the digits.
    let mut text = [letter; MAX_DIGITS + 1];
    let mut start = MAX_DIGITS;
    while number > 0 {
        start -= 1;
        text[start] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    HeaderValue::from_bytes(&text[start..]).ok()
}

const MAX_DIGITS: usize = 8;
const MAX_NUMBER: u32 = 99_999_999;

/// Nanoseconds per unit, the most precise first.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', SECOND),
    (b'M', 60 * SECOND),
    (b'H', 3_600 * SECOND),
];
const SECOND: u128 = 1_000_000_000;

fn from_nanos(nanos: u128) -> Duration {
    let seconds = u64::try_from(nanos / SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos % SECOND).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assume, proptest};

    use super::{Duration, format, parse};

    #[test]
    fn what_is_too_long_for_eight_digits_of_hours_is_as_long_as_can_be_said() {
        assert_eq!(format(Duration::MAX).unwrap(), "99999999H");
        assert_eq!(format(Duration::ZERO), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read_back_and_is_never_longer(nanos in any::<u64>(), seconds in any::<u64>()) {
            let time = Duration::from_nanos(nanos).saturating_add(Duration::from_secs(seconds >> 20));
            prop_assume!(!time.is_zero());
            let read = parse(format(time).unwrap().as_bytes()).unwrap();
            prop_assert!(read <= time);
            // Eight digits: what is lost is less than one part in a million, or than a nanosecond;
            // up to the longest time that can be said.
            if time < Duration::from_secs(99_999_999 * 3_600) {
                prop_assert!(time - read <= read / 100_000, "{time:?} became {read:?}");
            }
        }
    }
}
