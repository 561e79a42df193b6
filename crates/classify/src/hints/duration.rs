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

/// A number of seconds: ASCII digits with an optional decimal fraction, and nothing else.
///
/// Rounded up to the next nanosecond; [`Duration::MAX`] for what is larger.
#[must_use]
pub fn seconds(value: &[u8]) -> Option<Duration> {
    decimal(value, SECOND)
}

/// As [`seconds`], of milliseconds.
#[must_use]
pub fn milliseconds(value: &[u8]) -> Option<Duration> {
    decimal(value, MILLISECOND)
}

/// A length of time as Go prints it: `6m0s`, `2m59.56s`, `12ms`.
pub(crate) fn go(value: &[u8]) -> Option<Duration> {
    let mut rest = value;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let number = rest.iter().take_while(|b| matches!(b, b'0'..=b'9' | b'.'));
        let (number, unit) = rest.split_at(number.count());
        let length = unit.iter().take_while(|b| !b.is_ascii_digit()).count();
        let (unit, next) = unit.split_at(length);
        let (_, unit) = GO_UNITS.iter().find(|(name, _)| name.as_bytes() == unit)?;
        total = total.saturating_add(nanoseconds(number, *unit)?);
        rest = next;
    }
    (!value.is_empty()).then(|| from_nanoseconds(total))
}

/// A length of time as protobuf writes it in JSON: seconds, at most nine decimals, an `s`.
pub(crate) fn protobuf(value: &[u8]) -> Option<Duration> {
    let number = value.strip_suffix(b"s")?;
    let fraction = number.split(|byte| *byte == b'.').nth(1);
    let wait = decimal(number, SECOND)?;
    let allowed = fraction.is_none_or(|digits| digits.len() <= 9) && wait <= PROTOBUF_MAX;
    allowed.then_some(wait)
}

const GO_UNITS: [(&str, Unit); 9] = [
    ("d", 86_400 * SECOND),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", MILLISECOND),
    ("us", 1_000),
    // Go accepts both the micro sign and the Greek letter.
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ns", 1),
];

/// About 10,000 years, by the definition of `google.protobuf.Duration`.
const PROTOBUF_MAX: Duration = Duration::from_secs(315_576_000_000);

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

    // As one fraction, because a place of a minute or an hour is no whole number of nanoseconds.
    let (mut numerator, mut denominator) = (0, 1);
    let mut beyond = false;
    for digit in digits(fraction)? {
        if denominator < MAX_DENOMINATOR {
            numerator = numerator * 10 + digit;
            denominator *= 10;
        } else {
            beyond |= digit != 0;
        }
    }
    let fraction = (numerator * unit).div_ceil(denominator) + u128::from(beyond);
    Some(total.saturating_add(fraction))
}

/// Decimals beyond the eighteenth are less than a nanosecond of the largest unit, and a numerator
/// of eighteen still leaves room for multiplying.
const MAX_DENOMINATOR: u128 = 1_000_000_000_000_000_000;

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
