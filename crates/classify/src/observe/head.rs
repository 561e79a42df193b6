//! What a head says about how its body is to be read.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

/// The content types that matter.
pub(super) enum ContentType {
    Events,
    Frames,
    Grpc,
    /// Has its trailers in its body, where nobody looks for them.
    GrpcWeb,
    Other,
}

impl ContentType {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let value = headers
            .get(CONTENT_TYPE)
            .map_or(&[][..], |value| value.as_bytes());
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        let essence = essence.trim_ascii();
        let begins = |name: &[u8]| {
            let beginning = essence.get(..name.len());
            beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(name))
        };
        let is = |name: &[u8]| essence.len() == name.len() && begins(name);
        if is(b"text/event-stream") {
            Self::Events
        } else if is(b"application/vnd.amazon.eventstream") {
            Self::Frames
        } else if begins(b"application/grpc-web") {
            Self::GrpcWeb
        } else if is(b"application/grpc") || begins(b"application/grpc+") {
            Self::Grpc
        } else {
            Self::Other
        }
    }
}

/// Whether there is a body, and as it was written.
pub(super) fn is_readable(status: StatusCode, headers: &HeaderMap) -> bool {
    let coding = headers.get(CONTENT_ENCODING);
    let coded = coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    !coded && !matches!(status.as_u16(), 204 | 205 | 304)
}
