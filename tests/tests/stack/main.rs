//! The stacks as they come: what they make of a client and of a handler. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod idempotency;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use buttress::breaker::{CircuitBreakerLayer, CircuitKey, CircuitState};
use buttress::classify::Profile;
use buttress::core::{BoxError, Deadline};
use buttress::deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use buttress::fallback::{FallbackLayer, Http, ServedBy, Tier};
use buttress::idempotency::{IdempotencyKeyLayer, IdempotencyKeys, IdempotencyLayer};
use buttress::judge::JudgeLayer;
use buttress::respond::RespondLayer;
use buttress::retry::{RetryBudget, RetryLayer};
use buttress::stack::{InboundService, Outbound, OutboundService, inbound, outbound};
use buttress::timeout::StreamTimeoutLayer;
use buttress_testkit::upstream::{Behaviour, Cut, Script, Upstream, UpstreamService};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, timeout};
use tower::layer::util::Identity;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const OPENAI: Profile = Profile::OPENAI;
const SECOND: Duration = Duration::from_secs(1);
const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";

fn always(behaviour: Behaviour) -> Upstream {
    Upstream::new(Script::always(behaviour))
}

fn well() -> Upstream {
    always(Behaviour::well())
}

fn down() -> Upstream {
    always(Behaviour::status(500))
}

fn hangs() -> Upstream {
    always(Behaviour::well().head_delay(SECOND * 3_600))
}

fn chat() -> Request<Full<Bytes>> {
    let body = r#"{"model":"large","stream":true,"messages":[]}"#;
    Request::post("/v1/chat/completions")
        .body(body.into())
        .unwrap()
}

/// One caller's, whose word it is that all with this key are one.
fn keyed(key: &'static str) -> Request<Full<Bytes>> {
    let mut request = chat();
    let headers = request.headers_mut();
    headers.insert("authorization", HeaderValue::from_static("Bearer me"));
    headers.insert("idempotency-key", HeaderValue::from_static(key));
    request
}

async fn send<S, B>(service: S, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let response = service.oneshot(request).await.map_err(Into::into)?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(Into::into)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// Whatever a stack makes can be named, kept in a struct, cloned, and sent to other threads.
#[derive(Clone)]
struct Kept<H> {
    client: OutboundService<UpstreamService>,
    once: OutboundService<UpstreamService, Identity, Identity>,
    keyed: IdempotencyKeys<OutboundService<UpstreamService>>,
    door: InboundService<UpstreamService>,
    plain: InboundService<H, Identity, Identity, Identity>,
}

#[tokio::test(start_paused = true)]
async fn what_a_stack_makes_has_a_name() {
    fn assert_shared<T: Clone + Send + Sync>(_: &T) {}
    let upstream = well();
    let handler = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
    });
    let once = outbound(OPENAI).without_retry().without_circuit_breaker();
    let kept = Kept {
        client: outbound(OPENAI).layer(upstream.service()),
        once: once.layer(upstream.service()),
        keyed: outbound(OPENAI)
            .idempotency_key(IdempotencyKeyLayer::new())
            .layer(upstream.service()),
        door: inbound().layer(upstream.service()),
        plain: inbound()
            .without_heartbeat()
            .without_idempotency()
            .layer(handler),
    };
    assert_shared(&kept);
    assert_eq!(send(kept.client, chat()).await.unwrap().status(), 200);
    assert_eq!(send(kept.once, chat()).await.unwrap().status(), 200);
    assert_eq!(send(kept.keyed, chat()).await.unwrap().status(), 200);
    assert_eq!(send(kept.door, chat()).await.unwrap().status(), 200);
    assert_eq!(send(kept.plain, chat()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_stack_is_a_layer_for_service_builders_and_routers() {
    let upstream = well();
    let client = ServiceBuilder::new()
        .layer(outbound(OPENAI))
        .service(upstream.service());
    let ask = async move || {
        let answer = client.clone().oneshot(chat()).await.unwrap();
        answer.map(axum::body::Body::new)
    };
    let app: Router = Router::new().route("/", post(ask)).layer(inbound());
    let request = Request::post("/").body(axum::body::Body::empty()).unwrap();
    let answer = app.oneshot(request).await.unwrap();
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body.ends_with(b"data: [DONE]\n\n"));
}

#[tokio::test(start_paused = true)]
async fn a_stack_put_around_two_clients_is_one_circuit_and_one_budget() {
    let (ill, healthy) = (down(), well());
    let breaker = CircuitBreakerLayer::http(OPENAI);
    let budget = RetryBudget::default();
    let full = budget.tokens();
    let stack = outbound(OPENAI)
        .circuit_breaker(breaker.clone())
        .retry(RetryLayer::llm(OPENAI).budget(budget.clone()));
    let (one, two) = (stack.layer(ill.service()), stack.layer(healthy.service()));
    for _ in 0..2 {
        drop(send(one.clone(), chat()).await);
    }
    assert_eq!(breaker.handle().state(), CircuitState::Open);
    assert!(send(two, chat()).await.is_err(), "open for both");
    assert_eq!(healthy.counts().calls, 0);
    assert!(budget.tokens() < full);
}

#[tokio::test(start_paused = true)]
async fn what_is_off_does_nothing() {
    let ill = down();
    let once = outbound(OPENAI).without_retry().layer(ill.service());
    send(once, chat()).await.unwrap();
    assert_eq!(ill.counts().calls, 1);

    let stack = outbound(OPENAI).without_circuit_breaker();
    for _ in 0..10 {
        let answer = send(stack.layer(ill.service()), chat()).await;
        assert_eq!(answer.unwrap().status(), 500);
    }

    let patient = outbound(OPENAI)
        .without_timeout_budget()
        .without_stream_timeout();
    let patient = patient.layer(always(Behaviour::well().head_delay(SECOND * 1_000)).service());
    assert_eq!(send(patient.clone(), chat()).await.unwrap().status(), 200);
    let mut hasty = chat();
    let deadline = Deadline::after(Instant::now().into_std(), SECOND);
    hasty.extensions_mut().insert(deadline);
    assert!(send(patient, hasty).await.is_err(), "a caller's time holds");

    let handler = always(Behaviour::well().head_delay(SECOND * 1_000));
    let door = inbound().without_heartbeat().without_timeout_budget();
    let answer = send(door.layer(handler.service()), chat()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("x-accel-buffering"));

    let handler = well();
    let door = inbound().without_idempotency().layer(handler.service());
    for _ in 0..2 {
        send(door.clone(), keyed("k")).await.unwrap();
    }
    assert_eq!(handler.counts().calls, 2);
}

#[tokio::test(start_paused = true)]
async fn every_slot_takes_its_layer() {
    let upstream = well();
    let by_caller = |request: &Request<_>| CircuitKey::credential(request);
    let stack = outbound(OPENAI)
        .idempotency_key(IdempotencyKeyLayer::new())
        .timeout_budget(TimeoutBudgetLayer::new(SECOND * 9))
        .retry(RetryLayer::llm(OPENAI))
        .budget_share(BudgetShareLayer::all().announce(true))
        .circuit_breaker(CircuitBreakerLayer::http(OPENAI).key(by_caller))
        .judge(JudgeLayer::new(OPENAI))
        .stream_timeout(StreamTimeoutLayer::llm(OPENAI).total(SECOND));
    let door = inbound()
        .respond(RespondLayer::new().after_retries(true))
        .timeout_budget(TimeoutBudgetLayer::new(SECOND * 5))
        .idempotency(IdempotencyLayer::new(OPENAI).required(true))
        .layer(stack.layer(upstream.service()));
    assert_eq!(send(door.clone(), chat()).await.unwrap().status(), 400);
    send(door.clone(), keyed("k")).await.unwrap();
    send(door, keyed("k")).await.unwrap();
    let calls = upstream.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        calls[0].headers[EXPECTED], "9000",
        "the client's, and not one caller's"
    );
    assert_eq!(
        calls[0].headers["idempotency-key"], "k",
        "the caller's own key"
    );
}

#[tokio::test(start_paused = true)]
async fn tiers_are_stacks_and_a_stream_that_dies_early_is_begun_elsewhere() {
    let dies = always(Behaviour::well().cut_after(0, Cut::Reset));
    let elsewhere = well();
    let tier = Tier::upstream("b", outbound(OPENAI).layer(elsewhere.service()), OPENAI);
    let client = outbound(OPENAI)
        .fallback(FallbackLayer::<_, Http<_, _>>::http(OPENAI).tier(tier))
        .layer(dies.service());
    let response = send(client, chat()).await.unwrap();
    assert!(response.body().ends_with(b"data: [DONE]\n\n"));
    let by: &ServedBy = response.extensions().get().unwrap();
    assert_eq!(by.name(), "b");
    assert_eq!((dies.counts().calls, elsewhere.counts().calls), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_two_seconds_has_its_answer_in_time_through_both_stacks() {
    for (a, b) in [(hangs(), well()), (down(), hangs()), (hangs(), hangs())] {
        let share = BudgetShareLayer::all().announce(true);
        let stack = || outbound(OPENAI).budget_share(share);
        let tier = Tier::upstream("b", stack().layer(b.service()), OPENAI);
        let client = stack()
            .fallback(FallbackLayer::<_, Http<_, _>>::http(OPENAI).tier(tier))
            .layer(a.service());
        let mut request = chat();
        let two_seconds = "2000".parse().unwrap();
        request.headers_mut().insert(EXPECTED, two_seconds);
        let start = Instant::now();
        let answer = send(inbound().layer(client), request).await.unwrap();
        assert!(start.elapsed() <= Duration::from_millis(2_050));
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
        let content_type = &answer.headers()["content-type"];
        assert_eq!(content_type, "application/problem+json");
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_hangs_leaves_time_for_an_answer_of_our_own() {
    let sorry = || {
        let fallback = FallbackLayer::<_, Http<_, _>>::http(OPENAI);
        fallback.answer("sorry", |_, _| Some(Response::new("later".into())))
    };
    let all = BudgetShareLayer::all();
    for (client, status) in [
        (outbound(OPENAI).fallback(sorry()), 200),
        // Whoever says how much an attempt gets has said it.
        (outbound(OPENAI).budget_share(all).fallback(sorry()), 504),
        (outbound(OPENAI).fallback(sorry()).budget_share(all), 504),
    ] {
        let mut request = chat();
        request
            .headers_mut()
            .insert(EXPECTED, HeaderValue::from_static("2000"));
        let start = Instant::now();
        let door = inbound().layer(client.layer(hangs().service()));
        let answer = send(door, request).await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(start.elapsed() <= Duration::from_millis(2_050));
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_a_503_at_the_door_that_says_when_to_come_back() {
    let ill = down();
    let door = inbound().layer(outbound(OPENAI).layer(ill.service()));
    while send(door.clone(), chat()).await.unwrap().status() != 503 {}
    let response = send(door, chat()).await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(ill.counts().calls, 5);
}

#[tokio::test(start_paused = true)]
async fn an_unpaid_key_closes_the_door_only_where_it_is_the_only_one() {
    async fn calls_that_arrive(stack: Outbound) -> u64 {
        let unpaid = always(Behaviour::out_of_quota());
        let client = stack.layer(unpaid.service());
        for _ in 0..9 {
            drop(send(client.clone(), chat()).await);
        }
        unpaid.counts().calls
    }
    assert_eq!(calls_that_arrive(outbound(OPENAI)).await, 9);
    assert_eq!(calls_that_arrive(outbound(OPENAI).own_key()).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_guards_the_door_stands_between_answers_and_heartbeats() {
    let guard = tower::filter::FilterLayer::new(|request: Request<Full<Bytes>>| {
        let known = request.headers().contains_key("authorization");
        known.then_some(request).ok_or("who is there?")
    });
    let door = inbound().guard(guard).layer(well().service());
    let refused: Result<_, Infallible> = door.clone().oneshot(chat()).await;
    assert!(refused.unwrap().status().is_server_error());
    let mut known = chat();
    let key = "Bearer k".parse().unwrap();
    known.headers_mut().insert("authorization", key);
    assert_eq!(send(door, known).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_moment_leaves_nothing_running() {
    let slow = always(Behaviour::status(500).head_delay(SECOND));
    let door = inbound().layer(outbound(OPENAI).layer(slow.service()));
    for millis in (0..9_000).step_by(250) {
        let patience = Duration::from_millis(millis);
        drop(timeout(patience, send(door.clone(), chat())).await);
        let counts = slow.counts();
        let ended = counts.answers_completed + counts.abandoned;
        assert_eq!(counts.calls, ended, "after {patience:?}");
    }
}

#[test]
fn the_defaults_are_those_of_the_docs() {
    let total = SECOND * 600;
    let stack = outbound(OPENAI);
    let expected = [
        format!("timeout_budget: {:?}", TimeoutBudgetLayer::new(total)),
        "budget_share: None".to_owned(),
        format!("judge: {:?}", JudgeLayer::llm(OPENAI)),
        format!("stream_timeout: {:?}", StreamTimeoutLayer::llm(OPENAI)),
    ];
    for slot in expected {
        assert!(format!("{stack:?}").contains(&slot), "{stack:?}");
    }
    let door = format!("{:?}", inbound());
    let budget = format!("timeout_budget: {:?}", TimeoutBudgetLayer::new(total));
    assert!(door.contains(&budget), "{door}");
    let idempotency = format!("idempotency: {:?}", IdempotencyLayer::new(OPENAI));
    assert!(door.contains(&idempotency), "{door}");
}
