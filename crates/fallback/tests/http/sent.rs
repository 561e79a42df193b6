//! What is sent, and what of it crosses to another provider.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_body::{ReplayBody, ReplayPool};
use buttress_classify::Profile;
use buttress_core::{BoxError, Deadline, Outcome};
use buttress_fallback::{
    FallbackLayer, FallbackOverride, HandOver, Rewrite, ServedBy, Tier, Trail,
};
use buttress_testkit::body::{ScriptedBody, Step};
use buttress_testkit::upstream::Behaviour;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::{all_of, by, chat, down, layer, only_call, post, send, tier, upstream, well};

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
    headers.insert("x-stainless-timeout", HeaderValue::from_static("3"));
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
async fn the_same_account_has_a_connection_of_its_own() {
    let (a, b) = (down(), well());
    let mut request = chat();
    for (name, value) in [
        ("connection", "te, x-hop"),
        ("x-hop", "1"),
        ("te", "trailers, deflate"),
        ("expect", "100-continue"),
        ("proxy-authorization", "Basic eDp5"),
        ("x-amz-content-sha256", "e3b0"),
        ("trailer", "x-sum"),
        ("x-own", "o"),
    ] {
        let name = HeaderName::from_static(name);
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    let rewritten = Rewrite::new().model(Profile::OPENAI, "small");
    for (rewrite, left) in [
        (
            Rewrite::new(),
            &["x-amz-content-sha256", "trailer", "x-own", "te"][..],
        ),
        (rewritten, &["x-own", "te", "content-length"]),
    ] {
        let layer = layer().tier(tier("b", &b).same_account(true).rewrite(rewrite));
        send(&layer, &a, request.clone()).await.unwrap();
        let call = b.last_call().unwrap();
        let mut names: Vec<_> = call.headers.keys().map(HeaderName::as_str).collect();
        let mut left = left.to_vec();
        names.sort_unstable();
        left.sort_unstable();
        assert_eq!(names, left);
        assert_eq!(call.headers["te"], "trailers");
    }
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
