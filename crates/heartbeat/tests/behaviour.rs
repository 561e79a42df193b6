//! What the layer does to answers, once there is one. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::Duration;

use buttress_core::BoxError;
use buttress_heartbeat::{Form, Heartbeat, HeartbeatBody, HeartbeatSseLayer};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);
const BLANK: &str = ": keepalive\n\n";
const EVENT: &str = "data: a\n\n";

type Answer = Response<HeartbeatBody<ScriptedBody>>;

/// An event, silence for 40 s, and another one.
fn stream(head: &[(&str, &str)]) -> Response<ScriptedBody> {
    let steps = [
        Step::data(EVENT),
        Step::Wait(SECOND * 40),
        Step::data(EVENT),
    ];
    let mut response = Response::builder();
    for (name, value) in head {
        response = response.header(*name, *value);
    }
    response.body(ScriptedBody::new(steps)).unwrap()
}

fn events() -> Response<ScriptedBody> {
    stream(&[("content-type", "text/event-stream")])
}

async fn call(
    layer: HeartbeatSseLayer,
    request: Request<()>,
    answer: Response<ScriptedBody>,
) -> Answer {
    let (inner, _handle) = ScriptedService::<_, _, BoxError>::new([Reply::Ok(answer)]);
    layer.layer(inner).oneshot(request).await.unwrap()
}

async fn get(layer: HeartbeatSseLayer, answer: Response<ScriptedBody>) -> Answer {
    call(layer, Request::new(()), answer).await
}

/// Of the stream's 40 s of silence.
async fn beats(answer: Answer) -> usize {
    let seen = audit(answer.into_body()).await.bytes();
    let text = std::str::from_utf8(&seen).unwrap();
    assert_eq!(text.replace(BLANK, ""), EVENT.repeat(2));
    text.matches(BLANK).count()
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_events_gets_heartbeats_after_fifteen_seconds() {
    assert_eq!(
        beats(get(HeartbeatSseLayer::new(), events()).await).await,
        2
    );
    let often = HeartbeatSseLayer::new().interval(SECOND * 3);
    assert_eq!(beats(get(often, events()).await).await, 13);
}

#[tokio::test(start_paused = true)]
async fn the_head_tells_nothing_of_the_very_bytes_and_keeps_the_rest() {
    let answer = stream(&[
        ("content-type", "text/event-stream"),
        ("content-length", "18"),
        ("content-digest", "sha-256=:AAAA:"),
        ("repr-digest", "sha-256=:AAAA:"),
        ("etag", "\"a\""),
        ("accept-ranges", "bytes"),
        ("x-request-id", "7"),
    ]);
    let answer = get(HeartbeatSseLayer::new(), answer).await;
    let mut expected = HeaderMap::new();
    expected.insert("content-type", "text/event-stream".parse().unwrap());
    expected.insert("x-request-id", "7".parse().unwrap());
    expected.insert("x-accel-buffering", "no".parse().unwrap());
    assert_eq!(answer.headers(), &expected);
    assert_eq!(answer.body().size_hint().upper(), None);
}

#[tokio::test(start_paused = true)]
async fn any_other_answer_passes_with_its_length() {
    let gzip = [
        ("content-type", "text/event-stream"),
        ("content-encoding", "gzip"),
    ];
    for head in [&[("content-type", "application/json")][..], &gzip, &[]] {
        let head = [head, &[("content-length", "18"), ("etag", "\"a\"")]].concat();
        let sent = stream(&head);
        let headers = sent.headers().clone();
        let answer = get(HeartbeatSseLayer::new(), sent).await;
        assert_eq!(answer.headers(), &headers);
        assert_eq!(answer.body().size_hint().exact(), Some(18));
        assert_eq!(beats(answer).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_head_and_an_empty_one_pass_as_they_are() {
    let mut request = Request::new(());
    *request.method_mut() = Method::HEAD;
    let answer = call(HeartbeatSseLayer::new(), request, events()).await;
    assert_eq!(answer.body().size_hint().exact(), Some(18));

    let empty = events().map(|_| ScriptedBody::new([]));
    let answer = get(HeartbeatSseLayer::new(), empty).await;
    assert!(answer.body().is_end_stream());
    assert!(!answer.headers().contains_key("x-accel-buffering"));
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_wants_no_change_is_respected_where_that_is_asked_for() {
    let head = [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache, no-transform"),
    ];
    let strict = HeartbeatSseLayer::new().respect_no_transform(true);
    assert_eq!(
        beats(get(HeartbeatSseLayer::new(), stream(&head)).await).await,
        2
    );
    assert_eq!(beats(get(strict, stream(&head)).await).await, 0);
    assert_eq!(beats(get(strict, events()).await).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_may_want_them_more_often_or_not_at_all() {
    for (heartbeat, expected) in [(Heartbeat::OFF, 0), (Heartbeat::every(SECOND * 3), 13)] {
        let mut request = Request::new(());
        request.extensions_mut().insert(heartbeat);
        let answer = call(HeartbeatSseLayer::new(), request, events()).await;
        assert_eq!(beats(answer).await, expected, "{heartbeat:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_form_is_the_layers_to_choose() {
    let answer = get(HeartbeatSseLayer::new().form(Form::Line), events()).await;
    let seen = audit(answer.into_body()).await;
    assert_eq!(seen.data, [EVENT, ": keepalive\n", ": keepalive\n", EVENT]);
}

#[tokio::test]
async fn an_error_of_the_inner_service_stays_what_it_is() {
    let reply = Reply::Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    let (inner, _handle) = ScriptedService::<Request<()>, Response<ScriptedBody>, _>::new([reply]);
    let error = HeartbeatSseLayer::new()
        .layer(inner)
        .oneshot(Request::new(()))
        .await;
    assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn dropping_the_future_drops_the_inner_one() {
    let (inner, handle) =
        ScriptedService::<Request<()>, Response<ScriptedBody>, BoxError>::new([Reply::Pending]);
    let future = HeartbeatSseLayer::new()
        .layer(inner)
        .oneshot(Request::new(()));
    let waited = tokio::time::timeout(Duration::from_millis(1), future).await;
    assert!(waited.is_err());
    assert_eq!(handle.dropped(), 1);
}
