//! How a call is made here, and what is seen of it.

use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::BoxError;
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_timeout::{StreamTimeoutBody, StreamTimeoutLayer};
use http::{Request, Response};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) type Answer = Response<StreamTimeoutBody<ScriptedBody>>;

pub(crate) fn layer() -> StreamTimeoutLayer {
    StreamTimeoutLayer::llm(Profile::ANTHROPIC)
}

pub(crate) fn off() -> StreamTimeoutLayer {
    StreamTimeoutLayer::new()
        .first_frame(None)
        .idle(None)
        .total(None)
}

pub(crate) fn stream(steps: impl IntoIterator<Item = Step>) -> Response<ScriptedBody> {
    Response::builder()
        .header("content-type", "text/event-stream; charset=utf-8")
        .body(ScriptedBody::new(steps).conservative_end())
        .unwrap()
}

/// The answer comes so long after the call.
pub(crate) async fn call_for(
    layer: StreamTimeoutLayer,
    head_after: Duration,
    answer: Response<ScriptedBody>,
    request: Request<()>,
) -> Result<Answer, BoxError> {
    let reply = Reply::<_, BoxError>::Ok(answer).after(head_after);
    let (inner, handle) = ScriptedService::new([reply]);
    let answer = layer.layer(inner).oneshot(request).await;
    assert_eq!(handle.in_flight(), 0, "answered, or dropped");
    answer
}

pub(crate) async fn call(
    layer: StreamTimeoutLayer,
    steps: impl IntoIterator<Item = Step>,
) -> Answer {
    call_for(layer, Duration::ZERO, stream(steps), Request::new(()))
        .await
        .unwrap()
}

/// The error that ends the body, and how long after now it came.
pub(crate) async fn failure(answer: Answer) -> (BoxError, Duration) {
    let start = Instant::now();
    let seen = audit(answer.into_body()).await;
    (seen.error.unwrap(), start.elapsed())
}

/// Whether so much has passed, and a quarter of the limit at most more. The timer's grain is a
/// millisecond, and it is asked a few times.
pub(crate) fn in_time(passed: Duration, limit: Duration) -> bool {
    (limit..=limit + limit / 4 + MS * 8).contains(&passed)
}

pub(crate) const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
pub(crate) const TEXT: &str =
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n";
