//! The event of the layer, whose name and fields are part of its API.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::Duration;

use buttress_core::BoxError;
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::events::Lines;
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_timeout::StreamTimeoutLayer;
use http::{Request, Response};
use tower::{Layer, ServiceExt};

#[tokio::test(start_paused = true)]
async fn each_limit_says_once_that_it_has_elapsed() {
    const LIMIT: Duration = Duration::from_millis(1_500);
    let off = StreamTimeoutLayer::new()
        .first_frame(None)
        .idle(None)
        .total(None);
    let lines = Lines::of("buttress::timeout");
    for layer in [
        off.first_frame(LIMIT),
        off.idle(LIMIT),
        off.progress(LIMIT),
        off.total(LIMIT),
        off.total(LIMIT * 9),
    ] {
        let steps = [Step::Wait(LIMIT * 2), Step::data("x")];
        let answer = Response::new(ScriptedBody::new(steps));
        let (inner, _handle) = ScriptedService::<_, _, BoxError>::new([Reply::Ok(answer)]);
        let answer = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
        audit(answer.into_body()).await;
    }
    let line = |limit| format!("DEBUG message=elapsed limit=\"{limit}\" limit_ms=1500");
    let expected = ["first_frame", "idle", "progress", "total"].map(line);
    assert_eq!(lines.take(), expected);
}
