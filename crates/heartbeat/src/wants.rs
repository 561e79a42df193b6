//! Whether a request asks for a stream.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::gate::essence;

/// Whether a request asks for a stream of events.
///
/// It is what the question of [`eager`](crate::HeartbeatSseLayer::eager) is answered with; a `bool` will do,
/// too. In the extensions of a request it is the answer of [`wants_stream`], whatever the request says: for
/// something outside that knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WantsStream {
    /// It does.
    Yes,
    /// It does not, or does not say so.
    No,
    /// It does if its body is JSON with a top-level `"stream": true`. That is looked for as the inner service
    /// reads the body: nothing waits for it, and nothing is kept.
    BodyTells,
}

impl From<bool> for WantsStream {
    fn from(wants: bool) -> Self {
        if wants { Self::Yes } else { Self::No }
    }
}

/// Reads it from a request: a [`WantsStream`] in its extensions, else `Accept: text/event-stream`, else from
/// the body of a `POST` of JSON.
///
/// Browsers and curl name the type; the official SDKs of LLM APIs accept `application/json` and ask in the
/// body. Who posts JSON and names both types takes either, as the clients of MCP do: there the body tells,
/// too. A type with `q=0` is refused, and a stream that is refused is not wanted.
#[must_use]
pub fn wants_stream(head: &Parts) -> WantsStream {
    if let Some(known) = head.extensions.get::<WantsStream>() {
        return *known;
    }
    let accepts = Accepts::of(&head.headers);
    let posts_json = head.method == Method::POST && is_json(&head.headers);
    match accepts.events {
        Some(true) if accepts.json && posts_json => WantsStream::BodyTells,
        Some(wants) => wants.into(),
        None if posts_json => WantsStream::BodyTells,
        None => WantsStream::No,
    }
}

/// What is accepted by name, not merely included in `*/*`.
#[derive(Default)]
struct Accepts {
    /// `None`: not named.
    events: Option<bool>,
    json: bool,
}

impl Accepts {
    fn of(headers: &HeaderMap) -> Self {
        let mut accepts = Self::default();
        let lines = headers.get_all(ACCEPT).iter();
        let ranges = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        for range in ranges {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let kind = parts.next().unwrap_or_default();
            let is_welcome = !parts.any(is_zero_weight);
            if kind.eq_ignore_ascii_case(b"text/event-stream") {
                accepts.events = Some(is_welcome || accepts.events == Some(true));
            } else if is_json_type(kind) {
                accepts.json |= is_welcome;
            }
        }
        accepts
    }
}

/// `q=0`, `q=0.000`.
fn is_zero_weight(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', b'0', rest @ ..] => rest.iter().all(|byte| matches!(byte, b'.' | b'0')),
        _ => false,
    }
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    kind.map(essence).is_some_and(is_json_type)
}

fn is_json_type(kind: &[u8]) -> bool {
    let suffix = kind.len().checked_sub(b"+json".len());
    let suffix = suffix.map(|start| &kind[start..]);
    kind.eq_ignore_ascii_case(b"application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{WantsStream, wants_stream};

    fn wants(method: &str, lines: &[(&str, &str)]) -> WantsStream {
        let mut request = Request::builder().method(method);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        wants_stream(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_stream_is_asked_for_by_name() {
        for accept in ["text/event-stream", "text/html, Text/Event-Stream;q=0.5"] {
            assert_eq!(
                wants("GET", &[("accept", accept)]),
                WantsStream::Yes,
                "{accept}"
            );
        }
        for accept in [
            "*/*",
            "text/*",
            "application/json",
            "text/event-streams",
            "",
        ] {
            assert_eq!(
                wants("GET", &[("accept", accept)]),
                WantsStream::No,
                "{accept}"
            );
        }
    }

    #[test]
    fn a_post_of_json_may_ask_in_its_body() {
        for json in [
            "application/json; charset=utf-8",
            "application/vnd.api+JSON",
        ] {
            let line = ("content-type", json);
            assert_eq!(wants("POST", &[line]), WantsStream::BodyTells, "{json}");
            assert_eq!(wants("PUT", &[line]), WantsStream::No, "{json}");
        }
        for other in [
            "json",
            "text/plain",
            "application/jsonl",
            "application/json+x",
        ] {
            assert_eq!(
                wants("POST", &[("content-type", other)]),
                WantsStream::No,
                "{other}"
            );
        }
    }

    #[test]
    fn who_posts_json_and_takes_json_or_a_stream_tells_in_the_body() {
        let both = "application/json, text/event-stream";
        let json = ("content-type", "application/json");
        for (method, lines, expected) in [
            ("POST", vec![json, ("accept", both)], WantsStream::BodyTells),
            (
                "POST",
                vec![
                    json,
                    ("accept", "text/event-stream"),
                    ("accept", "application/json"),
                ],
                WantsStream::BodyTells,
            ),
            (
                "POST",
                vec![json, ("accept", "text/event-stream, */*")],
                WantsStream::Yes,
            ),
            (
                "POST",
                vec![
                    json,
                    ("accept", "text/event-stream, application/json; q=0.0"),
                ],
                WantsStream::Yes,
            ),
            ("GET", vec![("accept", both)], WantsStream::Yes),
        ] {
            assert_eq!(wants(method, &lines), expected, "{method} {lines:?}");
        }
    }

    #[test]
    fn a_stream_that_is_refused_is_not_wanted() {
        for weight in ["q=0", " Q=0.000", "charset=utf-8; q=0."] {
            let accept = format!("*/*, text/event-stream;{weight}");
            let lines = [("accept", &*accept), ("content-type", "application/json")];
            assert_eq!(wants("POST", &lines), WantsStream::No, "{accept}");
            assert_eq!(wants("GET", &lines), WantsStream::No, "{accept}");
        }
        for weight in ["q=0.001", "q=1", "q=", "q", ""] {
            let accept = format!("text/event-stream;{weight}");
            let wanted = wants("GET", &[("accept", &*accept)]);
            assert_eq!(wanted, WantsStream::Yes, "{accept}");
        }
    }

    #[test]
    fn what_an_outer_layer_knows_counts_most() {
        let mut request = Request::get("/")
            .header("accept", "text/event-stream")
            .body(())
            .unwrap();
        request.extensions_mut().insert(WantsStream::No);
        assert_eq!(wants_stream(&request.into_parts().0), WantsStream::No);
    }
}
