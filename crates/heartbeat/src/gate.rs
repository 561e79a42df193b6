//! Which answers may get heartbeats, and what it does to their heads.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// Decides whether comments may be put into an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gate {
    pub(crate) respect_no_transform: bool,
}

impl Gate {
    /// Whether the head is that of a stream of events, as it was written, with a body behind it.
    pub(crate) fn admits(self, status: StatusCode, headers: &HeaderMap) -> bool {
        is_whole(status)
            && is_event_stream(headers)
            && is_plain(headers)
            && !(self.respect_no_transform && forbids_transform(headers))
    }
}

/// What the head says no more once there may be other bytes: the length, what was computed over the bytes,
/// and that parts of them could be asked for. And it asks nginx not to hold back what is small.
pub(crate) fn prepare(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, ETAG, ACCEPT_RANGES] {
        headers.remove(name);
    }
    for name in DIGESTS {
        headers.remove(name);
    }
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// Whatever the head of the answer says, no body follows, or none that is HTTP's.
pub(crate) fn is_bodiless(method: &Method) -> bool {
    *method == Method::HEAD || *method == Method::CONNECT
}

/// Not what comes before the final answer, no switched protocol, no empty body, no part of one.
fn is_whole(status: StatusCode) -> bool {
    !status.is_informational() && !matches!(status.as_u16(), 204 | 205 | 206 | 304)
}

/// Two lines say two things, and nobody knows which of them a client believes.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (Some(only), None) => essence(only).eq_ignore_ascii_case(b"text/event-stream"),
        _ => false,
    }
}

pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    codings.all(|coding| {
        coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    })
}

fn forbids_transform(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CACHE_CONTROL).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// A media type without its parameters.
pub(crate) fn essence(value: &HeaderValue) -> &[u8] {
    let bytes = value.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b';');
    bytes[..end.unwrap_or(bytes.len())].trim_ascii()
}

/// RFC 9530, and what was there before it.
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

pub(crate) const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

#[cfg(test)]
mod tests {
    use super::{
        Gate, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, is_bodiless, prepare,
    };

    fn head(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    fn admits(lines: &[(&'static str, &'static str)]) -> bool {
        Gate::default().admits(StatusCode::OK, &head(lines))
    }

    const EVENTS: (&str, &str) = ("content-type", "text/event-stream");

    #[test]
    fn two_content_types_are_none() {
        assert!(admits(&[EVENTS]));
        assert!(!admits(&[EVENTS, EVENTS]));
        assert!(!admits(&[EVENTS, ("content-type", "text/html")]));
        assert!(!admits(&[("content-type", "text/event-stream, text/html")]));
    }

    #[test]
    fn one_coding_among_several_is_enough_to_stay_out() {
        let coding = |value| ("content-encoding", value);
        assert!(admits(&[EVENTS, coding("Identity"), coding(" identity")]));
        for coded in ["gzip", "br", "", "identity, gzip", "x"] {
            assert!(
                !admits(&[EVENTS, coding("identity"), coding(coded)]),
                "{coded}"
            );
        }
    }

    #[test]
    fn an_answer_without_a_body_gets_no_heartbeats() {
        let events = head(&[EVENTS]);
        let gate = Gate::default();
        assert!(is_bodiless(&Method::HEAD) && is_bodiless(&Method::CONNECT));
        assert!(!is_bodiless(&Method::POST));
        for status in [100, 101, 103, 204, 205, 206, 304] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(!gate.admits(status, &events), "{status}");
        }
    }

    #[test]
    fn no_transform_counts_only_where_it_is_respected() {
        let strict = Gate {
            respect_no_transform: true,
        };
        for (value, forbids) in [
            ("no-cache", false),
            ("no-cache, No-Transform", true),
            ("no-transformation", false),
        ] {
            let headers = head(&[
                EVENTS,
                ("cache-control", "private"),
                ("cache-control", value),
            ]);
            let [lax, strict] =
                [Gate::default(), strict].map(|gate| gate.admits(StatusCode::OK, &headers));
            assert_eq!((lax, strict), (true, !forbids), "{value}");
        }
    }

    #[test]
    fn whatever_speaks_of_the_very_bytes_leaves_the_head() {
        let mut headers = head(&[
            EVENTS,
            ("content-length", "9"),
            ("etag", "\"a\""),
            ("accept-ranges", "bytes"),
            ("content-digest", "a"),
            ("repr-digest", "a"),
            ("digest", "a"),
            ("digest", "b"),
            ("content-md5", "a"),
            ("x-accel-buffering", "yes"),
            ("x-request-id", "7"),
        ]);
        prepare(&mut headers);
        let left = [EVENTS, ("x-request-id", "7"), ("x-accel-buffering", "no")];
        assert_eq!(headers, head(&left));
    }
}
