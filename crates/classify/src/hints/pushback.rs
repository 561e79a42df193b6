//! gRPC's word on retrying.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// What `grpc-retry-pushback-ms` says, in headers or trailers.
///
/// # Source
/// gRFC A6 "Pushback", and `stream.go` of grpc-go: what cannot be read forbids the retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushback {
    /// Try again after exactly this time.
    After(Duration),
    /// Do not try again: the value is negative, malformed, repeated, or no signed 32-bit number.
    DoNotRetry,
}

impl Pushback {
    /// Reads it; `None` if there is none.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(PUSHBACK).iter();
        let value = lines.next()?.as_bytes().trim_ascii();
        if lines.next().is_some() {
            return Some(Self::DoNotRetry);
        }
        Some(milliseconds(value).map_or(Self::DoNotRetry, Self::After))
    }
}

fn milliseconds(value: &[u8]) -> Option<Duration> {
    // `parse` takes a leading plus sign, the protocol does not.
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: i32 = std::str::from_utf8(value).ok()?.parse().ok()?;
    Some(Duration::from_millis(u64::try_from(value).ok()?))
}

const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
