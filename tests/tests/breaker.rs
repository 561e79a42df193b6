//! The circuit breaker around services of others, and in its place in the stack.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::num::NonZeroU32;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::routing::get;
use buttress::breaker::{
    CircuitBreakerLayer, CircuitKey, CircuitOpen, CircuitState, Keyed, Policy,
};
use buttress::classify::Profile;
use buttress::core::{Backoff, BoxError, find};
use buttress::judge::JudgeLayer;
use buttress::retry::RetryLayer;
use buttress_testkit::upstream::{
    Behaviour, Cut, Matcher, Script, Server, Upstream, UpstreamService, provider,
};
use bytes::{Buf, BufMut, Bytes};
use http::{Request, StatusCode, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::time::{Instant, sleep};
use tonic::Status;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Endpoint;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

/// Long enough for any first open wait, jitter included.
const OPEN_WAIT: Duration = Duration::from_secs(34);

fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    find::<CircuitOpen>(error).is_some()
}

// ===== services of others =====

#[tokio::test(start_paused = true)]
async fn around_an_axum_router_all_routes_have_one_circuit() {
    let refused = HandleErrorLayer::new(|error: BoxError| async move {
        assert!(is_refusal(&*error), "{error}");
        (StatusCode::SERVICE_UNAVAILABLE, "open")
    });
    let breaker = CircuitBreakerLayer::http(Profile::HTTP);
    let circuit = breaker.handle();
    // axum applies it to each route.
    let router: Router = Router::new()
        .route("/ill", get(|| async { StatusCode::BAD_GATEWAY }))
        .route("/well", get(|| async { "well" }))
        .layer(ServiceBuilder::new().layer(refused).layer(breaker));
    let ask = |path| {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        router.clone().oneshot(request)
    };
    let answer = ask("/well").await.unwrap();
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "well"
    );
    for _ in 0..5 {
        assert_eq!(ask("/ill").await.unwrap().status(), StatusCode::BAD_GATEWAY);
    }
    assert_eq!(circuit.state(), CircuitState::Open);
    let answer = ask("/well").await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);

    tokio::time::advance(OPEN_WAIT).await;
    let answer = ask("/well").await.unwrap();
    assert_eq!(
        circuit.state(),
        CircuitState::HalfOpen,
        "nothing has been read"
    );
    answer.into_body().collect().await.unwrap();
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[tokio::test]
async fn around_a_tonic_channel_statuses_in_trailers_open_it() {
    let message = &[0, 0, 0, 0, 2, b'h', b'i'][..];
    let answers = |status| {
        let answer = Behaviour::status(200).body("application/grpc", message);
        Script::always(answer.unsized_body().trailer("grpc-status", status))
    };
    let upstream = Upstream::new(answers("0"));
    let server = Server::start(upstream.clone()).await;
    let channel = Endpoint::from_shared(server.url()).unwrap().connect_lazy();
    let breaker = CircuitBreakerLayer::http(Profile::GRPC).name("greeter");
    let circuit = breaker.handle();
    let service = breaker.layer(channel);
    let call = || async {
        let mut client = Grpc::new(service.clone());
        client.ready().await.map_err(Status::from_error)?;
        let path = PathAndQuery::from_static("/greeter.Greeter/Hello");
        client
            .unary(tonic::Request::new(Bytes::new()), path, Raw)
            .await
    };
    assert_eq!(call().await.unwrap().into_inner(), "hi");
    assert_eq!(circuit.state(), CircuitState::Closed);

    upstream.set_script(answers("5")); // not found: nothing is wrong with the upstream
    for _ in 0..10 {
        assert_eq!(call().await.unwrap_err().code(), tonic::Code::NotFound);
    }
    assert_eq!(circuit.state(), CircuitState::Closed);

    upstream.set_script(answers("14"));
    for _ in 0..5 {
        assert_eq!(call().await.unwrap_err().code(), tonic::Code::Unavailable);
    }
    let calls = upstream.counts().calls;
    assert!(is_refusal(&call().await.unwrap_err()));
    assert_eq!(upstream.counts().calls, calls);
}

#[tokio::test]
async fn around_a_reqwest_client_with_middleware() {
    let upstream = Upstream::new(Script::always(Behaviour::status(503)));
    let server = Server::start(upstream.clone()).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let client: ClientWithMiddleware = ClientBuilder::new(client).build();
    let breaker = CircuitBreakerLayer::new(Profile::HTTP);
    let mut service = breaker.layer(client);
    let request = || {
        let url = format!("{}/echo", server.url()).parse().unwrap();
        reqwest::Request::new(reqwest::Method::GET, url)
    };
    for _ in 0..5 {
        let answer = service
            .ready()
            .await
            .unwrap()
            .call(request())
            .await
            .unwrap();
        assert_eq!(answer.status(), 503);
    }
    let error = service.ready().await.unwrap().call(request()).await;
    assert!(is_refusal(&*error.unwrap_err()));
    assert_eq!(upstream.counts().calls, 5);

    // Who does not answer at all is no better.
    breaker.handle().reset();
    server.go_away().await;
    for _ in 0..5 {
        let result = service.ready().await.unwrap().call(request()).await;
        assert!(!is_refusal(&*result.unwrap_err()));
    }
    assert_eq!(breaker.handle().state(), CircuitState::Open);
}

/// Messages that are just bytes.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

// ===== in the stack =====

type ByAccount =
    CircuitBreakerLayer<Profile, Keyed<fn(&Request<Full<Bytes>>) -> CircuitKey, CircuitKey>>;

fn by_account() -> ByAccount {
    let key: fn(&Request<Full<Bytes>>) -> CircuitKey = CircuitKey::credential;
    CircuitBreakerLayer::http(Profile::OPENAI)
        .policy(Policy::DEFAULT.single_credential(true))
        .key(key)
}

fn chat(credential: &'static str) -> Request<Full<Bytes>> {
    Request::post("/v1/chat/completions")
        .header("authorization", credential)
        .body(Full::from(r#"{"model":"m","stream":true,"messages":[]}"#))
        .unwrap()
}

/// Sends it, and reads what comes: the status, or `None` if the circuit was open. Everything else is an
/// answer of status 0.
async fn ask<S, B>(service: S, request: Request<Full<Bytes>>) -> Option<u16>
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>, Error = BoxError>,
    B: http_body::Body,
{
    match service.oneshot(request).await {
        Ok(answer) => {
            let status = answer.status().as_u16();
            let whole = answer.into_body().collect().await.is_ok();
            Some(if whole { status } else { 0 })
        }
        Err(error) if is_refusal(&*error) => None,
        Err(_) => Some(0),
    }
}

fn judged(upstream: &Upstream) -> buttress::judge::Judge<UpstreamService> {
    JudgeLayer::llm(Profile::OPENAI).layer(upstream.service())
}

#[tokio::test(start_paused = true)]
async fn f23_an_unpaid_quota_opens_the_circuit_of_its_own_credential_at_once_and_no_other() {
    let unpaid = Matcher::path("/v1/chat/completions").header("authorization", "unpaid");
    let script = Script::well().on(unpaid, Script::always(Behaviour::out_of_quota()));
    let upstream = Upstream::new(script);
    let breaker = by_account();
    // Breaker → Judge: the status says 429, the body says that no patience helps.
    let stack = || breaker.layer(judged(&upstream));
    assert_eq!(ask(stack(), chat("unpaid")).await, Some(429));
    for _ in 0..10 {
        assert_eq!(ask(stack(), chat("unpaid")).await, None);
        assert_eq!(ask(stack(), chat("paid")).await, Some(200));
    }
    tokio::time::advance(SECOND * 299).await;
    assert_eq!(ask(stack(), chat("unpaid")).await, None, "for long");
    assert_eq!(upstream.counts().calls, 1 + 10);
}

#[tokio::test(start_paused = true)]
async fn without_the_judge_inside_the_status_says_no_more_than_a_rate() {
    let upstream = Upstream::new(Script::always(Behaviour::out_of_quota()));
    let breaker = by_account();
    for _ in 0..9 {
        let stack = breaker.layer(upstream.service());
        assert_eq!(ask(stack, chat("unpaid")).await, Some(429));
    }
    assert_eq!(upstream.counts().calls, 9);
}

#[tokio::test(start_paused = true)]
async fn f24_the_wait_that_only_a_body_names_is_the_least_that_the_circuit_waits() {
    let upstream = Upstream::new(Script::always(provider::gemini::rate_limit("900s")));
    let breaker = CircuitBreakerLayer::http(Profile::GEMINI).policy(
        Policy::DEFAULT
            .single_credential(true)
            .minimum_calls(NonZeroU32::MIN),
    );
    let judge = JudgeLayer::llm(Profile::GEMINI);
    let stack = breaker.layer(judge.layer(upstream.service()));
    assert_eq!(ask(stack, chat("ours")).await, Some(429));
    let wait = breaker.handle().retry_after().unwrap();
    assert!(wait >= SECOND * 900, "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn retries_outside_the_breaker_end_where_it_opens_and_do_not_repeat_its_refusals() {
    let upstream = Upstream::new(Script::always(Behaviour::server_error()));
    let breaker = CircuitBreakerLayer::http(Profile::OPENAI);
    let stack = || {
        ServiceBuilder::new()
            .layer(
                RetryLayer::llm(Profile::OPENAI)
                    .max_attempts(NonZeroU32::new(20).unwrap())
                    .backoff(Backoff::constant(Duration::ZERO)),
            )
            .layer(breaker.clone())
            .layer(JudgeLayer::llm(Profile::OPENAI))
            .service(upstream.service())
    };
    assert_eq!(ask(stack(), chat("ours")).await, None);
    assert_eq!(upstream.counts().calls, 5);
    let start = Instant::now();
    assert_eq!(ask(stack(), chat("ours")).await, None);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(upstream.counts().calls, 5);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_away_for_a_while_gets_probes_alone_and_is_used_again_in_time() {
    // Each answer is a stream of ten minutes, the probe's, too.
    let long = Behaviour::well().tokens(600).chunk_delay(SECOND);
    let upstream = Upstream::new(Script::always(long));
    let breaker = CircuitBreakerLayer::http(Profile::OPENAI);
    let circuit = breaker.handle();
    let call = || breaker.layer(judged(&upstream)).oneshot(chat("ours"));
    upstream.go_away();
    let start = Instant::now();
    let mut refused = 0;
    let mut failed = 0;
    let mut probe = loop {
        match call().await {
            Ok(answer) => break answer.into_body(),
            Err(error) if is_refusal(&*error) => refused += 1,
            Err(_) => failed += 1,
        }
        if start.elapsed() >= SECOND * 20 {
            upstream.come_back();
        }
        sleep(SECOND / 10).await;
    };
    while circuit.state() != CircuitState::Closed {
        probe.frame().await.unwrap().unwrap();
    }
    assert_eq!(failed, 5, "and then the circuit was open");
    assert!(refused > 250, "{refused}");
    assert!(start.elapsed() < OPEN_WAIT + SECOND * 3);
    assert!(call().await.is_ok(), "while the probe goes on");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_the_judge_holds_back_is_decided_by_what_it_held() {
    let upstream = Upstream::new(Script::always(Behaviour::server_error()));
    let breaker = CircuitBreakerLayer::http(Profile::OPENAI);
    let stack = || breaker.layer(judged(&upstream));
    for _ in 0..5 {
        ask(stack(), chat("ours")).await;
    }
    // A head, and then nothing: the judge says so in place of the head.
    upstream.set_script(Script::always(Behaviour::well().cut_after(0, Cut::Reset)));
    tokio::time::advance(OPEN_WAIT).await;
    let answer = stack().oneshot(chat("ours")).await.unwrap();
    assert_eq!(
        breaker.handle().state(),
        CircuitState::Open,
        "before a frame was read"
    );
    drop(answer);
}
