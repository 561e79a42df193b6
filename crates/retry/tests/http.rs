//! HTTP requests: what is replayed, what goes out once, and what is discarded. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::num::NonZeroU32;
use std::time::Duration;

use buttress_body::ReplayPool;
use buttress_classify::Profile;
use buttress_core::{Attempt, Backoff, BoxError, Deadline, IdempotencyKey, Jitter, Kind};
use buttress_retry::{RetryLayer, RetryOverride};
use buttress_testkit::body::{ScriptedBody, Step};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_testkit::upstream::{Behaviour, Cut, Script, Upstream};
use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const BASE: Duration = Duration::from_millis(500);

fn layer() -> RetryLayer<Profile> {
    exact(RetryLayer::llm(Profile::OPENAI))
}

fn exact(layer: RetryLayer<Profile>) -> RetryLayer<Profile> {
    layer.backoff(Backoff::exponential(BASE, Duration::from_secs(8)).jitter(Jitter::None))
}

fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("/echo").body(Full::new(body.into())).unwrap()
}

/// Sends one request through the layer to an upstream with that script.
async fn send(
    layer: &RetryLayer<Profile>,
    upstream: &Upstream,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, BoxError> {
    let response = layer.layer(upstream.service()).oneshot(request).await?;
    let (head, body) = response.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

fn upstream(behaviours: impl IntoIterator<Item = Behaviour>) -> Upstream {
    let upstream = Upstream::new(Script::sequence(behaviours));
    upstream.record_bodies(1 << 20);
    upstream
}

#[tokio::test(start_paused = true)]
async fn a_body_is_replayed_byte_for_byte() {
    let prompt: Vec<u8> = (0..=u8::MAX).cycle().take(200 * 1024 + 1).collect();
    let upstream = upstream([Behaviour::status(500), Behaviour::overloaded()]);
    let response = send(&layer(), &upstream, post(prompt.clone()))
        .await
        .unwrap();
    assert_eq!(response.body(), &prompt);
    let bodies: Vec<_> = upstream
        .calls()
        .iter()
        .map(|call| call.body_fingerprint)
        .collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|hash| *hash == bodies[0]));
}

#[tokio::test(start_paused = true)]
async fn a_429_with_a_hint_in_milliseconds_waits_as_told() {
    let limited = Behaviour::status(429).header("retry-after-ms", "43");
    let upstream = upstream([limited]);
    let start = Instant::now();
    let response = send(&layer(), &upstream, post("hi")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(start.elapsed(), Duration::from_millis(43));
}

#[tokio::test(start_paused = true)]
async fn f10_a_hint_of_an_hour_is_passed_on_at_once_with_its_response() {
    let upstream = upstream([Behaviour::status(429).header("retry-after", "3600")]);
    let start = Instant::now();
    let response = send(&layer(), &upstream, post("hi")).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "3600");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(upstream.counts().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_leaves_its_outcome_in_the_response_and_a_success_leaves_nothing() {
    let upstream = upstream([Behaviour::status(400)]);
    let failed = send(&layer(), &upstream, post("hi")).await.unwrap();
    let outcome: &buttress_core::Outcome = failed.extensions().get().unwrap();
    assert_eq!(outcome.kind, Kind::Invalid);
    let well = send(&layer(), &upstream, post("hi")).await.unwrap();
    assert!(well.extensions().get::<buttress_core::Outcome>().is_none());
}

// ===== what is safe =====

async fn calls_after(
    layer: RetryLayer<Profile>,
    fault: Behaviour,
    change: impl FnOnce(&mut Request<Full<Bytes>>),
) -> usize {
    let upstream = upstream([fault]);
    let mut request = post("hi");
    change(&mut request);
    drop(send(&layer, &upstream, request).await);
    usize::try_from(upstream.counts().calls).unwrap()
}

fn reset() -> Behaviour {
    Behaviour::well().cut_before_head(Cut::Reset)
}

#[tokio::test(start_paused = true)]
async fn f18_a_post_that_was_reset_without_an_answer_is_not_sent_again_unless_told_so() {
    assert_eq!(calls_after(layer(), reset(), |_| ()).await, 1);
    let bold = layer().retry_ambiguous(true);
    assert_eq!(calls_after(bold, reset(), |_| ()).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_makes_a_post_repeatable() {
    let header = |request: &mut Request<_>| {
        request
            .headers_mut()
            .insert("idempotency-key", "\"a1\"".parse().unwrap());
    };
    assert_eq!(calls_after(layer(), reset(), header).await, 2);
    let extension = |request: &mut Request<_>| {
        let key = IdempotencyKey::new("a1").unwrap();
        request.extensions_mut().insert(key);
    };
    assert_eq!(calls_after(layer(), reset(), extension).await, 2);
    let not_a_key = |request: &mut Request<_>| {
        request
            .headers_mut()
            .insert("idempotency-key", "".parse().unwrap());
    };
    assert_eq!(calls_after(layer(), reset(), not_a_key).await, 1);
}

#[tokio::test(start_paused = true)]
async fn idempotent_methods_are_repeatable_and_others_are_not() {
    for (method, calls) in [
        (Method::GET, 2),
        (Method::HEAD, 2),
        (Method::PUT, 2),
        (Method::DELETE, 2),
        (Method::OPTIONS, 2),
        (Method::POST, 1),
        (Method::PATCH, 1),
        (Method::from_bytes(b"PURGE").unwrap(), 1),
    ] {
        let careful = exact(RetryLayer::http(Profile::HTTP));
        let set = |request: &mut Request<_>| *request.method_mut() = method.clone();
        let made = calls_after(careful, Behaviour::status(502), set).await;
        assert_eq!(made, calls, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_llm_preset_sends_a_post_again_after_an_error_answer_and_plain_http_does_not() {
    assert_eq!(
        calls_after(layer(), Behaviour::status(502), |_| ()).await,
        2
    );
    let http = exact(RetryLayer::http(Profile::HTTP));
    assert_eq!(calls_after(http, Behaviour::status(502), |_| ()).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_refused_proves_that_nothing_was_sent() {
    let upstream = Upstream::new(Script::well());
    upstream.go_away();
    let http = exact(RetryLayer::http(Profile::HTTP));
    let call = http.layer(upstream.service()).oneshot(post("hi"));
    let comes_back = async {
        tokio::time::sleep(BASE / 2).await;
        upstream.come_back();
    };
    let (response, ()) = tokio::join!(call, comes_back);
    assert_eq!(response.unwrap().status(), 200);
}

// ===== once =====

#[tokio::test(start_paused = true)]
async fn a_request_says_for_itself_how_often_it_may_go_out() {
    let never = |request: &mut Request<_>| {
        request.extensions_mut().insert(RetryOverride::never());
    };
    assert_eq!(calls_after(layer(), Behaviour::status(500), never).await, 1);
    let bold = |request: &mut Request<_>| {
        let options = RetryOverride::default().retry_ambiguous(true);
        request.extensions_mut().insert(options);
    };
    assert_eq!(calls_after(layer(), reset(), bold).await, 2);
}

#[tokio::test(start_paused = true)]
async fn upgrades_and_connect_go_out_once() {
    let upgrade = |request: &mut Request<_>| {
        request
            .headers_mut()
            .insert("upgrade", "websocket".parse().unwrap());
    };
    assert_eq!(
        calls_after(layer(), Behaviour::status(500), upgrade).await,
        1
    );
    let connect = |request: &mut Request<_>| *request.method_mut() = Method::CONNECT;
    assert_eq!(
        calls_after(layer(), Behaviour::status(500), connect).await,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn f14_an_inner_retry_layer_leaves_retrying_to_the_outer_one() {
    for (nested, calls) in [(false, 3), (true, 9)] {
        let upstream = Upstream::new(Script::always(Behaviour::status(500)));
        let inner = layer().nested(nested).layer(upstream.service());
        let outer = layer().layer(inner);
        let response = outer.oneshot(post("hi")).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(upstream.counts().calls, calls, "nested: {nested}");
    }
}

#[tokio::test(start_paused = true)]
async fn f31_a_body_over_the_cap_goes_out_whole_and_once() {
    let small = layer().max_replay(1024);
    let upstream = upstream([Behaviour::status(500)]);
    let response = send(&small, &upstream, post(vec![7; 4096])).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(upstream.counts().calls, 1);
    assert_eq!(upstream.last_call().unwrap().body_len, 4096);
    let response = send(&small, &upstream, post(vec![7; 4096])).await.unwrap();
    assert_eq!(response.body().len(), 4096, "and ends well where it can");
}

#[tokio::test(start_paused = true)]
async fn f31_what_is_kept_for_replay_is_freed_at_the_commit() {
    let pool = ReplayPool::new(1 << 20);
    let upstream = upstream([Behaviour::status(500)]);
    let pooled = layer().replay_pool(pool.clone());
    let response = pooled
        .layer(upstream.service())
        .oneshot(post(vec![7; 4096]))
        .await
        .unwrap();
    // The response's body is still to come.
    assert_eq!(pool.used(), 0);
    assert_eq!(response.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn p17_a_streaming_body_goes_out_and_is_replayed_like_any_other() {
    let upstream = upstream([Behaviour::status(500)]);
    let body = ScriptedBody::new([Step::data("a "), Step::Pending, Step::data("prompt")])
        .unknown_size()
        .conservative_end();
    let request = Request::post("/echo").body(body).unwrap();
    let response = layer()
        .layer(upstream.service())
        .oneshot(request)
        .await
        .unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "a prompt");
}

#[tokio::test(start_paused = true)]
async fn f26_a_request_body_that_failed_on_our_side_is_not_sent_again() {
    let (inner, handle) = ScriptedService::from_fn(|_, request: Request<_>| {
        Reply::future(async move {
            let body: buttress_body::ReplayBody<ScriptedBody> = request.into_body();
            body.collect()
                .await
                .map(|_| Response::new(Full::<Bytes>::default()))
        })
    });
    let body = ScriptedBody::new([Step::data("a "), Step::error("the client's upload broke")]);
    let request = Request::put("/").body(body).unwrap();
    let error = layer().layer(inner).oneshot(request).await.unwrap_err();
    assert_eq!(error.to_string(), "the client's upload broke");
    assert_eq!(handle.calls(), 1);
}

// ===== attempts =====

#[tokio::test(start_paused = true)]
async fn inner_layers_see_the_number_of_the_attempt_and_how_the_last_one_ended() {
    let (inner, handle) = ScriptedService::new([
        Reply::Ok(status(503)),
        Reply::Err(BoxError::from("reset")),
        Reply::Ok(status(200)),
    ]);
    let layer = layer()
        .retry_ambiguous(true)
        .attempt_header(HeaderName::from_static("x-attempt"));
    layer.layer(inner).oneshot(post("hi")).await.unwrap();
    let seen: Vec<_> = handle
        .take_requests()
        .iter()
        .map(
            |request: &Request<buttress_body::ReplayBody<Full<Bytes>>>| {
                let attempt: &Attempt = request.extensions().get().unwrap();
                let header = request.headers()["x-attempt"].to_str().unwrap().to_owned();
                assert_eq!(header, attempt.number().to_string());
                (attempt.number().get(), attempt.previous().map(|o| o.kind))
            },
        )
        .collect();
    assert_eq!(
        seen,
        [
            (1, None),
            (2, Some(Kind::Overloaded)),
            (3, Some(Kind::Transient))
        ]
    );
}

fn status(code: u16) -> Response<ScriptedBody> {
    let mut response = Response::new(ScriptedBody::new([]));
    *response.status_mut() = code.try_into().unwrap();
    response
}

#[tokio::test(start_paused = true)]
async fn f13_a_deadline_stops_retries_and_the_last_result_goes_out() {
    let upstream = upstream([Behaviour::status(502), Behaviour::status(504)]);
    let mut request = post("hi");
    // Time for one backoff of 500 ms and an attempt of 1 s, but not for the next.
    let deadline = Deadline::after(Instant::now().into_std(), Duration::from_secs(2));
    request.extensions_mut().insert(deadline);
    let response = send(&layer(), &upstream, request).await.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(upstream.counts().calls, 2);
}

#[tokio::test(start_paused = true)]
async fn more_attempts_for_one_request_than_for_others() {
    let upstream = Upstream::new(Script::always(Behaviour::status(502)));
    let mut request = post("hi");
    let five = RetryOverride::default().max_attempts(NonZeroU32::new(5).unwrap());
    request.extensions_mut().insert(five);
    send(&layer(), &upstream, request).await.unwrap();
    assert_eq!(upstream.counts().calls, 5);
}

// ===== the response that is not wanted =====

async fn discard(version: Version, body: ScriptedBody, delay: Duration) -> (bool, usize, Duration) {
    let fate = body.handle();
    let mut failed = Response::new(body);
    *failed.status_mut() = http::StatusCode::BAD_GATEWAY;
    *failed.version_mut() = version;
    let (inner, _handle) =
        ScriptedService::<_, _, BoxError>::new([Reply::Ok(failed), Reply::Ok(status(200))]);
    let layer = layer().backoff(Backoff::constant(delay).jitter(Jitter::None));
    let start = Instant::now();
    let response = layer.layer(inner).oneshot(post("hi")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(fate.dropped());
    (fate.ended(), fate.polls(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn on_h1_a_discarded_response_is_read_off_so_that_its_connection_can_be_used_again() {
    let wait = Duration::from_millis(30);
    let body = || ScriptedBody::new([Step::data("error"), Step::Wait(wait), Step::data("s")]);
    let (ended, _, took) = discard(Version::HTTP_11, body().conservative_end(), BASE).await;
    assert!(ended);
    assert_eq!(took, BASE, "the time counts into the delay");
    let (ended, polls, _) = discard(Version::HTTP_2, body(), BASE).await;
    assert!(!ended && polls == 0, "on h2 it is simply dropped");
}

#[tokio::test(start_paused = true)]
async fn reading_off_ends_after_100_ms_or_64_kib_and_never_lengthens_the_delay() {
    let slow = || ScriptedBody::new([Step::data("error"), Step::Stall]);
    let (ended, _, took) = discard(Version::HTTP_11, slow(), BASE).await;
    assert!(!ended);
    assert_eq!(took, BASE);
    let short = Duration::from_millis(20);
    let (_, _, took) = discard(Version::HTTP_11, slow(), short).await;
    assert_eq!(took, short);
    let (_, _, took) = discard(Version::HTTP_11, slow(), Duration::ZERO).await;
    assert_eq!(took, Duration::ZERO);

    let endless = ScriptedBody::new((0..1_000).map(|_| Step::data(vec![0; 1024]))).unknown_size();
    let (ended, polls, _) = discard(Version::HTTP_11, endless, BASE).await;
    assert!(!ended);
    assert_eq!(polls, 65, "64 KiB and the frame that was too much");
    let known = ScriptedBody::full(vec![0; 65 * 1024]);
    let (_, polls, _) = discard(Version::HTTP_11, known, BASE).await;
    assert_eq!(polls, 0, "known to be too long");
}
