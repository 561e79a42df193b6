//! What an answer's headers ask of those who would try again.

mod duration;
mod pushback;
mod rate_limits;
mod retry_after;
mod rfc3339;

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName};

pub(crate) use duration::protobuf as protobuf_duration;
pub use duration::{milliseconds, seconds};
pub use pushback::Pushback;
pub use rate_limits::{RateLimit, RateLimits, rate_limits};
pub use rfc3339::parse as rfc3339;

/// What headers say about trying again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hints {
    /// How long to wait. Zero means that the upstream named a moment that has come.
    pub retry_after: Option<Duration>,
    /// Whether to try again at all.
    pub should_retry: Option<bool>,
}

impl Hints {
    /// Reads the hints of an answer or of its trailers; the first wait that parses wins:
    ///
    /// 1. `retry-after-ms`
    /// 2. `x-ms-retry-after-ms`
    /// 3. `retry-after`, as seconds or as a date, unless `age` says that it comes from a cache
    /// 4. `x-amz-retry-after`, in milliseconds
    /// 5. `grpc-retry-pushback-ms`
    ///
    /// Numbers are ASCII digits, with decimals if need be; anything else (negative, infinite, `NaN`,
    /// an exponent) is as if absent. Of repeated lines the largest counts. A number too large for a
    /// [`Duration`] is [`Duration::MAX`], and fractions of a nanosecond are rounded up: never earlier
    /// than told.
    ///
    /// A date is compared with the answer's own `date`, so that two clocks that disagree do no harm.
    /// Without that, it is compared with `now`, and without either it is as if absent.
    ///
    /// `x-should-retry` counts if it is exactly `true` or `false`, the same on every line. A
    /// [`Pushback::DoNotRetry`] is as good as `false`, and a no beats a yes.
    #[must_use]
    pub fn read(headers: &HeaderMap, now: Option<SystemTime>) -> Self {
        if headers.is_empty() {
            return Self::default();
        }
        let pushback = Pushback::read(headers);
        let pushed = match pushback {
            Some(Pushback::After(wait)) => Some(wait),
            Some(Pushback::DoNotRetry) | None => None,
        };
        let forbidden = (pushback == Some(Pushback::DoNotRetry)).then_some(false);
        Self {
            retry_after: retry_after::read(headers, now).or(pushed),
            should_retry: forbidden.or_else(|| should_retry(headers)),
        }
    }
}

fn should_retry(headers: &HeaderMap) -> Option<bool> {
    let mut lines = headers.get_all(SHOULD_RETRY).iter();
    let first = lines.next()?;
    let advice = match first.as_bytes() {
        b"true" => true,
        b"false" => false,
        _ => return None,
    };
    lines.all(|line| line == first).then_some(advice)
}

// Names are constants throughout: to look up a `&str`, `http` parses it first, each time.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
