//! What headers ask of those who would try again.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::{Duration, SystemTime};

use buttress_classify::hints::{Hints, Pushback, rate_limits};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::{
    Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn wait(lines: &[(&'static str, &str)]) -> Option<Duration> {
    Hints::read(&headers(lines), None).retry_after
}

fn ms(ms: u64) -> Option<Duration> {
    Some(Duration::from_millis(ms))
}

const DATE: (&str, &str) = ("date", "Sat, 21 Nov 2026 20:00:00 GMT");
const MINUTE_LATER: &str = "Sat, 21 Nov 2026 20:01:00 GMT";

#[test]
fn f8_a_wait_that_is_negative_or_over_is_no_reason_to_hurry_or_to_fall() {
    assert_eq!(wait(&[("retry-after", "-10")]), None);
    assert_eq!(wait(&[("retry-after-ms", "-0")]), None);
    assert_eq!(wait(&[("retry-after", "0")]), ms(0));
    let before = "Sat, 21 Nov 2026 19:59:59 GMT";
    assert_eq!(wait(&[DATE, ("retry-after", before)]), ms(0));
}

#[test]
fn f9_what_is_huge_saturates_and_what_is_no_number_is_absent() {
    let digits = "9".repeat(400);
    assert_eq!(wait(&[("retry-after", &digits)]), Some(Duration::MAX));
    assert_eq!(wait(&[("retry-after-ms", &digits)]), Some(Duration::MAX));
    // 2^119 seconds are 0 nanoseconds, for those who let 128 bits wrap.
    let wraps = "664613997892457936451903530140172288";
    assert_eq!(wait(&[("retry-after", wraps)]), Some(Duration::MAX));
    for value in [
        "inf", "Infinity", "nan", "NaN", "1e9", "0x1", "", ".", "1.", ".5", "1.2.3",
    ] {
        assert_eq!(wait(&[("retry-after", value)]), None, "{value}");
        assert_eq!(wait(&[("retry-after-ms", value)]), None, "{value}");
    }
    let year_100000 = "Fri, 29 Sep 100000 16:26:57 GMT";
    assert_eq!(wait(&[DATE, ("retry-after", year_100000)]), None);
}

#[test]
fn f11_a_date_is_read_by_the_clock_of_the_one_who_wrote_it() {
    let retry_after = ("retry-after", MINUTE_LATER);
    assert_eq!(wait(&[DATE, retry_after]), ms(60_000));

    let hours_ahead = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_300_000);
    let ours = |lines: &[_]| Hints::read(&headers(lines), Some(hours_ahead)).retry_after;
    assert_eq!(ours(&[DATE, retry_after]), ms(60_000));
    assert_eq!(ours(&[retry_after]), ms(0));

    assert_eq!(wait(&[retry_after]), None, "without any clock");
    assert_eq!(wait(&[("date", "now"), retry_after]), None);
}

#[test]
fn f11_a_wait_out_of_a_cache_is_stale() {
    for value in ["7", MINUTE_LATER] {
        assert_eq!(wait(&[DATE, ("age", "3600"), ("retry-after", value)]), None);
    }
}

#[test]
fn f12_digits_of_other_scripts_are_no_digits() {
    for value in ["²", "٥", "１２", "3\u{a0}"] {
        assert_eq!(wait(&[("retry-after", value)]), None, "{value}");
        assert_eq!(wait(&[("retry-after-ms", value)]), None, "{value}");
    }
}

#[test]
fn the_first_that_parses_wins() {
    let pushback = ("grpc-retry-pushback-ms", "5");
    let amazon = ("x-amz-retry-after", "4");
    let standard = ("retry-after", "0.003");
    let azure = ("x-ms-retry-after-ms", "2");
    let openai = ("retry-after-ms", "1");
    assert_eq!(wait(&[pushback, amazon, standard, azure, openai]), ms(1));
    assert_eq!(wait(&[pushback, amazon, standard, azure]), ms(2));
    assert_eq!(wait(&[pushback, amazon, standard]), ms(3));
    assert_eq!(wait(&[pushback, amazon]), ms(4));
    assert_eq!(wait(&[pushback]), ms(5));
    assert_eq!(wait(&[("retry-after-ms", "soon"), standard]), ms(3));
}

#[test]
fn f10_of_two_lines_the_larger_counts_and_no_fraction_is_lost() {
    assert_eq!(
        wait(&[("retry-after", "5"), ("retry-after", "60")]),
        ms(60_000)
    );
    assert_eq!(
        wait(&[("retry-after", "60"), ("retry-after", "5")]),
        ms(60_000)
    );
    assert_eq!(
        wait(&[("retry-after", "soon"), ("retry-after", "5")]),
        ms(5_000)
    );
    let exact = wait(&[("retry-after-ms", "12.5")]);
    assert_eq!(exact, Some(Duration::from_micros(12_500)));
    for fraction in ["0.0000000001", "0.0000000000000000001"] {
        let up = wait(&[("retry-after", fraction)]);
        assert_eq!(up, Some(Duration::from_nanos(1)), "{fraction}");
    }
}

#[test]
fn a_pushback_that_cannot_be_read_forbids_the_retry() {
    let read = |lines: &[_]| Pushback::read(&headers(lines));
    let after = |ms| Some(Pushback::After(Duration::from_millis(ms)));
    let name = "grpc-retry-pushback-ms";
    assert_eq!(read(&[(name, "2147483647")]), after(2_147_483_647));
    assert_eq!(read(&[(name, "0")]), after(0));
    assert_eq!(
        read(&[(name, "5"), (name, "5")]),
        Some(Pushback::DoNotRetry)
    );
    for value in ["-1", "+5", "2147483648", "1.5", "", "five", "５"] {
        assert_eq!(
            read(&[(name, value)]),
            Some(Pushback::DoNotRetry),
            "{value}"
        );
    }
    assert_eq!(read(&[]), None);
}

#[test]
fn x_should_retry_is_heard_if_it_is_clear() {
    let advice = |lines: &[_]| Hints::read(&headers(lines), None).should_retry;
    let (yes, no) = (("x-should-retry", "true"), ("x-should-retry", "false"));
    assert_eq!(advice(&[yes]), Some(true));
    assert_eq!(advice(&[no, no]), Some(false));
    assert_eq!(advice(&[yes, no]), None);
    assert_eq!(advice(&[("x-should-retry", "TRUE")]), None);
    assert_eq!(
        advice(&[yes, ("grpc-retry-pushback-ms", "-1")]),
        Some(false)
    );
    assert_eq!(advice(&[("grpc-retry-pushback-ms", "1")]), None);
}

#[test]
fn rates_are_read_as_far_as_they_are_numbers() {
    let limits = rate_limits(
        &headers(&[
            ("x-ratelimit-limit-requests", "99999999999999999999999"),
            ("x-ratelimit-remaining-requests", "-1"),
            ("x-ratelimit-reset-requests", "1d2h3m4.5s6ms7us8ns"),
            ("x-ratelimit-reset-tokens", "7"),
            (
                "anthropic-ratelimit-input-tokens-reset",
                "2026-11-21T21:00:00+01:00",
            ),
            DATE,
            (
                "anthropic-ratelimit-output-tokens-reset",
                "2026-11-21T20:00:00.25Z",
            ),
        ]),
        None,
    );
    assert_eq!(limits.requests.limit, Some(u64::MAX));
    assert_eq!(limits.requests.remaining, None);
    let reset = Duration::new(86_400 + 7_200 + 180 + 4, 506_007_008);
    assert_eq!(limits.requests.reset, Some(reset));
    assert_eq!(limits.tokens.reset, None, "a number without a unit");
    assert_eq!(limits.input_tokens.reset, ms(0));
    assert_eq!(limits.output_tokens.reset, ms(250));
}

#[test]
fn moments_that_there_are_none_of_are_absent() {
    let reset = |moment: &str| {
        let headers = headers(&[DATE, ("anthropic-ratelimit-tokens-reset", moment)]);
        rate_limits(&headers, None).tokens.reset
    };
    assert!(reset("2028-02-29T00:00:00Z").is_some());
    assert!(reset("9999-12-31T23:59:60z").is_some());
    for moment in [
        "2027-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T00:60:00Z",
        "2026-11-21T00:00:00",
        "2026-11-21T00:00:00.Z",
        "2026-11-21T00:00:00+1:00",
        "2026-11-21",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "２026-11-21T00:00:00Z",
        "",
    ] {
        assert_eq!(reset(moment), None, "{moment}");
    }
}

const NAMES: [&str; 10] = [
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "retry-after",
    "x-amz-retry-after",
    "grpc-retry-pushback-ms",
    "x-should-retry",
    "date",
    "age",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-tokens-reset",
];

/// Values of headers: any bytes, and such as come near to what is expected.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[0-9.+-]{0,50}".prop_map(String::into_bytes),
        "[0-9]{1,4}(\\.[0-9]{1,12})?(h|m|s|ms|us|ns|d)?".prop_map(String::into_bytes),
        "[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
            .prop_map(String::into_bytes),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,12})?(Z|[+-][0-9]{2}:[0-9]{2})"
            .prop_map(String::into_bytes),
        Just(DATE.1.as_bytes().to_vec()),
    ]
}

proptest! {
    #[test]
    fn no_header_bytes_panic(lines in prop::collection::vec((0..NAMES.len(), value()), 0..6)) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(NAMES[name], value);
            }
        }
        let hints = Hints::read(&headers, None);
        let forbidden = Pushback::read(&headers) == Some(Pushback::DoNotRetry);
        prop_assert!(!forbidden || hints.should_retry == Some(false));
        prop_assert_eq!(hints, Hints::read(&headers, None));
        let limits = rate_limits(&headers, Some(SystemTime::UNIX_EPOCH));
        prop_assert_eq!(limits.requests.limit, None);
    }

    /// The oracle counts in whole units of the last decimal, so that nothing is rounded.
    #[test]
    fn no_wait_is_earlier_than_told_nor_a_nanosecond_later(
        whole: u32,
        fraction in "[0-9]{1,18}",
        seconds: bool,
    ) {
        let (name, unit) = match seconds {
            true => ("retry-after", 1_000_000_000_u128),
            false => ("retry-after-ms", 1_000_000),
        };
        let ours = wait(&[(name, &format!("{whole}.{fraction}"))]).unwrap();
        let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap());
        let told = u128::from(whole) * unit * scale + fraction.parse::<u128>().unwrap() * unit;
        prop_assert!(ours.as_nanos() * scale >= told);
        prop_assert!((ours.as_nanos() - 1) * scale < told || ours.is_zero());
    }

    #[test]
    fn more_digits_never_make_a_wait_shorter(digits in "[1-9][0-9]{0,60}") {
        let shorter = wait(&[("retry-after", &digits)]);
        let longer = wait(&[("retry-after", &format!("{digits}0"))]);
        prop_assert!(shorter.is_some() && shorter <= longer);
    }
}
