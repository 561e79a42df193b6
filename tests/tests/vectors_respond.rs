//! The vectors about what refusals look like from the outside, every one of them asserted.
#![allow(
    clippy::unwrap_used,
    reason = "a vector that cannot be read is a failed test"
)]

use std::time::Duration;

use buttress::core::{BoxError, Failure, Outcome, find};
use buttress::respond::RespondLayer;
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_tests::vectors;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tower::{Layer, ServiceExt};

async fn answer(
    reply: Reply<Response<ScriptedBody>, BoxError>,
    content_type: &str,
) -> Response<buttress::respond::RespondBody<ScriptedBody>> {
    let (inner, _) = ScriptedService::new([reply]);
    let request = Request::post("/").header("content-type", content_type);
    let call = RespondLayer::new()
        .layer(inner)
        .oneshot(request.body(()).unwrap());
    let Ok(response) = call.await;
    response
}

async fn refused(failure: Failure, content_type: &str) -> Response<Bytes> {
    let response = answer(Reply::Err(failure.into()), content_type).await;
    let (head, body) = response.into_parts();
    Response::from_parts(head, audit(body).await.bytes())
}

/// A refusal of this outcome, held against what the vector says of status and headers.
async fn asserted(vector: &Value, failure: Failure, wait: &str) -> Value {
    let case = vector["case"].as_str().unwrap();
    let response = refused(failure, "application/json").await;
    assert_eq!(
        u64::from(response.status().as_u16()),
        vector["status"],
        "{case}"
    );
    if let Some(headers) = vector["headers"].as_object() {
        for (name, value) in headers {
            let expected = if name == "retry-after" {
                wait
            } else {
                value.as_str().unwrap()
            };
            assert_eq!(response.headers()[name], expected, "{case}");
        }
    }
    if vector["no_retry_after"] == true {
        assert!(!response.headers().contains_key("retry-after"), "{case}");
    }
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn error_responses() {
    for vector in &vectors("error_responses") {
        match vector["case"].as_str().unwrap() {
            "budget-exhausted-http" => {
                let failure = Failure::new(Outcome::DEADLINE_EXCEEDED, "");
                let failure = failure.within(Duration::from_millis(2_500));
                let body = asserted(vector, failure, "").await;
                let members = vector["body_members"].as_object().unwrap();
                assert!(
                    members.keys().all(|name| body.get(name).is_some()),
                    "{body}"
                );
                assert_eq!(body["title"], members["title"]);
                assert_eq!(body["status"], members["status"]);
                assert_eq!(body["type"], "about:blank");
                assert_eq!(body["budget_ms"], 2_500);
            }
            "breaker-open-http" => {
                for (left, wait) in [(0, "1"), (1, "1"), (1_000, "1"), (29_001, "30")] {
                    let open = Outcome::CIRCUIT_OPEN.after(Duration::from_millis(left));
                    asserted(vector, Failure::new(open, ""), wait).await;
                }
            }
            "idempotency-missing" => {
                asserted(vector, Failure::new(Outcome::KEY_MISSING, ""), "").await;
            }
            "idempotency-mismatch" => {
                asserted(vector, Failure::new(Outcome::KEY_REUSED, ""), "").await;
            }
            // What hyper makes of a body's error, over sockets, is shown beside this.
            "idle-timeout-after-head" => {
                assert!(vector["result"].as_str().unwrap().starts_with("body error"));
                let idle = Failure::new(Outcome::IDLE_ELAPSED, "");
                let body = ScriptedBody::new([Step::data("{"), Step::Error(idle.into())]);
                let response = answer(Reply::Ok(Response::new(body)), "application/json").await;
                let seen = audit(response.into_body()).await;
                assert_eq!(seen.bytes(), "{");
                assert!(find::<Failure>(&*seen.error.unwrap()).is_some());
            }
            "accept-negotiation" => {
                for (asks, gets) in [
                    ("application/json", "application/problem+json"),
                    ("text/html", "application/problem+json"),
                    ("application/grpc", "application/grpc"),
                    ("application/grpc+proto", "application/grpc"),
                    ("application/grpc-web+proto", "application/grpc-web+proto"),
                ] {
                    let failure = Failure::new(Outcome::DEADLINE_EXCEEDED, "");
                    let response = refused(failure, asks).await;
                    assert_eq!(response.headers()["content-type"], gets);
                    let in_body = response
                        .body()
                        .windows(13)
                        .any(|bytes| bytes == b"grpc-status:4");
                    assert_eq!(in_body, asks.starts_with("application/grpc-web"), "{asks}");
                    let in_head = response.headers().contains_key("grpc-status");
                    assert_eq!(in_head, gets == "application/grpc", "{asks}");
                }
            }
            case => panic!("{case} is neither asserted nor listed"),
        }
    }
}
