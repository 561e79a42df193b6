//! Idempotency among the other layers, in front of an LLM API. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too; callers are tasks of their own, and so is what an executor runs"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::{Backoff, BoxError};
use buttress::idempotency::{Duplicates, IdempotencyKeyLayer, IdempotencyLayer};
use buttress::respond::RespondLayer;
use buttress::retry::RetryLayer;
use buttress_testkit::upstream::{Behaviour, Script, Upstream};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::time::{sleep, timeout};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const STREAM: &str = r#"{"model":"m","stream":true,"messages":[]}"#;

fn prompt(key: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post("/v1/chat/completions").header("authorization", "Bearer me");
    let request = request.header("content-type", "application/json");
    request
        .header("idempotency-key", key)
        .body(body.into())
        .unwrap()
}

fn layer() -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::OPENAI).executor(|future| drop(tokio::spawn(future)))
}

fn upstream(behaviours: impl IntoIterator<Item = Behaviour>) -> Upstream {
    Upstream::new(Script::sequence(behaviours))
}

fn slow() -> Behaviour {
    Behaviour::well()
        .head_delay(Duration::from_millis(200))
        .chunk_delay(Duration::from_millis(50))
}

/// Status and body; an error of the body ends it.
async fn ask<S, B>(service: S, request: Request<Full<Bytes>>) -> Result<(u16, Bytes), BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let answer = service.oneshot(request).await.map_err(Into::into)?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(Into::into)?;
    Ok((status, body.to_bytes()))
}

#[tokio::test(start_paused = true)]
async fn duplicates_of_a_generation_are_one_generation_to_the_byte() {
    let upstream = upstream([slow()]);
    let service = layer().layer(upstream.service());
    let callers: Vec<_> = (0..100)
        .map(|caller| {
            let service = service.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(caller * 4)).await;
                ask(service, prompt("k", STREAM)).await.unwrap()
            })
        })
        .collect();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    assert!(answers[0].1.ends_with(b"data: [DONE]\n\n"));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(upstream.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_generation_that_was_cut_short_is_made_again_and_a_whole_one_is_not() {
    let cut = Behaviour::well().without_terminator();
    let failed = Behaviour::well().error_event_after(2);
    let upstream = upstream([cut, failed, Behaviour::server_error(), Behaviour::well()]);
    let service = layer().layer(upstream.service());
    for calls in [1, 2, 3, 4, 4, 4] {
        drop(ask(service.clone(), prompt("k", STREAM)).await);
        assert_eq!(upstream.counts().calls, calls);
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_answers() {
    let upstream = upstream([slow()]);
    let layers = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(layer().required(true));
    let service = layers.service(upstream.service());
    let mut refuses = prompt("k", STREAM);
    refuses.extensions_mut().insert(Duplicates::Refuse);
    let mut none = prompt("k", STREAM);
    none.headers_mut().remove("idempotency-key");
    let status = |request| {
        let asked = ask(service.clone(), request);
        async { asked.await.unwrap().0 }
    };
    let told = tokio::join!(
        status(prompt("k", STREAM)),
        status(refuses),
        status(prompt("k", "{}")),
        status(prompt("\"k", STREAM)),
        status(none)
    );
    assert_eq!(told, (200, 409, 422, 400, 400));
    assert_eq!(upstream.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_cut_off_and_tries_again_is_billed_once() {
    let upstream = upstream([slow()]);
    let gateway = layer().layer(upstream.service());
    // The wire loses the first answer.
    let lost = Arc::new(AtomicBool::new(false));
    let wire = service_fn(move |request: Request<Full<Bytes>>| {
        let (gateway, lost) = (gateway.clone(), Arc::clone(&lost));
        async move {
            let patience = if lost.swap(true, SeqCst) { 600 } else { 1 };
            match timeout(Duration::from_secs(patience) / 4, ask(gateway, request)).await {
                Ok(answer) => answer.map(|(_, body)| Response::new(Full::new(body))),
                Err(_) => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
            }
        }
    });
    let retry = RetryLayer::http(Profile::HTTP).backoff(Backoff::constant(Duration::ZERO));
    let client = ServiceBuilder::new()
        .layer(IdempotencyKeyLayer::new())
        .layer(retry.clone_bodies());
    let mut request = prompt("", STREAM);
    request.headers_mut().remove("idempotency-key");
    let (_, body) = ask(client.service(wire), request).await.unwrap();
    assert!(body.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(upstream.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_inside_serves_all_who_wait() {
    let upstream = upstream([Behaviour::status(503), Behaviour::well()]);
    let retry = RetryLayer::llm(Profile::OPENAI).backoff(Backoff::constant(Duration::from_secs(1)));
    let layers = ServiceBuilder::new().layer(layer()).layer(retry);
    let service = layers.service(upstream.service());
    let (one, two) = tokio::join!(
        ask(service.clone(), prompt("k", STREAM)),
        ask(service.clone(), prompt("k", STREAM))
    );
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(upstream.counts().calls, 2);
}
