//! HTTP requests whose bodies are cloned, and attempts that are not marked. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use buttress_classify::Profile;
use buttress_core::{Attempt, BoxError};
use buttress_retry::{CloneBodies, RetryLayer, RetryOverride};
use buttress_testkit::body::ScriptedBody;
use buttress_testkit::probe::{Reply, ScriptedService};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt};

type Prompt = Request<Full<Bytes>>;

fn layer() -> RetryLayer<Profile> {
    RetryLayer::llm(Profile::OPENAI).attempt_header(http::HeaderName::from_static("x-attempt"))
}

fn prompt() -> Prompt {
    Request::post("/").body(Full::from("a prompt")).unwrap()
}

fn answer(status: u16) -> Reply<Response<ScriptedBody>, BoxError> {
    let response = Response::builder().status(status);
    Reply::Ok(response.body(ScriptedBody::new([])).unwrap())
}

/// The requests that the inner service got for this one: two if it was tried again.
async fn sent(layer: &RetryLayer<Profile, CloneBodies>, request: Prompt) -> Vec<Prompt> {
    let (inner, handle) = ScriptedService::new([answer(503), answer(200)]);
    layer.layer(inner).oneshot(request).await.unwrap();
    handle.take_requests()
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_gets_the_body_as_it_is_at_each_attempt() {
    let sent = sent(&layer().clone_bodies(), prompt()).await;
    let bodies: Vec<_> = sent.iter().map(|request| request.body().clone()).collect();
    assert_eq!(format!("{bodies:?}"), format!("{:?}", [prompt().body(); 2]));
    let attempts: Vec<_> = sent
        .iter()
        .map(|request| {
            let attempt: &Attempt = request.extensions().get().unwrap();
            assert_eq!(
                request.headers()["x-attempt"],
                attempt.number().to_string().as_str()
            );
            attempt.number().get()
        })
        .collect();
    assert_eq!(attempts, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn attempts_that_are_not_marked_are_tried_again_all_the_same() {
    let sent = sent(&layer().mark_attempts(false).clone_bodies(), prompt()).await;
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|request| request.extensions().is_empty()));
    assert_eq!(sent[1].headers()["x-attempt"], "2");
}

#[tokio::test(start_paused = true)]
async fn what_goes_out_once_does_so_with_cloned_bodies_too() {
    let layer = layer().clone_bodies();
    let mut owned = prompt();
    owned.extensions_mut().insert(Attempt::FIRST);
    let mut never = prompt();
    never.extensions_mut().insert(RetryOverride::never());
    let mut upgrade = prompt();
    let websocket = http::HeaderValue::from_static("websocket");
    upgrade.headers_mut().insert("upgrade", websocket);
    for request in [owned, never, upgrade] {
        assert_eq!(sent(&layer, request).await.len(), 1);
    }
    assert_eq!(sent(&layer, prompt()).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_repeatable_is_not_sent_again() {
    let layer = RetryLayer::http(Profile::HTTP).clone_bodies();
    assert_eq!(sent(&layer, prompt()).await.len(), 1);
    let mut keyed = prompt();
    let key = http::HeaderValue::from_static("\"a key\"");
    keyed.headers_mut().insert("idempotency-key", key);
    assert_eq!(sent(&layer, keyed).await.len(), 2);
}
