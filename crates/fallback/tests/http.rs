//! HTTP requests: what crosses to another provider, what the answer says, what is sent again. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_body::{ReplayBody, ReplayPool};
use buttress_classify::Profile;
use buttress_core::{BoxError, Deadline, Failure, Kind, Outcome, find};
use buttress_fallback::{
    AllTiersFailed, FallbackBody, FallbackLayer, FallbackOverride, HandOver, Http, LastGood,
    Rewrite, ServedBy, Tier, Trail, When,
};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_testkit::upstream::{Behaviour, Call, Cut, Script, Upstream, UpstreamBody};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

type Traffic = Http<Full<Bytes>, UpstreamBody>;

fn layer() -> FallbackLayer<Profile, Traffic> {
    FallbackLayer::http(Profile::OPENAI)
}

/// Does these things one after the other, and goes on with the last.
fn upstream<const N: usize>(behaviours: [Behaviour; N]) -> Upstream {
    let last = behaviours.last().unwrap().clone();
    let upstream = Upstream::new(Script::sequence(behaviours).then(last));
    upstream.record_bodies(1 << 20);
    upstream
}

fn down() -> Upstream {
    upstream([Behaviour::status(503)])
}

fn well() -> Upstream {
    upstream([Behaviour::well()])
}

fn tier(name: &str, upstream: &Upstream) -> Tier<Traffic> {
    Tier::upstream(name, upstream.service(), Profile::OPENAI)
}

fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path).body(Full::new(body.into())).unwrap()
}

fn chat() -> Request<Full<Bytes>> {
    post("/v1/chat/completions", r#"{"model":"large","messages":[]}"#)
}

async fn send(
    layer: &FallbackLayer<Profile, Traffic>,
    primary: &Upstream,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, BoxError> {
    let response = layer.layer(primary.service()).oneshot(request).await?;
    let (head, body) = response.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

fn by(response: &Response<Bytes>) -> &ServedBy {
    response.extensions().get().unwrap()
}

fn only_call(upstream: &Upstream) -> Call {
    let mut calls = upstream.calls();
    assert_eq!(calls.len(), 1);
    calls.pop().unwrap()
}

/// All that was sent; `Debug` would hide what is marked as sensitive.
fn all_of(call: &Call) -> String {
    let mut all = format!("{} {:?}", call.uri, call.body);
    for value in call.headers.values() {
        all.push_str(value.to_str().unwrap());
    }
    all
}

// ===== what is sent =====

/// Keeps what is handed over to it.
#[derive(Clone, Default)]
struct Queue(Arc<Mutex<Option<http::request::Parts>>>);

impl HandOver<Request<ReplayBody<Full<Bytes>>>> for Queue {
    type Response = Response<Full<Bytes>>;

    async fn hand_over(
        &self,
        request: Request<ReplayBody<Full<Bytes>>>,
        _why: Outcome,
    ) -> Result<Self::Response, BoxError> {
        *self.0.lock().unwrap() = Some(request.into_parts().0);
        Ok(Response::builder().status(202).body(Full::default())?)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_outlives_its_call() {
    let (a, queue) = (down(), Queue::default());
    let mut request = chat();
    let deadline = Deadline::after(Instant::now().into_std(), Duration::from_secs(3));
    request.extensions_mut().insert(deadline);
    let headers = request.headers_mut();
    headers.insert("grpc-timeout", HeaderValue::from_static("3S"));
    headers.insert("authorization", HeaderValue::from_static("secret"));
    let layer = layer().tier(Tier::hand_over("queue", queue.clone()));
    let response = send(&layer, &a, request).await.unwrap();
    assert_eq!(response.status(), 202);
    let head = queue.0.lock().unwrap().take().unwrap();
    assert!(head.extensions.get::<Deadline>().is_none());
    assert!(head.extensions.get::<Trail>().is_none());
    assert!(head.headers.is_empty(), "{:?}", head.headers);
}

#[tokio::test(start_paused = true)]
async fn a_tier_whose_own_key_is_refused_does_not_hide_the_last_answer() {
    let (a, b, c) = (
        upstream([Behaviour::rate_limited()]),
        upstream([Behaviour::status(401).body("text/plain", "key-of-the-house")]),
        well(),
    );
    let layer = layer().tier(tier("b", &b));
    let response = send(&layer, &a, chat()).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!((by(&response).name(), by(&response).tier()), ("primary", 0));
    assert_eq!(by(&response).reasons().len(), 2);

    let layer = layer.tier(tier("c", &c));
    assert_eq!(send(&layer, &a, chat()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn with_as_many_headers_as_fit_the_tier_is_passed_over() {
    let mut request = chat();
    for n in 0.. {
        let name = HeaderName::try_from(format!("h{n}")).unwrap();
        let added = request
            .headers_mut()
            .try_append(name, HeaderValue::from_static("1"));
        if added.is_err() {
            break;
        }
    }
    let (a, b) = (down(), well());
    let keyed = Rewrite::new().bearer("k").unwrap();
    let layer = layer().tier(tier("b", &b).same_account(true).rewrite(keyed));
    let response = send(&layer, &a, request).await.unwrap();
    assert_eq!((response.status().as_u16(), b.counts().calls), (503, 0));
}

#[tokio::test(start_paused = true)]
async fn the_body_is_sent_again_byte_for_byte() {
    let prompt: Vec<u8> = (0..=u8::MAX).cycle().take(200 * 1024 + 1).collect();
    let (a, b) = (down(), down());
    let c = well();
    let layer = layer().tier(tier("b", &b)).tier(tier("c", &c));
    let response = send(&layer, &a, post("/echo", prompt.clone()))
        .await
        .unwrap();
    assert_eq!(response.body(), &prompt);
    for upstream in [&a, &b, &c] {
        assert_eq!(only_call(upstream).body, prompt);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_in_part_is_sent_whole() {
    let a = upstream([Behaviour::status(503).answer_early()]);
    let b = well();
    let body = ScriptedBody::new([
        Step::data("he"),
        Step::Wait(Duration::from_secs(1)),
        Step::data("llo"),
    ]);
    let layer =
        FallbackLayer::http(Profile::HTTP).tier(Tier::upstream("b", b.service(), Profile::HTTP));
    let request = Request::post("/echo").body(body).unwrap();
    let response = layer.layer(a.service()).oneshot(request).await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );
    assert_eq!(only_call(&b).body, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_body_too_large_to_be_kept_goes_to_the_primary_alone_but_is_answered_here() {
    let (a, b) = (down(), well());
    let pool = ReplayPool::new(1 << 20);
    let large = post("/echo", vec![0; 2_000]);
    let layer = layer()
        .replay_pool(pool.clone())
        .max_replay(1_000)
        .tier(tier("b", &b));
    let response = send(&layer, &a, large.clone()).await.unwrap();
    assert_eq!(response.status(), 503, "the primary's answer");
    assert_eq!(only_call(&a).body_len, 2_000, "which got it whole");
    assert_eq!(b.counts().calls, 0);
    assert_eq!(by(&response).reasons().len(), 2);

    let layer = layer.answer("sorry", |_, _| Some(Response::new("later".into())));
    let response = send(&layer, &a, large).await.unwrap();
    assert_eq!(response.body(), "later");
    assert_eq!(pool.used(), 0, "nothing is held for ever");
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_is_freed_with_the_head_of_the_answer() {
    let pool = ReplayPool::new(1 << 20);
    for answers in [[200, 200], [503, 200], [503, 503]] {
        let [a, b] = answers.map(|status| upstream([Behaviour::status(status)]));
        let layer = layer().replay_pool(pool.clone()).tier(tier("b", &b));
        let service = layer.layer(a.service());
        let response = service.oneshot(post("/", vec![0; 5_000])).await.unwrap();
        assert_eq!(pool.used(), 0);
        drop(response);
    }
}

#[tokio::test(start_paused = true)]
async fn upgrades_connect_and_whoever_says_so_are_the_primarys_alone() {
    let mut upgrade = chat();
    upgrade
        .headers_mut()
        .insert("upgrade", HeaderValue::from_static("websocket"));
    let mut connect = chat();
    *connect.method_mut() = Method::CONNECT;
    let mut off = chat();
    off.extensions_mut().insert(FallbackOverride::OFF);
    let mut once = chat();
    let one = FallbackOverride::max_attempts(std::num::NonZeroU32::MIN);
    once.extensions_mut().insert(one);
    for request in [upgrade, connect, off, once] {
        let (a, b) = (down(), well());
        let response = send(&layer().tier(tier("b", &b)), &a, request)
            .await
            .unwrap();
        assert_eq!((response.status().as_u16(), b.counts().calls), (503, 0));
        assert!(response.extensions().get::<ServedBy>().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn no_credential_crosses_to_another_provider() {
    const SECRET: &str = "sk-of-the-caller";
    let headers = [
        "authorization",
        "proxy-authorization",
        "cookie",
        "api-key",
        "x-api-key",
        "x-goog-api-key",
        "x-amz-security-token",
        "openai-organization",
        "x-litellm-api-key",
        "x-nobody-has-heard-of",
        "referer",
    ];
    let mut request = chat();
    let uri = format!(
        "https://user:{SECRET}@a.example/v1/chat/completions?alt=sse&key={SECRET};id_token={SECRET}"
    );
    *request.uri_mut() = uri.parse().unwrap();
    for name in headers {
        let name = HeaderName::from_static(name);
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(SECRET));
    }
    for name in ["x-own", "anthropic-version"] {
        let name = HeaderName::from_static(name);
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static("kept"));
    }

    let (a, b, c) = (down(), upstream([Behaviour::rate_limited()]), well());
    let key = |key: &str| {
        Rewrite::new()
            .base("https://b.example/openai")
            .unwrap()
            .bearer(key)
            .unwrap()
            .keep_header(HeaderName::from_static("x-own"))
    };
    let layer = layer()
        .tier(tier("b", &b).rewrite(key("sk-of-b")))
        .tier(tier("c", &c).rewrite(key("sk-of-c")));
    send(&layer, &a, request).await.unwrap();

    assert_eq!(only_call(&a).headers["authorization"], SECRET);
    for (upstream, key) in [(&b, "Bearer sk-of-b"), (&c, "Bearer sk-of-c")] {
        let call = only_call(upstream);
        assert_eq!(call.headers["authorization"], key);
        assert_eq!(call.headers["x-own"], "kept");
        assert_eq!(call.headers["anthropic-version"], "kept");
        assert_eq!(
            call.uri,
            "https://b.example/openai/v1/chat/completions?alt=sse"
        );
        assert!(!all_of(&call).contains(SECRET), "{call:?}");
    }
    assert!(
        !all_of(&only_call(&c)).contains("sk-of-b"),
        "a tier's key is seen by itself alone"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_account_keeps_its_credentials() {
    let (a, b) = (down(), well());
    let mut request = chat();
    let key = HeaderValue::from_static("Bearer sk");
    request.headers_mut().insert("authorization", key.clone());
    let smaller = tier("b", &b)
        .same_account(true)
        .rewrite(Rewrite::new().model(Profile::OPENAI, "small"));
    send(&layer().tier(smaller), &a, request).await.unwrap();
    assert_eq!(only_call(&b).headers["authorization"], key);
}

#[tokio::test(start_paused = true)]
async fn a_rewritten_body_has_its_own_length_and_no_digest() {
    let (a, b) = (down(), well());
    let mut request = chat();
    let headers = request.headers_mut();
    headers.insert("content-length", HeaderValue::from_static("31"));
    for name in ["content-digest", "repr-digest", "digest", "content-md5"] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static("sha-256=:x:"),
        );
    }
    let rewrite = Rewrite::new().model(Profile::OPENAI, "a-much-smaller-model");
    let layer = layer().tier(tier("b", &b).rewrite(rewrite));
    send(&layer, &a, request).await.unwrap();
    let call = only_call(&b);
    assert_eq!(
        call.body,
        r#"{"model":"a-much-smaller-model","messages":[]}"#
    );
    assert_eq!(
        call.headers["content-length"],
        call.body.len().to_string().as_str()
    );
    assert!(
        !call
            .headers
            .keys()
            .any(|name| name.as_str().contains("digest") || name == "content-md5")
    );
    assert_eq!(
        only_call(&a).headers["content-digest"],
        "sha-256=:x:",
        "the primary's own stays"
    );
}

#[tokio::test(start_paused = true)]
async fn f26_a_request_that_cannot_be_rewritten_is_not_sent_and_the_next_tier_is_asked() {
    let rewrite = || {
        Rewrite::new()
            .model(Profile::OPENAI, "small")
            .max_body(1_000)
    };
    let mut compressed = chat();
    compressed
        .headers_mut()
        .insert("content-encoding", HeaderValue::from_static("gzip"));
    for request in [
        post("/echo", "no JSON"),
        post("/echo", vec![b'{'; 1_001]),
        post("/echo", ""),
        compressed,
    ] {
        let (a, b, c) = (down(), well(), well());
        let layer = layer()
            .tier(tier("b", &b).rewrite(rewrite()))
            .tier(tier("c", &c));
        let response = send(&layer, &a, request.clone()).await.unwrap();
        assert_eq!(by(&response).name(), "c");
        assert!(by(&response).reasons()[1].was_skipped());
        assert_eq!((b.counts().calls, c.counts().calls), (0, 1));

        // Nobody else is there: the primary's answer is the last.
        let layer = self::layer().tier(tier("b", &b).rewrite(rewrite()));
        let response = send(&layer, &a, request).await.unwrap();
        assert_eq!(response.status(), 503);
    }
}

#[tokio::test(start_paused = true)]
async fn the_model_goes_into_the_path_where_the_provider_wants_it_there() {
    let (a, b) = (down(), well());
    let rewrite = Rewrite::new().model(Profile::GEMINI, "gemini-flash");
    let layer = layer().tier(tier("b", &b).rewrite(rewrite));
    let request = post("/v1beta/models/gemini-pro:generateContent", "{}");
    send(&layer, &a, request).await.unwrap();
    assert_eq!(
        only_call(&b).uri,
        "/v1beta/models/gemini-flash:generateContent"
    );
    assert_eq!(only_call(&b).body, "{}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_while_it_is_rewritten_is_not_sent() {
    let a = upstream([Behaviour::status(503).answer_early()]);
    let b = well();
    let body = ScriptedBody::new([Step::data("{\"model\""), Step::error("gone")]);
    let rewrite = Rewrite::new().model(Profile::OPENAI, "small");
    let layer = FallbackLayer::http(Profile::OPENAI)
        .tier(Tier::upstream("b", b.service(), Profile::OPENAI).rewrite(rewrite));
    let request = Request::post("/v1").body(body).unwrap();
    let response = layer.layer(a.service()).oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), b.counts().calls), (503, 0));
}

// ===== what the answer says =====

#[tokio::test(start_paused = true)]
async fn the_answer_says_who_served_it_and_why_the_others_did_not() {
    let a = upstream([Behaviour::well().cut_before_head(Cut::Reset)]);
    let (b, c) = (upstream([Behaviour::rate_limited()]), well());
    let small = tier("c", &c).degraded(true);
    let layer = layer()
        .primary("a")
        .tier(tier("b", &b))
        .tier(small)
        .say_who(true);
    let response = send(&layer, &a, chat()).await.unwrap();
    let by = by(&response);
    assert_eq!((by.tier(), by.name(), by.is_degraded()), (2, "c", true));
    let why: Vec<_> = by
        .reasons()
        .iter()
        .map(|t| (t.name(), t.outcome().kind))
        .collect();
    assert_eq!(why, [("a", Kind::Transient), ("b", Kind::Throttled)]);
    assert_eq!(response.headers()["x-buttress-served-by"], "c");
    assert_eq!(response.headers()["x-buttress-degraded"], "true");
    assert!(
        response.extensions().get::<Outcome>().is_none(),
        "a success leaves nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn the_primarys_own_answer_says_so_only_if_it_is_asked_to() {
    let b = well();
    let quiet = layer().primary("a").tier(tier("b", &b));
    let response = send(&quiet, &well(), chat()).await.unwrap();
    assert!(response.extensions().is_empty());
    assert!(!response.headers().contains_key("x-buttress-served-by"));

    let lies = upstream([Behaviour::well().header("x-buttress-degraded", "true")]);
    let response = send(&quiet.say_who(true), &lies, chat()).await.unwrap();
    assert_eq!(response.headers()["x-buttress-served-by"], "a");
    assert!(
        !response.headers().contains_key("x-buttress-degraded"),
        "an upstream cannot say so"
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_the_last_answer_goes_outward_whole_with_everybodys_reason() {
    let (a, b) = (down(), upstream([Behaviour::rate_limited()]));
    let response = send(&layer().tier(tier("b", &b)), &a, chat())
        .await
        .unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.body().starts_with(b"{\"error\""));
    let outcome: &Outcome = response.extensions().get().unwrap();
    assert_eq!(outcome.kind, Kind::Throttled);
    assert_eq!(
        (by(&response).tier(), by(&response).reasons().len()),
        (1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn f37_whoever_is_told_to_wait_is_told_how_long() {
    let a = upstream([Behaviour::status(503).header("retry-after", "7")]);
    let b = upstream([Behaviour::status(429).header("retry-after-ms", "2500")]);
    let c = upstream([Behaviour::status(429)]);
    let layer = layer().tier(tier("b", &b)).tier(tier("c", &c));
    let response = send(&layer, &a, chat()).await.unwrap();
    assert_eq!(
        response.headers()["retry-after"],
        "3",
        "the shortest, rounded up"
    );
    let outcome: &Outcome = response.extensions().get().unwrap();
    assert_eq!(outcome.retry_after, Some(Duration::from_millis(2_500)));

    let c = upstream([Behaviour::well().cut_before_head(Cut::Reset)]);
    let layer = self::layer().tier(tier("b", &b)).tier(tier("c", &c));
    let error = send(&layer, &a, chat()).await.unwrap_err();
    let failure = find::<Failure>(&*error).unwrap();
    assert_eq!(
        failure.outcome().retry_after,
        Some(Duration::from_millis(2_500))
    );
    assert_eq!(find::<AllTiersFailed>(&*error).unwrap().count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failed_answer_nobody_could_better_carries_its_outcome() {
    let a = upstream([Behaviour::status(400)]);
    let b = well();
    let response = send(&layer().tier(tier("b", &b)), &a, chat())
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    let outcome: &Outcome = response.extensions().get().unwrap();
    assert_eq!(outcome.kind, Kind::Invalid);
    assert_eq!(b.counts().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_larger_model_is_asked_if_the_prompt_was_too_long() {
    let too_long = Outcome::new(Kind::Invalid).because(buttress_core::Reason::ContextWindow);
    let a = ScriptedService::<_, _, BoxError>::from_fn(move |_, _| {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.extensions_mut().insert(too_long);
        Reply::Ok(response)
    })
    .0;
    let (b, larger) = (well(), well());
    let upstream =
        |name, upstream: &Upstream| Tier::upstream(name, upstream.service(), Profile::OPENAI);
    let layer = FallbackLayer::http(Profile::OPENAI)
        .tier(upstream("b", &b))
        .tier(upstream("larger", &larger).when(When::CONTEXT_WINDOW));
    let response = layer.layer(a).oneshot(chat()).await.unwrap();
    assert_eq!(
        response.extensions().get::<ServedBy>().unwrap().name(),
        "larger"
    );
    assert_eq!((b.counts().calls, larger.counts().calls), (0, 1));
}

// ===== time =====

#[tokio::test(start_paused = true)]
async fn no_upstream_is_asked_when_no_time_is_left_but_an_answer_of_our_own_is_given() {
    for (millis, served) in [(999, "sorry"), (1_000, "sorry"), (1_001, "b")] {
        let (a, b) = (down(), well());
        let layer = layer()
            .tier(tier("b", &b))
            .answer("sorry", |_, _| Some(Response::new(Bytes::new())));
        let mut request = chat();
        let now = Instant::now().into_std();
        let deadline = Deadline::after(now, Duration::from_millis(millis));
        request.extensions_mut().insert(deadline);
        let response = send(&layer, &a, request).await.unwrap();
        assert_eq!(by(&response).name(), served, "{millis} ms left");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tier_sees_the_deadline_and_what_else_the_caller_put_in() {
    let deadline = Deadline::after(Instant::now().into_std(), Duration::from_secs(60));
    let b = tower::service_fn(move |request: Request<_>| async move {
        let seen = request.extensions().get::<Deadline>() == Some(&deadline);
        drop::<ReplayBody<Full<Bytes>>>(request.into_body());
        Response::builder()
            .status(if seen { 200 } else { 400 })
            .body(Full::<Bytes>::default())
    });
    let layer = layer().tier(Tier::upstream("b", b, Profile::OPENAI));
    let mut request = chat();
    request.extensions_mut().insert(deadline);
    assert_eq!(send(&layer, &down(), request).await.unwrap().status(), 200);
}

// ===== a fallback inside of a fallback =====

#[tokio::test(start_paused = true)]
async fn f25_nobody_is_asked_twice_by_two_fallbacks_and_attempts_do_not_multiply() {
    let (a, b, d) = (down(), down(), down());
    let inner: FallbackLayer<Profile, Http<_, _>> = FallbackLayer::http(Profile::OPENAI)
        .primary("b")
        .tier(Tier::upstream("d", d.service(), Profile::OPENAI));
    let b_stack = inner.layer(b.service());
    let c = down();
    let outer = |attempts| {
        layer()
            .primary("a")
            .max_attempts(std::num::NonZeroU32::new(attempts).unwrap())
            .tier(Tier::upstream("b", b_stack.clone(), Profile::OPENAI))
            .tier(tier("d", &d))
            .tier(tier("c", &c))
    };
    let calls = || [&a, &b, &d, &c].map(|upstream| upstream.counts().calls);
    send(&outer(9), &a, chat()).await.unwrap();
    assert_eq!(calls(), [1, 1, 1, 1], "d is not asked again");
    send(&outer(3), &a, chat()).await.unwrap();
    assert_eq!(calls(), [2, 2, 2, 1], "no attempt is left for c");
    send(&outer(2), &a, chat()).await.unwrap();
    assert_eq!(calls(), [3, 3, 2, 1], "nor for d, inside");
}

#[tokio::test(start_paused = true)]
async fn who_gave_the_answer_is_told_through_two_fallbacks() {
    let (a, b, d) = (down(), down(), well());
    let inner: FallbackLayer<Profile, Http<_, _>> = FallbackLayer::http(Profile::OPENAI)
        .primary("b")
        .tier(Tier::upstream("d", d.service(), Profile::OPENAI).degraded(true));
    let outer = layer().primary("a").say_who(true);
    let outer = outer.tier(Tier::upstream(
        "b",
        inner.layer(b.service()),
        Profile::OPENAI,
    ));
    let response = send(&outer, &a, chat()).await.unwrap();
    let names: Vec<_> = by(&response)
        .reasons()
        .iter()
        .map(|tried| tried.name())
        .collect();
    assert_eq!((by(&response).name(), names), ("d", vec!["a", "b"]));
    assert!(by(&response).is_degraded());
    assert_eq!(response.headers()["x-buttress-served-by"], "d");

    // The other way round: the primary has one inside.
    let inner: FallbackLayer<Profile, Http<_, _>> = FallbackLayer::http(Profile::OPENAI)
        .primary("b")
        .tier(Tier::upstream("d", d.service(), Profile::OPENAI));
    let outer: FallbackLayer<Profile, Http<_, _>> = FallbackLayer::http(Profile::OPENAI)
        .say_who(true)
        .tier(Tier::upstream("a", a.service(), Profile::OPENAI));
    let service = outer.layer(inner.layer(b.service()));
    let response = service.oneshot(chat()).await.unwrap();
    assert_eq!(response.headers()["x-buttress-served-by"], "d");
}

// ===== bodies =====

#[tokio::test(start_paused = true)]
async fn bodies_of_primary_tier_and_memory_keep_the_contract() {
    let steps = || {
        ScriptedBody::new([
            Step::data("he"),
            Step::Pending,
            Step::data("llo"),
            Step::trailer("x-sum", "7"),
        ])
    };
    let reply = |status: u16| {
        ScriptedService::<Request<ReplayBody<Full<Bytes>>>, _, BoxError>::from_fn(move |_, _| {
            Reply::Ok(Response::builder().status(status).body(steps()).unwrap())
        })
        .0
    };
    let layer =
        FallbackLayer::http(Profile::HTTP).tier(Tier::upstream("b", reply(200), Profile::HTTP));
    for primary in [200, 503] {
        let response = layer.layer(reply(primary)).oneshot(chat()).await.unwrap();
        assert_eq!(
            response.extensions().get::<ServedBy>().is_some(),
            primary == 503
        );
        assert_eq!(response.body().size_hint().exact(), Some(5));
        let seen = audit(response.into_body()).await;
        assert_eq!(seen.data, ["he", "llo"]);
        assert_eq!(seen.trailers.unwrap()["x-sum"], "7");
    }
    let whole = FallbackBody::<Full<Bytes>>::whole("hello".into());
    assert_eq!(whole.size_hint().exact(), Some(5));
    assert_eq!(audit(whole).await.data, ["hello"]);
    assert!(FallbackBody::<Full<Bytes>>::whole(Bytes::new()).is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_does_so_once_and_is_let_go_of() {
    for at_primary in [true, false] {
        let handle = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&handle);
        let b = ScriptedService::<Request<ReplayBody<Full<Bytes>>>, _, BoxError>::from_fn(
            move |_, _| {
                let body = ScriptedBody::new([Step::data("a"), Step::error("gone")]);
                *kept.lock().unwrap() = Some(body.handle());
                Reply::Ok(Response::new(body))
            },
        )
        .0;
        let response = if at_primary {
            let layer = FallbackLayer::<_, Http<Full<Bytes>, ScriptedBody>>::http(Profile::OPENAI);
            layer
                .layer(b)
                .oneshot(chat())
                .await
                .unwrap()
                .map(BodyExt::boxed)
        } else {
            let layer = layer().tier(Tier::upstream("b", b, Profile::HTTP));
            let answer = layer.layer(down().service()).oneshot(chat()).await;
            answer.unwrap().map(BodyExt::boxed)
        };
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "gone");
        assert!(handle.lock().unwrap().as_ref().unwrap().dropped());
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }
}

// ===== the last good answer =====

fn kept() -> LastGood {
    LastGood::new(Profile::OPENAI, |head| {
        head.uri.path_and_query().map(ToString::to_string)
    })
    .one_for_all(true)
}

/// A primary that does these things, one after the other, and a store.
fn with_kept<const N: usize>(
    behaviours: [Behaviour; N],
    kept: &LastGood,
) -> (FallbackLayer<Profile, Traffic>, Upstream) {
    (
        layer().last_good("kept", kept.clone()),
        upstream(behaviours),
    )
}

#[tokio::test(start_paused = true)]
async fn the_last_good_answer_is_given_marked_as_stale() {
    let kept = kept();
    let good = Behaviour::status(200)
        .body("text/plain", "good")
        .header("set-cookie", "s=1")
        .header("x-own", "o");
    let (layer, a) = with_kept([good, Behaviour::status(503)], &kept);
    let first = send(&layer, &a, chat()).await.unwrap();
    assert_eq!(first.body(), "good");
    tokio::time::advance(Duration::from_millis(7_900)).await;
    let again = send(&layer, &a, chat()).await.unwrap();
    assert_eq!(
        (again.status().as_u16(), again.body().as_ref()),
        (200, &b"good"[..])
    );
    assert!(by(&again).is_degraded());
    assert_eq!(again.headers()["age"], "7");
    assert_eq!(
        (
            &again.headers()["x-own"],
            &again.headers()["content-length"]
        ),
        (
            &HeaderValue::from_static("o"),
            &HeaderValue::from_static("4")
        )
    );
    assert!(
        !again.headers().contains_key("set-cookie"),
        "one caller's cookie is not another's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_grows_too_old() {
    let kept = kept().max_age(Duration::from_secs(60));
    let (layer, a) = with_kept([Behaviour::status(200), Behaviour::status(503)], &kept);
    send(&layer, &a, chat()).await.unwrap();
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(send(&layer, &a, chat()).await.unwrap().status(), 503);
}

#[tokio::test(start_paused = true)]
async fn one_callers_answer_is_not_given_to_another() {
    let kept = kept().one_for_all(false);
    let (layer, a) = with_kept([Behaviour::status(200), Behaviour::status(503)], &kept);
    let with_key = |key: &'static str| {
        let mut request = chat();
        request
            .headers_mut()
            .insert("authorization", HeaderValue::from_static(key));
        request
    };
    send(&layer, &a, with_key("Bearer a")).await.unwrap();
    assert_eq!(
        send(&layer, &a, with_key("Bearer b"))
            .await
            .unwrap()
            .status(),
        503
    );
    assert_eq!(send(&layer, &a, chat()).await.unwrap().status(), 503);
    assert_eq!(
        send(&layer, &a, with_key("Bearer a"))
            .await
            .unwrap()
            .status(),
        200
    );

    let shared = self::kept().one_for_all(true);
    let (layer, a) = with_kept([Behaviour::status(200), Behaviour::status(503)], &shared);
    send(&layer, &a, with_key("Bearer a")).await.unwrap();
    assert_eq!(
        send(&layer, &a, with_key("Bearer b"))
            .await
            .unwrap()
            .status(),
        200
    );
}

/// What the second of two calls gets while only the first was served.
async fn second(kept: LastGood, first: &[(&str, &str)], second: &[(&str, &str)]) -> u16 {
    let (layer, a) = with_kept([Behaviour::status(200), Behaviour::status(503)], &kept);
    let mut status = 0;
    for headers in [first, second] {
        let mut request = chat();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        status = send(&layer, &a, request).await.unwrap().status().as_u16();
    }
    status
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_nobody_known_is_neither_kept_nor_given() {
    let scoped = || kept().one_for_all(false);
    assert_eq!(second(scoped(), &[], &[]).await, 503);
    let alice = [("x-forwarded-user", "alice")];
    assert_eq!(second(scoped(), &alice, &alice).await, 503);

    for header in ["xi-api-key", "x-litellm-api-key", "cf-access-jwt-assertion"] {
        let [alice, mallory] = ["alice", "mallory"].map(|key| [(header, key)]);
        assert_eq!(second(scoped(), &alice, &alice).await, 200, "{header}");
        assert_eq!(second(scoped(), &alice, &mallory).await, 503, "{header}");
        assert_eq!(second(scoped(), &alice, &[]).await, 503, "{header}");
    }
    // A proxy's key, and whom it speaks for.
    let [alice, mallory] =
        ["alice", "mallory"].map(|user| [("authorization", "proxy"), ("x-forwarded-user", user)]);
    assert_eq!(second(scoped(), &alice, &alice).await, 200);
    assert_eq!(second(scoped(), &alice, &mallory).await, 503);
}

#[tokio::test(start_paused = true)]
async fn an_application_may_say_whose_an_answer_is() {
    let by_user = || {
        kept().scope(|head| {
            let user = head.headers.get("x-forwarded-user")?;
            Some(user.to_str().ok()?.to_owned())
        })
    };
    let [alice, mallory] = ["alice", "mallory"].map(|user| [("x-forwarded-user", user)]);
    assert_eq!(second(by_user(), &alice, &alice).await, 200);
    assert_eq!(second(by_user(), &alice, &mallory).await, 503);
    let key = [("authorization", "proxy")];
    assert_eq!(second(by_user(), &key, &key).await, 503);
}

#[tokio::test(start_paused = true)]
async fn a_private_answer_is_never_for_all() {
    let private = || Behaviour::status(200).header("cache-control", "max-age=1, Private=\"x\"");
    let kept = kept();
    let (layer, a) = with_kept([private()], &kept);
    send(&layer, &a, chat()).await.unwrap();
    assert!(kept.is_empty());
    let kept = kept.scope(|_| Some("alice".into()));
    let (layer, a) = with_kept([private()], &kept);
    send(&layer, &a, chat()).await.unwrap();
    assert_eq!(kept.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_good_whole_and_permitted_answers_are_kept() {
    let stream = || {
        let mut request = chat();
        *request.body_mut() = Full::from(r#"{"model":"m","stream":true,"messages":[]}"#);
        request
    };
    for (behaviour, request, keeps) in [
        (
            Behaviour::status(200).body("text/plain", "whole"),
            chat(),
            1,
        ),
        (Behaviour::well(), stream(), 1),
        (Behaviour::well().without_terminator(), stream(), 0),
        (Behaviour::well().error_event_after(2), stream(), 0),
        (Behaviour::well().cut_after(2, Cut::Reset), stream(), 0),
        (Behaviour::status(404), chat(), 0),
        (Behaviour::status(206), chat(), 0),
        (
            Behaviour::status(200).header("cache-control", "private, No-Store"),
            chat(),
            0,
        ),
        (Behaviour::status(200).header("vary", "*"), chat(), 0),
        (
            Behaviour::status(200).body("text/plain", vec![b'x'; 20_001]),
            chat(),
            0,
        ),
        (
            Behaviour::status(200)
                .body("text/plain", "a")
                .trailer("x-sum", "7"),
            chat(),
            0,
        ),
    ] {
        let what = format!("{behaviour:?}");
        let kept = kept().max_entry(20_000);
        let (layer, a) = with_kept([behaviour], &kept);
        let read = send(&layer, &a, request).await;
        assert_eq!(
            kept.len(),
            keeps,
            "{what}, {:?}",
            read.map(|read| read.status())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_dropped_halfway_is_not_kept() {
    let kept = kept();
    let a = Behaviour::status(200)
        .body("text/plain", "hello")
        .chunk_size(2);
    let (layer, a) = with_kept([a], &kept);
    let response = layer.layer(a.service()).oneshot(chat()).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert!(kept.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_degraded_answer_is_not_kept_as_good() {
    let kept = kept();
    let (a, b, c) = (down(), well(), well());
    let degraded = layer()
        .tier(tier("b", &b).degraded(true))
        .last_good("kept", kept.clone());
    send(&degraded, &a, chat()).await.unwrap();
    assert!(kept.is_empty());
    let as_good = layer().tier(tier("c", &c)).last_good("kept", kept.clone());
    send(&as_good, &a, chat()).await.unwrap();
    assert_eq!(kept.len(), 1);
}
