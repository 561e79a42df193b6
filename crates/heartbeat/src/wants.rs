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
/// body.
#[must_use]
pub fn wants_stream(head: &Parts) -> WantsStream {
    if let Some(known) = head.extensions.get::<WantsStream>() {
        *known
    } else if accepts_events(&head.headers) {
        WantsStream::Yes
    } else if head.method == Method::POST && is_json(&head.headers) {
        WantsStream::BodyTells
    } else {
        WantsStream::No
    }
}

/// Named, not merely included in `*/*`.
fn accepts_events(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|range| range.split(|byte| *byte == b';').next())
        .any(|range| {
            range
                .trim_ascii()
                .eq_ignore_ascii_case(b"text/event-stream")
        })
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .map(essence)
        .is_some_and(|essence| {
            let suffix = essence.len().checked_sub(b"+json".len());
            let suffix = suffix.map(|start| &essence[start..]);
            essence.eq_ignore_ascii_case(b"application/json")
                || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
        })
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
    fn what_an_outer_layer_knows_counts_most() {
        let mut request = Request::get("/")
            .header("accept", "text/event-stream")
            .body(())
            .unwrap();
        request.extensions_mut().insert(WantsStream::No);
        assert_eq!(wants_stream(&request.into_parts().0), WantsStream::No);
    }
}
