//! Moments, as RFC 3339 writes them.

use std::time::{Duration, SystemTime};

/// A moment since 1970: `2026-02-25T20:02:32Z`, with or without a fraction, `Z` or an offset.
#[must_use]
pub fn parse(value: &[u8]) -> Option<SystemTime> {
    let (date_time, zone) = value.split_at_checked(19)?;
    let [year, month, day, hour, minute, second] = fields(date_time)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    // A leap second is counted as the first of the next minute.
    if !(1..=last).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanoseconds, zone) = fraction(zone)?;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = u64::try_from(seconds - offset(zone)?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
}

/// `YYYY-MM-DDTHH:MM:SS`, taken apart.
fn fields(value: &[u8]) -> Option<[i64; 6]> {
    let separated = value[4] == b'-'
        && value[7] == b'-'
        && matches!(value[10], b'T' | b't' | b' ')
        && value[13] == b':'
        && value[16] == b':';
    let at = [0..4, 5..7, 8..10, 11..13, 14..16, 17..19];
    let mut fields = [0; 6];
    for (field, range) in fields.iter_mut().zip(at) {
        *field = number(&value[range])?;
    }
    separated.then_some(fields)
}

fn number(digits: &[u8]) -> Option<i64> {
    let digit = |sum: i64, byte: &u8| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + i64::from(byte - b'0'))
    };
    digits.iter().try_fold(0, digit)
}

/// The fraction of a second, rounded up to the next nanosecond, and what follows it.
fn fraction(zone: &[u8]) -> Option<(u32, &[u8])> {
    let Some(fraction) = zone.strip_prefix(b".") else {
        return Some((0, zone));
    };
    let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, zone) = fraction.split_at(length);
    if digits.is_empty() {
        return None;
    }
    let mut place = 100_000_000;
    let mut total = 0;
    for digit in digits {
        total += u32::from(digit - b'0') * place;
        place /= 10;
    }
    let beyond = digits.iter().skip(9).any(|digit| *digit != b'0');
    total += u32::from(beyond);
    Some((total, zone))
}

/// How far a zone is ahead of UTC, in seconds.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let ahead = number(&[*h1, *h2])? * 3_600 + number(&[*m1, *m2])? * 60;
            Some(if *sign == b'-' { -ahead } else { ahead })
        }
        _ => None,
    }
}

/// Days since 1970, by counting years from March, so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before_march_0000 = year * 365 + leap_days + (153 * month + 2) / 5 + day - 1;
    before_march_0000 - MARCH_0000_TO_1970
}

const MARCH_0000_TO_1970: i64 = 719_468;
