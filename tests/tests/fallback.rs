//! Fallback with the layers that stand inside of its tiers. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::Duration;

use buttress::breaker::CircuitBreakerLayer;
use buttress::classify::Profile;
use buttress::core::{Backoff, Deadline, Jitter, Kind, Outcome, Ratio, Reason};
use buttress::deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use buttress::fallback::{FallbackLayer, Http, Rewrite, ServedBy, Tier, When};
use buttress::judge::JudgeLayer;
use buttress::respond::RespondLayer;
use buttress::retry::{RetryBudget, RetryLayer};
use buttress::timeout::StreamTimeoutLayer;
use buttress_testkit::upstream::{Behaviour, Call, Cut, Script, Stage, Upstream, provider};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

/// The stack of one tier, the primary's included: `Retry → CircuitBreaker → Judge → client`.
macro_rules! stack {
    ($upstream:expr, $budget:expr) => {{
        let backoff = Backoff::constant(Duration::from_millis(100)).jitter(Jitter::None);
        ServiceBuilder::new()
            .layer(
                RetryLayer::llm(Profile::OPENAI)
                    .backoff(backoff)
                    .budget($budget),
            )
            .layer(CircuitBreakerLayer::http(Profile::OPENAI))
            .layer(JudgeLayer::llm(Profile::OPENAI))
            .service($upstream.service())
    }};
    ($upstream:expr) => {
        stack!($upstream, RetryBudget::default())
    };
}

fn always(behaviour: Behaviour) -> Upstream {
    let upstream = Upstream::new(Script::always(behaviour));
    upstream.record_bodies(1 << 16);
    upstream
}

fn well() -> Upstream {
    always(Behaviour::well())
}

fn key(key: &str) -> Rewrite {
    Rewrite::new().bearer(key).unwrap()
}

fn chat(stream: bool) -> Request<Full<Bytes>> {
    let body = format!(r#"{{"model":"large","stream":{stream},"messages":[]}}"#);
    Request::post("/v1/chat/completions")
        .header("authorization", "Bearer sk-of-the-caller")
        .body(body.into())
        .unwrap()
}

/// What came of a call.
async fn send<S, B>(service: S, request: Request<Full<Bytes>>) -> Response<Bytes>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = BoxError>,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

fn by(response: &Response<Bytes>) -> &ServedBy {
    response.extensions().get().unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_is_dead_two_is_throttled_three_is_well() {
    let a = always(Behaviour::well().cut_before_head(Cut::Reset));
    let b = always(Behaviour::rate_limited());
    let c = well();
    let service = FallbackLayer::http(Profile::OPENAI)
        .primary("a")
        .tier(Tier::upstream("b", stack!(b), Profile::OPENAI).rewrite(key("sk-of-b")))
        .tier(Tier::upstream("c", stack!(c), Profile::OPENAI).rewrite(key("sk-of-c")))
        .say_who(true)
        .layer(stack!(a));
    let response = send(service, chat(true)).await;
    assert_eq!(response.status(), 200);
    assert!(response.body().ends_with(b"data: [DONE]\n\n"));
    assert_eq!(response.headers()["x-buttress-served-by"], "c");
    let why: Vec<_> = by(&response)
        .reasons()
        .iter()
        .map(|tried| tried.outcome().kind)
        .collect();
    assert_eq!(why, [Kind::Transient, Kind::Throttled]);

    // Each was called within its limits: a reset may have been billed, so that it is not tried again there.
    assert_eq!(
        [&a, &b, &c].map(|upstream| upstream.counts().calls),
        [1, 3, 1]
    );
    for (upstream, own) in [(&a, "sk-of-the-caller"), (&b, "sk-of-b"), (&c, "sk-of-c")] {
        for call in upstream.calls() {
            let mut seen = format!("{} {:?}", call.uri, call.body);
            for value in call.headers.values() {
                seen.push_str(value.to_str().unwrap()); // `Debug` hides what is marked as sensitive
            }
            for key in ["sk-of-the-caller", "sk-of-b", "sk-of-c"] {
                assert_eq!(seen.contains(key), key == own, "{key} at {own}'s");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_are_dead_and_the_static_answer_is_marked() {
    let [a, b] = [Behaviour::status(500), Behaviour::overloaded()].map(always);
    let service = FallbackLayer::http(Profile::OPENAI)
        .tier(Tier::upstream("b", stack!(b), Profile::OPENAI))
        .answer("sorry", |_head, why| {
            assert_eq!(why.kind, Kind::Overloaded);
            Some(Response::new("later".into()))
        })
        .say_who(true)
        .layer(stack!(a));
    let response = send(service, chat(false)).await;
    assert_eq!(response.body(), "later");
    assert!(by(&response).is_degraded());
    assert_eq!(response.headers()["x-buttress-degraded"], "true");
}

#[tokio::test(start_paused = true)]
async fn a_400_is_never_sent_to_a_second() {
    let invalid = provider::openai::INVALID_KEY;
    for behaviour in [
        Behaviour::status(400),
        Behaviour::status(401).body("application/json", invalid),
        Behaviour::status(422),
    ] {
        let (a, b) = (always(behaviour), well());
        let service = FallbackLayer::http(Profile::OPENAI)
            .tier(Tier::upstream("b", stack!(b), Profile::OPENAI))
            .answer("sorry", |_, _| Some(Response::new(Bytes::new())))
            .layer(stack!(a));
        let response = send(service, chat(false)).await;
        assert!(response.status().is_client_error());
        assert_eq!((a.counts().calls, b.counts().calls), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_prompt_too_long_goes_to_a_larger_model_if_there_is_one() {
    let too_long = || {
        let body = provider::openai::CONTEXT_LENGTH;
        always(Behaviour::status(400).body("application/json", body))
    };
    let (a, b, larger) = (too_long(), well(), well());
    let layer = || {
        FallbackLayer::<_, Http<_, _>>::http(Profile::OPENAI).tier(Tier::upstream(
            "b",
            stack!(b),
            Profile::OPENAI,
        ))
    };
    let response = send(layer().layer(stack!(a)), chat(false)).await;
    assert_eq!(response.status(), 400);
    assert_eq!(response.body(), provider::openai::CONTEXT_LENGTH);

    let larger_model = Tier::upstream("larger", stack!(larger), Profile::OPENAI)
        .when(When::FAILURES.or(When::CONTEXT_WINDOW))
        .same_account(true)
        .rewrite(Rewrite::new().model(Profile::OPENAI, "larger"));
    let service = layer().tier(larger_model).layer(stack!(a));
    assert_eq!(by(&send(service, chat(false)).await).name(), "larger");
    assert_eq!(b.counts().calls, 0);
    let call = &larger.calls()[0];
    assert!(call.body.starts_with(br#"{"model":"larger","#));
    assert_eq!(call.headers["authorization"], "Bearer sk-of-the-caller");
}

#[tokio::test(start_paused = true)]
async fn f23_an_unpaid_quota_goes_elsewhere_after_one_call() {
    let (a, smaller, b) = (always(Behaviour::out_of_quota()), well(), well());
    let service = FallbackLayer::http(Profile::OPENAI)
        .tier(Tier::upstream("smaller", stack!(smaller), Profile::OPENAI).same_account(true))
        .tier(Tier::upstream("b", stack!(b), Profile::OPENAI))
        .layer(stack!(a));
    let start = Instant::now();
    let response = send(service, chat(false)).await;
    assert_eq!(by(&response).name(), "b");
    assert_eq!(
        [&a, &smaller, &b].map(|upstream| upstream.counts().calls),
        [1, 0, 1]
    );
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn f20_a_stream_that_dies_before_its_content_is_begun_again_elsewhere() {
    for fault in [
        Behaviour::well().cut_after(0, Cut::Reset),
        Behaviour::well().error_event_after(0),
        Behaviour::well().tokens(0).without_terminator(),
    ] {
        let (a, b) = (always(fault), well());
        let service = FallbackLayer::http(Profile::OPENAI)
            .tier(Tier::upstream("b", stack!(b), Profile::OPENAI))
            .layer(stack!(a));
        let response = send(service, chat(true)).await;
        assert_eq!(by(&response).name(), "b");
        assert!(response.body().ends_with(b"data: [DONE]\n\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn f19_after_content_nothing_is_begun_again() {
    let (a, b) = (always(Behaviour::well().cut_after(6, Cut::Reset)), well());
    let service = FallbackLayer::http(Profile::OPENAI)
        .tier(Tier::upstream("b", stack!(b), Profile::OPENAI))
        .layer(stack!(a));
    let response = service.oneshot(chat(true)).await.unwrap();
    assert!(response.extensions().get::<ServedBy>().is_none());
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(b.counts().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_tier_whose_circuit_has_opened_is_skipped_at_once() {
    let (a, b, c) = (
        always(Behaviour::status(500)),
        always(Behaviour::status(500)),
        well(),
    );
    let service = FallbackLayer::http(Profile::OPENAI)
        .tier(Tier::upstream("b", stack!(b), Profile::OPENAI))
        .tier(Tier::upstream("c", stack!(c), Profile::OPENAI))
        .layer(stack!(a));
    // Five failures in a row open a circuit; each call has three.
    for _ in 0..2 {
        send(service.clone(), chat(false)).await;
    }
    assert_eq!((a.counts().calls, b.counts().calls), (5, 5));
    let start = Instant::now();
    let response = send(service, chat(false)).await;
    assert_eq!(
        start.elapsed(),
        Duration::ZERO,
        "nobody waited for anything"
    );
    assert_eq!((a.counts().calls, b.counts().calls), (5, 5));
    let skipped: Vec<_> = by(&response)
        .reasons()
        .iter()
        .map(|tried| tried.outcome().reason)
        .collect();
    assert_eq!(skipped, [Some(Reason::CircuitOpen); 2]);
}

#[tokio::test(start_paused = true)]
async fn f25_one_budget_limits_the_retries_of_all_tiers() {
    let budget = RetryBudget::default();
    let full = budget.tokens();
    let (a, b) = (
        always(Behaviour::status(500)),
        always(Behaviour::status(500)),
    );
    let service = FallbackLayer::http(Profile::OPENAI)
        .tier(Tier::upstream(
            "b",
            stack!(b, budget.clone()),
            Profile::OPENAI,
        ))
        .layer(stack!(a, budget.clone()));
    send(service, chat(false)).await;
    assert_eq!((a.counts().calls, b.counts().calls), (3, 3));
    assert_eq!(budget.tokens(), full - 4 * 14, "two retries of each");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_call_holds_for_all_tiers() {
    let slow = || always(Behaviour::status(500).head_delay(Duration::from_millis(900)));
    let (a, b) = (slow(), slow());
    let service = FallbackLayer::http(Profile::OPENAI)
        .tier(Tier::upstream("b", stack!(b), Profile::OPENAI))
        .layer(stack!(a));
    let start = Instant::now();
    let mut request = chat(false);
    let deadline = Deadline::after(start.into_std(), Duration::from_secs(2));
    request.extensions_mut().insert(deadline);
    let response = send(service, request).await;
    // 1.1 s are left after the first answer: too little for a retry with its delay, enough for a tier.
    assert_eq!((a.counts().calls, b.counts().calls), (1, 1));
    assert!(start.elapsed() < Duration::from_secs(2));
    let outcome: &Outcome = response.extensions().get().unwrap();
    assert_eq!(
        (response.status().as_u16(), outcome.kind),
        (500, Kind::Transient)
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_stalls_leaves_time_for_the_others_and_whoever_has_begun_keeps_it() {
    let seconds = Duration::from_secs;
    let stalls = || Behaviour::well().cut_before_head(Cut::Stall);
    let behind = async |a: Behaviour, share: BudgetShareLayer| {
        let upstreams = [a, stalls(), Behaviour::well()].map(always);
        let [a, b, c] = upstreams.each_ref().map(|upstream| {
            ServiceBuilder::new()
                .layer(RetryLayer::llm(Profile::OPENAI))
                .layer(share)
                .layer(JudgeLayer::llm(Profile::OPENAI))
                .service(upstream.service())
        });
        let service = ServiceBuilder::new()
            .layer(TimeoutBudgetLayer::new(seconds(30)))
            .layer(
                FallbackLayer::<_, Http<_, _>>::http(Profile::OPENAI)
                    .tier(Tier::upstream("b", b, Profile::OPENAI))
                    .tier(Tier::upstream("c", c, Profile::OPENAI)),
            )
            .service(a);
        let start = Instant::now();
        let answer = service.oneshot(chat(true)).await;
        let whole = match answer {
            Ok(answer) => answer.into_body().collect().await,
            Err(error) => Err(error),
        };
        let whole = whole.map(http_body_util::Collected::to_bytes);
        let calls = upstreams.map(|upstream| upstream.counts().calls);
        (whole, calls, start.elapsed())
    };
    let share = BudgetShareLayer::all().attempt_share(Ratio::percent(40));

    // 12 s, then two fifths of the 18 s that are left.
    let (whole, calls, took) = behind(stalls(), share).await;
    assert!(whole.unwrap().ends_with(b"data: [DONE]\n\n"));
    assert_eq!((calls, took), ([1, 1, 1], Duration::from_millis(19_200)));

    // 21 events, one a second.
    let slow = Behaviour::well().chunk_delay(seconds(1));
    let (whole, calls, took) = behind(slow, share).await;
    assert!(whole.unwrap().ends_with(b"data: [DONE]\n\n"));
    assert_eq!(calls, [1, 0, 0]);
    assert!(took > seconds(20), "{took:?}");

    // Without shares the first has all of it.
    let (whole, calls, took) = behind(stalls(), BudgetShareLayer::all()).await;
    assert!(whole.is_err());
    assert_eq!((calls, took), ([1, 0, 0], seconds(30)));
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_a_tier_has_for_itself_is_not_the_calls() {
    let stalls = || always(Behaviour::well().cut_before_head(Cut::Stall));
    let own = TimeoutBudgetLayer::new(Duration::from_secs(5));
    let (a, b, c) = (stalls(), stalls(), well());
    let service = FallbackLayer::<_, Http<_, _>>::http(Profile::OPENAI)
        .tier(Tier::upstream("b", own.layer(b.service()), Profile::OPENAI))
        .tier(Tier::upstream("c", own.layer(c.service()), Profile::OPENAI))
        .layer(own.layer(a.service()));
    for total in [None, Some(Duration::from_secs(20))] {
        let start = Instant::now();
        let mut request = chat(true);
        if let Some(total) = total {
            let deadline = Deadline::after(start.into_std(), total);
            request.extensions_mut().insert(deadline);
        }
        let response = send(service.clone(), request).await;
        assert_eq!(by(&response).name(), "c");
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }
}

/// Never answers, fails late, fails at once.
const FAULTS: [fn() -> Behaviour; 3] = [
    || Behaviour::status(500).head_delay(Duration::from_secs(3_600)),
    || Behaviour::status(500).head_delay(Duration::from_millis(700)),
    || Behaviour::status(500),
];

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_two_seconds_has_its_answer_in_time_and_each_attempt_is_told_less() {
    const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";
    let share = BudgetShareLayer::fraction(Ratio::percent(50)).announce(true);
    let tenth = Duration::from_millis(100);
    for (first, second) in FAULTS
        .iter()
        .flat_map(|a| FAULTS.iter().map(move |b| (a, b)))
    {
        let (a, b) = (always(first()), always(second()));
        let stack = |upstream: &Upstream| {
            ServiceBuilder::new()
                .layer(RetryLayer::llm(Profile::OPENAI).min_attempt(tenth).seed(1))
                .layer(share)
                .layer(CircuitBreakerLayer::http(Profile::OPENAI))
                .layer(JudgeLayer::llm(Profile::OPENAI))
                .layer(StreamTimeoutLayer::llm(Profile::OPENAI))
                .service(upstream.service())
        };
        let fallback = FallbackLayer::<_, Http<_, _>>::http(Profile::OPENAI)
            .min_attempt(tenth)
            .tier(Tier::upstream("b", stack(&b), Profile::OPENAI));
        let door = ServiceBuilder::new()
            .layer(RespondLayer::new())
            .layer(TimeoutBudgetLayer::new(Duration::from_secs(600)))
            .layer(fallback)
            .service(stack(&a));
        let mut request = chat(true);
        let two_seconds = HeaderValue::from_static("2000");
        request.headers_mut().insert(EXPECTED, two_seconds);

        let start = Instant::now();
        let response = door.oneshot(request).await.unwrap();
        let status = response.status();
        drop(response.into_body().collect().await);
        assert!(start.elapsed() <= Duration::from_millis(2_050));
        assert!(status.is_server_error());

        let calls = [a.calls(), b.calls()].concat();
        let told: Vec<u64> = calls
            .iter()
            .map(|call| call.headers[EXPECTED].to_str().unwrap().parse().unwrap())
            .collect();
        assert!(
            told.len() >= 2 && told[0] <= 1_000,
            "half of what is left: {told:?}"
        );
        // Attempts that follow one another at once are told the same.
        assert!(told.is_sorted_by(|a, b| a >= b), "{told:?}");
        assert!(told.last() < told.first(), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_moment_leaves_nothing_running() {
    let slow = |status| Behaviour::status(status).head_delay(Duration::from_secs(1));
    let [a, b, c] = [slow(500), slow(500), slow(200)].map(always);
    let service = FallbackLayer::http(Profile::OPENAI)
        .tier(Tier::upstream("b", stack!(b), Profile::OPENAI))
        .tier(Tier::upstream("c", stack!(c), Profile::OPENAI))
        .layer(stack!(a));
    for millis in (0..7_500).step_by(250) {
        let patience = Duration::from_millis(millis);
        let call = tokio::time::timeout(patience, service.clone().oneshot(chat(false)));
        drop(call.await);
        for upstream in [&a, &b, &c] {
            let running = |call: &Call| matches!(call.stage, Stage::Waiting | Stage::Begun);
            assert!(!upstream.calls().iter().any(running), "{patience:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_of_hostile_size_crosses_or_not_but_harms_nobody() {
    let (a, b) = (always(Behaviour::status(500)), well());
    let service = FallbackLayer::http(Profile::OPENAI)
        .tier(Tier::upstream("b", stack!(b), Profile::OPENAI))
        .layer(stack!(a));
    let mut request = chat(false);
    let large = HeaderValue::from_bytes(&vec![0xff; 1 << 20]).unwrap();
    request.headers_mut().insert("cookie", large.clone());
    for n in 0..1_000 {
        let name = format!("x-stainless-{n}")
            .parse::<http::HeaderName>()
            .unwrap();
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static("v"));
    }
    let query = "key=secret&".repeat(5_000);
    *request.uri_mut() = format!("/v1/chat/completions?{query}a=b").parse().unwrap();
    assert_eq!(send(service, request).await.status(), 200);
    let call = &b.calls()[0];
    assert_eq!(call.uri, "/v1/chat/completions?a=b");
    assert_eq!(call.headers.len(), 1_000);
}
