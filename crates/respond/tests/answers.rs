//! What a client gets in place of an error.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::time::Duration;

use buttress_core::{BoxError, Failure, Kind, Outcome, find};
use buttress_respond::{RespondBody, RespondLayer};
use buttress_testkit::body::{ScriptedBody, audit};
use buttress_testkit::probe::{
    PollCounter, ReadinessProbe, Reply, ScriptedHandle, ScriptedService,
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use serde_json::Value;
use tower::{Layer, Service, ServiceExt};

type Handle = ScriptedHandle<Request<()>, Response<ScriptedBody>, BoxError>;
type Inner = ScriptedService<Request<()>, Response<ScriptedBody>, BoxError>;

fn failing(error: impl Into<BoxError>) -> (Inner, Handle) {
    ScriptedService::new([Reply::Err(error.into())])
}

fn refusal(outcome: Outcome) -> (Inner, Handle) {
    failing(Failure::new(
        outcome,
        "connect to upstream.internal:8080 failed",
    ))
}

fn request(content_type: &str) -> Request<()> {
    let request = Request::post("/").header("content-type", content_type);
    request.body(()).unwrap()
}

/// The head of an answer, and all of its body, as far as hyper would look.
async fn send<S>(
    layer: &RespondLayer,
    inner: S,
    request: Request<()>,
) -> (StatusCode, HeaderMap, Bytes)
where
    S: Service<Request<()>, Response = Response<ScriptedBody>, Error = BoxError>,
{
    let Ok(response) = layer.layer(inner).oneshot(request).await;
    let (head, body) = response.into_parts();
    let size = body.size_hint().exact();
    let seen = audit(body).await;
    assert!(seen.error.is_none() && seen.trailers.is_none());
    assert_eq!(size, Some(seen.bytes().len() as u64));
    (head.status, head.headers, seen.bytes())
}

async fn json(layer: &RespondLayer, inner: Inner) -> (StatusCode, HeaderMap, Value) {
    let (status, headers, body) = send(layer, inner, request("application/json")).await;
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["cache-control"], "no-store");
    (status, headers, serde_json::from_slice(&body).unwrap())
}

// ===== HTTP =====

#[tokio::test]
async fn a_budget_that_ran_out_is_a_504_with_its_length_and_without_a_wait() {
    let failure = Failure::new(Outcome::DEADLINE_EXCEEDED, "").within(Duration::from_secs(2));
    let (status, headers, body) = json(&RespondLayer::new(), failing(failure).0).await;
    assert_eq!(status, 504);
    assert!(!headers.contains_key("retry-after"));
    assert_eq!(headers["x-should-retry"], "false");
    let expected = serde_json::json!({
        "type": "about:blank",
        "title": "Gateway Timeout",
        "status": 504,
        "detail": "the time for this request is used up",
        "reason": "deadline",
        "budget_ms": 2000,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn f37_a_refusal_that_passes_says_when() {
    let open = Outcome::CIRCUIT_OPEN.after(Duration::from_millis(2_001));
    for (outcome, status, wait) in [
        (open, 503, "3"),
        (Outcome::QUEUE_FULL, 503, "1"),
        (Outcome::IN_FLIGHT, 409, "1"),
        (Outcome::new(Kind::Throttled), 429, "1"),
    ] {
        let (got, headers, _) = json(&RespondLayer::new(), refusal(outcome).0).await;
        assert_eq!(got, status);
        assert_eq!(headers["retry-after"], wait);
        assert!(!headers.contains_key("x-should-retry"));
    }
}

#[tokio::test]
async fn no_answer_tells_what_the_error_said() {
    for protocol in ["application/json", "application/grpc"] {
        let (inner, _) = refusal(Outcome::TRUNCATED);
        let (_, headers, body) = send(&RespondLayer::new(), inner, request(protocol)).await;
        let all = format!("{headers:?} {body:?}");
        assert!(!all.contains("upstream.internal"), "{all}");
    }
}

#[tokio::test]
async fn errors_that_are_no_failures_of_ours_are_answered_too() {
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let (status, ..) = json(&RespondLayer::new(), failing(refused).0).await;
    assert_eq!(status, 502);
    let (status, _, body) = json(&RespondLayer::new(), failing("what is this?").0).await;
    assert_eq!(status, 502);
    assert!(body.get("reason").is_none());
}

#[tokio::test]
async fn an_answer_passes_as_it_is() {
    let mut answer = Response::new(ScriptedBody::full("well"));
    *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let (inner, _) = ScriptedService::new([Reply::Ok(answer)]);
    let layer = RespondLayer::new();
    let (status, headers, body) = send(&layer, inner, request("application/json")).await;
    assert_eq!((status.as_u16(), &body[..]), (429, &b"well"[..]));
    assert!(headers.is_empty());
}

#[tokio::test]
async fn what_was_answered_is_left_for_those_outside() {
    let (inner, _) = refusal(Outcome::CIRCUIT_OPEN);
    let Ok(response) = RespondLayer::new()
        .layer(inner)
        .oneshot(Request::new(()))
        .await;
    let outcome: Option<&Outcome> = response.extensions().get();
    assert_eq!(outcome, Some(&Outcome::CIRCUIT_OPEN));
}

// ===== gRPC =====

#[tokio::test]
async fn p21_grpc_gets_trailers_alone_and_its_own_status() {
    let layer = RespondLayer::new();
    let (inner, _) = refusal(Outcome::DEADLINE_EXCEEDED);
    let (status, headers, body) = send(&layer, inner, request("application/grpc+proto")).await;
    assert_eq!((status.as_u16(), body.len()), (200, 0));
    assert_eq!(headers["content-type"], "application/grpc");
    assert_eq!(headers["grpc-status"], "4");
    assert_eq!(
        headers["grpc-message"],
        "the time for this request is used up"
    );

    let open = Outcome::CIRCUIT_OPEN.after(Duration::from_millis(1_500));
    let (_, headers, _) = send(&layer, refusal(open).0, request("application/grpc")).await;
    assert_eq!(headers["grpc-status"], "14");
    assert_eq!(headers["grpc-retry-pushback-ms"], "1500");
}

#[tokio::test]
async fn a_trailers_only_answer_is_at_its_end_from_the_start() {
    let (inner, _) = refusal(Outcome::DEADLINE_EXCEEDED);
    let request = request("application/grpc");
    let Ok(response) = RespondLayer::new().layer(inner).oneshot(request).await;
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn grpc_web_gets_its_trailers_in_the_body() {
    let layer = RespondLayer::new();
    let (inner, _) = refusal(Outcome::DEADLINE_EXCEEDED);
    let (status, headers, body) = send(&layer, inner, request("application/grpc-web+proto")).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "application/grpc-web+proto");
    assert!(body[5..].starts_with(b"grpc-status:4\r\n"));

    let (inner, _) = refusal(Outcome::DEADLINE_EXCEEDED);
    let (_, _, text) = send(&layer, inner, request("application/grpc-web-text")).await;
    // 0x80, and the upper half of the length.
    assert!(text.starts_with(b"gAAAA"));
}

// ===== settings =====

#[tokio::test]
async fn a_mapping_of_ones_own_has_the_last_word() {
    #[derive(Debug)]
    struct Tired;
    impl std::fmt::Display for Tired {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("tired")
        }
    }
    impl Error for Tired {}
    let layer = RespondLayer::new().map(|error, problem| {
        if find::<Tired>(error).is_some() {
            problem.status = StatusCode::IM_A_TEAPOT;
            problem.about = "https://errors.example/tired".into();
            problem.detail = "tomorrow \"again\"\n".into();
            problem.retry_after = Some(Duration::from_secs(86_400));
        }
    });
    let (status, headers, body) = json(&layer, failing(Tired).0).await;
    assert_eq!(status, 418);
    assert_eq!(headers["retry-after"], "86400");
    assert_eq!(body["title"], "I'm a teapot");
    assert_eq!(body["type"], "https://errors.example/tired");
    assert_eq!(body["detail"], "tomorrow \"again\"\n");
    let (status, ..) = json(&layer, refusal(Outcome::QUEUE_FULL).0).await;
    assert_eq!(status, 503);
}

#[tokio::test]
async fn after_our_retries_the_client_does_not_begin_its_own() {
    let layer = RespondLayer::new().after_retries(true);
    let (_, headers, _) = json(&layer, refusal(Outcome::TRUNCATED).0).await;
    assert_eq!(headers["x-should-retry"], "false");
    let (_, headers, _) = json(&layer, refusal(Outcome::CIRCUIT_OPEN).0).await;
    assert!(!headers.contains_key("x-should-retry"), "after the wait");

    let (inner, _) = refusal(Outcome::TRUNCATED);
    let (_, headers, _) = send(&layer, inner, request("application/grpc")).await;
    assert_eq!(headers["grpc-retry-pushback-ms"], "-1");
}

/// What an answer says that has this `outcome` left in it, and this field, once it has passed a door with retries behind it.
async fn passed(
    protocol: &str,
    outcome: Option<Outcome>,
    (name, value): (&'static str, &'static str),
) -> HeaderMap {
    let grpc = protocol.starts_with("application/grpc");
    let mut answer = Response::builder()
        .status(if grpc { 200 } else { 503 })
        .header(name, value)
        .body(ScriptedBody::new([]))
        .unwrap();
    if let Some(outcome) = outcome {
        answer.extensions_mut().insert(outcome);
    }
    let (inner, _) = ScriptedService::new([Reply::Ok(answer)]);
    let layer = RespondLayer::new().after_retries(true);
    send(&layer, inner, request(protocol)).await.1
}

const OVERLOADED: Option<Outcome> = Some(Outcome::new(Kind::Overloaded));
const INVALID: Option<Outcome> = Some(Outcome::new(Kind::Invalid));

#[tokio::test]
async fn after_our_retries_an_answer_that_was_given_up_on_says_so() {
    const HTTP: &str = "application/json";
    let server = ("server", "upstream");
    assert_eq!(
        passed(HTTP, OVERLOADED, server).await["x-should-retry"],
        "false"
    );
    for outcome in [None, INVALID] {
        assert_eq!(passed(HTTP, outcome, server).await.len(), 1);
    }
    let upstreams_own_word = ("x-should-retry", "true");
    let headers = passed(HTTP, OVERLOADED, upstreams_own_word).await;
    assert_eq!(headers["x-should-retry"], "true");
}

#[tokio::test]
async fn after_our_retries_a_grpc_status_that_was_given_up_on_is_pushed_back() {
    const GRPC: &str = "application/grpc";
    let status = ("grpc-status", "14");
    let headers = passed(GRPC, OVERLOADED, status).await;
    assert_eq!(headers["grpc-retry-pushback-ms"], "-1");
    assert_eq!(headers["grpc-status"], "14");
    assert_eq!(headers.len(), 2);
    for outcome in [None, INVALID] {
        assert_eq!(passed(GRPC, outcome, status).await.len(), 1);
    }
    // Of what the upstream wanted to be waited for, our retries have waited all they would.
    let headers = passed(GRPC, OVERLOADED, ("grpc-retry-pushback-ms", "700")).await;
    assert_eq!(headers["grpc-retry-pushback-ms"], "-1");
}

// ===== the laws of Tower =====

#[tokio::test]
async fn a_service_that_fails_to_become_ready_answers_and_is_not_asked_again() {
    let (inner, handle) = ScriptedService::<_, Response<ScriptedBody>, BoxError>::new([]);
    let (inner, polls) = PollCounter::new(ReadinessProbe::new(inner));
    handle.fail_readiness(Failure::new(Outcome::QUEUE_FULL, "").into());
    let mut respond = RespondLayer::new().layer(inner);
    for content_type in ["application/json", "application/grpc"] {
        let Ok(service) = respond.ready().await;
        let Ok(response) = service.call(request(content_type)).await;
        let outcome: Option<&Outcome> = response.extensions().get();
        assert_eq!(outcome, Some(&Outcome::QUEUE_FULL));
    }
    assert_eq!((polls.ready_polls(), polls.calls()), (1, 0));

    // A clone's inner service has not failed.
    handle.push(Reply::Ok(Response::new(ScriptedBody::full("well"))));
    let Ok(response) = respond.clone().oneshot(request("application/json")).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn what_was_readied_is_called() {
    let (inner, handle) = refusal(Outcome::TRUNCATED);
    handle.push(Reply::Ok(Response::new(ScriptedBody::full("well"))));
    let mut respond = RespondLayer::new().layer(ReadinessProbe::new(inner));
    for status in [502, 200] {
        let Ok(service) = respond.ready().await;
        let Ok(response) = service.call(request("application/json")).await;
        assert_eq!(response.status(), status);
    }
}

#[test]
fn whoever_wants_no_errors_can_take_it() {
    fn assert_takes<S>(_: &S)
    where
        S: Service<Request<()>, Error = Infallible> + Clone + Send + Sync + 'static,
    {
    }
    fn assert_body<B: Body<Data = Bytes> + Send + Sync + Unpin>() {}
    assert_takes(&RespondLayer::new().layer(refusal(Outcome::LOCAL).0));
    assert_body::<RespondBody<ScriptedBody>>();
}
