//! How long an answer asks us to wait.

use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::duration::{MILLISECOND, SECOND, decimal};

/// The first of the headers that parses.
pub(super) fn read(headers: &HeaderMap, now: Option<SystemTime>) -> Option<Duration> {
    let milliseconds = |value: &HeaderValue| decimal(value.as_bytes().trim_ascii(), MILLISECOND);
    largest(headers, RETRY_AFTER_MS, milliseconds)
        .or_else(|| largest(headers, X_MS_RETRY_AFTER_MS, milliseconds))
        .or_else(|| standard(headers, now))
        .or_else(|| largest(headers, X_AMZ_RETRY_AFTER, milliseconds))
}

/// The field of RFC 9110 §10.2.3, which is not a list: two lines of it are a mistake of somebody's,
/// and the larger is the safe reading.
fn standard(headers: &HeaderMap, now: Option<SystemTime>) -> Option<Duration> {
    // From a cache: the wait began when the answer was made, and nobody knows what is left of it.
    if headers.contains_key(AGE) {
        return None;
    }
    largest(headers, RETRY_AFTER, |value| {
        let value = value.as_bytes().trim_ascii();
        decimal(value, SECOND).or_else(|| until(date(value)?, headers, now))
    })
}

fn until(then: SystemTime, headers: &HeaderMap, now: Option<SystemTime>) -> Option<Duration> {
    let now = response_date(headers).or(now)?;
    Some(then.duration_since(now).unwrap_or(Duration::ZERO))
}

/// When the upstream says that it answered.
pub(super) fn response_date(headers: &HeaderMap) -> Option<SystemTime> {
    date(headers.get(DATE)?.as_bytes().trim_ascii())
}

/// Any of the three forms of RFC 9110 §5.6.7.
fn date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()
}

fn largest(
    headers: &HeaderMap,
    name: HeaderName,
    parse: impl Fn(&HeaderValue) -> Option<Duration>,
) -> Option<Duration> {
    headers.get_all(name).iter().filter_map(parse).max()
}

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const X_MS_RETRY_AFTER_MS: HeaderName = HeaderName::from_static("x-ms-retry-after-ms");
const X_AMZ_RETRY_AFTER: HeaderName = HeaderName::from_static("x-amz-retry-after");
