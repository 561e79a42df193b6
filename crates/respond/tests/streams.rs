//! What becomes of a stream that fails after it has begun. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;

use buttress_classify::Profile;
use buttress_core::{Failure, Kind, Outcome, find};
use buttress_respond::{RespondBody, RespondLayer};
use buttress_testkit::body::{Audit, BoxError, ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use http::{Request, Response};
use http_body::Body;
use tower::{Layer, ServiceExt};

const EVENTS: (&str, &str) = ("content-type", "text/event-stream; charset=utf-8");

/// Breaks off as an upstream does.
fn breaks() -> Step {
    let failure = Failure::new(Outcome::IDLE_ELAPSED, "upstream.internal is silent");
    Step::Error(failure.into())
}

fn body(steps: impl IntoIterator<Item = Step>) -> ScriptedBody {
    ScriptedBody::new(steps).conservative_end().unknown_size()
}

async fn answer(
    request_type: &str,
    headers: &[(&'static str, &'static str)],
    body: ScriptedBody,
) -> RespondBody<ScriptedBody> {
    let mut response = Response::new(body);
    for (name, value) in headers {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    let request = Request::post("/").header("content-type", request_type);
    let (inner, _) = ScriptedService::<_, _, Infallible>::new([Reply::Ok(response)]);
    let layer = RespondLayer::new().profile(Profile::OPENAI);
    let call = layer.layer(inner).oneshot(request.body(()).unwrap());
    let Ok(response) = call.await;
    response.into_body()
}

async fn events(steps: impl IntoIterator<Item = Step>) -> Audit<BoxError> {
    audit(answer("application/json", &[EVENTS], body(steps)).await).await
}

fn is_idle(error: Option<BoxError>) -> bool {
    let outcome = error.and_then(|error| find::<Failure>(&*error).map(Failure::outcome));
    outcome == Some(Outcome::IDLE_ELAPSED)
}

#[tokio::test]
async fn an_event_stream_is_told_in_an_event_which_is_its_end() {
    for before in [
        vec![],
        vec![Step::data("")],
        vec![Step::data("data: one\n\n")],
        vec![Step::data("data: one\r\n\r\n")],
        vec![Step::data("data: one\n\n: ping\n")],
    ] {
        let plain: usize = before.len();
        let seen = events(before.into_iter().chain([breaks()])).await;
        assert_eq!(seen.data.len(), plain + 1);
        let event = std::str::from_utf8(&seen.data[plain]).unwrap();
        assert!(
            event.starts_with("event: error\ndata: {\"error\":{"),
            "{event}"
        );
        assert!(event.ends_with("}\n\n"));
        assert!(!event.contains("upstream.internal"));
        assert!(seen.error.is_none(), "it would cost the event");
    }
}

#[tokio::test]
async fn what_the_event_says_is_read_as_the_failure_that_it_was() {
    let mut headers = http::HeaderMap::new();
    headers.insert(EVENTS.0, EVENTS.1.parse().unwrap());
    let mut observer = Profile::OPENAI.observer(http::StatusCode::OK, &headers);
    let seen = events([Step::data("data: {\"choices\":[]}\n\n"), breaks()]).await;
    let signs = seen.data.iter().map(|data| {
        use buttress_body::Observe;
        observer.data(data)
    });
    let last = signs.last().unwrap();
    assert!(
        matches!(last, buttress_core::Sign::Settled(outcome) if outcome.kind == Kind::Transient),
        "{last:?}"
    );
}

#[tokio::test]
async fn in_the_middle_of_an_event_nothing_is_put_in() {
    for before in ["data: on", "data: one\n", "data: one\r", "da", ": pi"] {
        let seen = events([Step::data(before), breaks()]).await;
        assert_eq!(seen.bytes(), before);
        assert!(is_idle(seen.error), "{before:?}");
    }
}

#[tokio::test]
async fn nothing_is_put_behind_trailers() {
    let seen = events([
        Step::data("data: one\n\n"),
        Step::trailer("a", "b"),
        breaks(),
    ])
    .await;
    assert_eq!(seen.data.len(), 1);
    assert!(seen.trailers.is_some() && is_idle(seen.error));
}

#[tokio::test]
async fn p20_nothing_is_added_to_a_body_whose_length_or_coding_forbids_it() {
    let stream = || body([Step::data("data: one\n\n"), breaks()]);
    let length = ("content-length", "99");
    let coding = ("content-encoding", "gzip");
    let json = ("content-type", "application/json");
    for headers in [
        &[EVENTS, length][..],
        &[EVENTS, coding],
        &[EVENTS, json],
        &[json],
        &[],
    ] {
        let seen = audit(answer("application/json", headers, stream()).await).await;
        assert_eq!(seen.data.len(), 1, "{headers:?}");
        assert!(is_idle(seen.error));
    }
    let exact = ScriptedBody::full("data: one\n\n");
    let passing = answer("application/json", &[EVENTS], exact).await;
    assert_eq!(passing.size_hint().exact(), Some(11));
}

#[tokio::test]
async fn a_stream_that_ends_well_is_left_as_it_is() {
    let seen = events([
        Step::data("data: one\n\n"),
        Step::Pending,
        Step::data("data: [DONE]\n\n"),
    ])
    .await;
    assert_eq!(seen.bytes(), "data: one\n\ndata: [DONE]\n\n");
    assert!(seen.error.is_none() && seen.trailers.is_none());
}

#[tokio::test]
async fn p21_a_grpc_stream_ends_with_the_status_in_its_trailers() {
    let grpc = [("content-type", "application/grpc")];
    let deadline = Failure::new(Outcome::DEADLINE_EXCEEDED, "");
    let steps = [Step::data("message"), Step::Error(deadline.into())];
    let seen = audit(answer("application/grpc", &grpc, body(steps)).await).await;
    assert_eq!(seen.bytes(), "message");
    assert!(seen.error.is_none());
    assert_eq!(seen.trailers.unwrap()["grpc-status"], "4");

    let web = [("content-type", "application/grpc-web")];
    let steps = [Step::data("message"), breaks()];
    let seen = audit(answer("application/grpc-web", &web, body(steps)).await).await;
    assert!(is_idle(seen.error) && seen.trailers.is_none());
}

#[tokio::test]
async fn a_grpc_stream_that_has_had_its_trailers_gets_no_others() {
    let grpc = [("content-type", "application/grpc")];
    let steps = [Step::trailer("grpc-status", "0"), breaks()];
    let seen = audit(answer("application/grpc", &grpc, body(steps)).await).await;
    assert_eq!(seen.trailers.unwrap()["grpc-status"], "0");
    assert!(is_idle(seen.error));
}

#[tokio::test]
async fn the_source_of_a_stream_that_failed_is_let_go_before_its_reader_is() {
    let source = body([Step::data("data: one\n\n"), breaks()]);
    let handle = source.handle();
    let mut passing = answer("application/json", &[EVENTS], source).await;
    let mut frames = 0;
    while let Some(Ok(_)) = http_body_util::BodyExt::frame(&mut passing).await {
        frames += 1;
    }
    assert_eq!(frames, 2);
    assert!(handle.dropped());
    assert!(passing.is_end_stream());
}
