//! How much of a rate is left.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::retry_after::response_date;
use super::{duration, rfc3339};

/// What an answer says about the limits that it was counted against.
///
/// Fields are empty where the answer does not say, or where it says something else than a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Requests per time.
    pub requests: RateLimit,
    /// Tokens per time, of any kind.
    pub tokens: RateLimit,
    /// Tokens of prompts per time.
    pub input_tokens: RateLimit,
    /// Tokens of answers per time.
    pub output_tokens: RateLimit,
}

/// One limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// How much there is in all.
    pub limit: Option<u64>,
    /// How much of it is left.
    pub remaining: Option<u64>,
    /// In how long all of it is there again; zero if that moment has come.
    pub reset: Option<Duration>,
}

/// Reads the rate-limit headers of `OpenAI` (and of those who speak like it: Azure, Groq, Mistral)
/// and of Anthropic.
///
/// The former give the reset as a length of time (`6m0s`), the latter as a moment, which is compared
/// with the answer's own `date`; without that, with `now`; and without either it stays empty.
///
/// ```
/// use buttress_classify::hints::rate_limits;
/// use std::time::Duration;
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("x-ratelimit-remaining-tokens", "149984".parse()?);
/// headers.insert("x-ratelimit-reset-tokens", "6m0s".parse()?);
///
/// let tokens = rate_limits(&headers, None).tokens;
/// assert_eq!(tokens.remaining, Some(149_984));
/// assert_eq!(tokens.reset, Some(Duration::from_secs(360)));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[must_use]
pub fn rate_limits(headers: &HeaderMap, now: Option<SystemTime>) -> RateLimits {
    let anthropic = |limit, remaining, reset| RateLimit {
        limit: count(headers, limit),
        remaining: count(headers, remaining),
        reset: until(headers, reset, now),
    };
    let openai = |limit, remaining, reset| RateLimit {
        limit: count(headers, limit),
        remaining: count(headers, remaining),
        reset: value(headers, reset).and_then(duration::go),
    };
    RateLimits {
        requests: openai(
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
        )
        .or(anthropic(
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        )),
        tokens: openai(
            "x-ratelimit-limit-tokens",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset-tokens",
        )
        .or(anthropic(
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        )),
        input_tokens: anthropic(
            "anthropic-ratelimit-input-tokens-limit",
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ),
        output_tokens: anthropic(
            "anthropic-ratelimit-output-tokens-limit",
            "anthropic-ratelimit-output-tokens-remaining",
            "anthropic-ratelimit-output-tokens-reset",
        ),
    }
}

impl RateLimit {
    fn or(self, other: Self) -> Self {
        Self {
            limit: self.limit.or(other.limit),
            remaining: self.remaining.or(other.remaining),
            reset: self.reset.or(other.reset),
        }
    }
}

/// A whole number of ASCII digits; the largest there is for what is larger.
fn count(headers: &HeaderMap, name: &str) -> Option<u64> {
    let digits = value(headers, name)?;
    let digit = |sum: u64, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(sum.saturating_mul(10).saturating_add(digit))
    };
    digits
        .iter()
        .try_fold(0, digit)
        .filter(|_| !digits.is_empty())
}

fn until(headers: &HeaderMap, name: &str, now: Option<SystemTime>) -> Option<Duration> {
    let then = rfc3339::parse(value(headers, name)?)?;
    let now = response_date(headers).or(now)?;
    Some(then.duration_since(now).unwrap_or(Duration::ZERO))
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    Some(headers.get(name)?.as_bytes().trim_ascii())
}
