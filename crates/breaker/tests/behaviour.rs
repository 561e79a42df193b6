//! What a caller, and a layer outside, sees of a circuit. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod support;

use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_breaker::{CircuitBreakerLayer, CircuitOpen, CircuitState, Policy, SlowCalls, Window};
use buttress_classify::Profile;
use buttress_core::{Acceptance, BoxError, Failure, Kind, Outcome, Ratio, classify_fn, find};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_testkit::upstream::{Behaviour, Cut, Script};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

use support::{Guarded, OPEN_WAIT, SECOND, Seen, chat};

// ===== refusals =====

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_with_what_is_left_to_wait_and_any_layer_can_judge_it() {
    let guarded = Guarded::always(Behaviour::server_error());
    guarded.chats(5).await;
    sleep(SECOND * 12).await;
    let error = guarded.service().oneshot(chat()).await.unwrap_err();

    let open: &CircuitOpen = find(&*error).unwrap();
    assert!(open.retry_after() > SECOND * 17 && open.retry_after() <= SECOND * 21);
    let failure: &Failure = find(&*error).unwrap();
    assert_eq!(
        failure.outcome(),
        Outcome::CIRCUIT_OPEN.after(open.retry_after())
    );
    assert_eq!(failure.outcome().acceptance, Acceptance::Rejected);
    assert_eq!(guarded.circuit().retry_after(), Some(open.retry_after()));
    assert_eq!(guarded.calls(), 5);
    assert!(open.to_string().starts_with("circuit open for another "));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_circuit() {
    let layer = CircuitBreakerLayer::http(Profile::HTTP).name("ledger");
    layer.handle().force_open();
    let inner =
        service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(String::new())) });
    let error = layer
        .layer(inner)
        .oneshot(Request::new(()))
        .await
        .unwrap_err();
    let open: &CircuitOpen = find(&*error).unwrap();
    assert_eq!(open.circuit(), Some("ledger"));
    assert!(open.to_string().starts_with("circuit ledger open for "));
}

// ===== waits =====

#[tokio::test(start_paused = true)]
async fn each_time_it_reopens_it_waits_half_as_long_again_up_to_five_minutes() {
    let guarded = Guarded::always(Behaviour::server_error());
    guarded.chats(5).await;
    for seconds in [30.0, 45.0, 67.5, 101.25, 151.875, 227.8125, 300.0, 300.0] {
        let wait = guarded.circuit().retry_after().unwrap();
        let least = Duration::from_secs_f64(seconds);
        assert!(wait >= least && wait <= least.mul_f64(1.1), "{wait:?}");
        sleep(wait).await;
        assert_eq!(guarded.chat().await, Seen::Whole(500), "one probe");
    }
}

#[tokio::test(start_paused = true)]
async fn it_waits_no_shorter_than_the_upstream_asks_for() {
    let hinted = |seconds| Behaviour::overloaded().header("retry-after", seconds);
    for (hint, least) in [("3600", 3_600), ("1", 30), ("99999999999", 86_400)] {
        let guarded = Guarded::always(hinted(hint));
        guarded.chats(5).await;
        let wait = guarded.circuit().retry_after().unwrap();
        let least = SECOND * least;
        assert!(
            wait >= least && wait <= least.mul_f64(1.1),
            "{hint}: {wait:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn service_resumes_within_one_open_wait_of_the_upstreams_return() {
    let guarded = Guarded::new(Script::well());
    guarded.upstream.go_away();
    guarded.chats(5).await;
    let start = Instant::now();
    sleep(SECOND * 20).await;
    guarded.upstream.come_back();
    while guarded.chat().await == Seen::Refused {
        sleep(SECOND / 10).await;
    }
    assert!(start.elapsed() < OPEN_WAIT);
    assert!(guarded.is_closed());
}

// ===== credentials =====

#[tokio::test(start_paused = true)]
async fn what_an_upstream_says_of_a_credential_counts_only_where_there_is_a_single_one() {
    let out = Outcome::new(Kind::OutOfQuota);
    let throttled = Outcome::new(Kind::Throttled);
    let layer = |outcome, policy| {
        let always = classify_fn(move |_: Result<&u8, &BoxError>| outcome);
        CircuitBreakerLayer::new(always).policy(policy)
    };
    let call = service_fn(|n: u8| async move { Ok::<_, BoxError>(n) });
    let one = Policy::DEFAULT.single_credential(true);

    for outcome in [out, throttled] {
        let layer = layer(outcome, Policy::DEFAULT);
        for _ in 0..20 {
            layer.layer(call).oneshot(0).await.unwrap();
        }
        assert_eq!(layer.handle().state(), CircuitState::Closed);
    }

    let unpaid = layer(out, one);
    unpaid.layer(call).oneshot(0).await.unwrap();
    assert_eq!(unpaid.handle().state(), CircuitState::Open, "at once");
    assert!(
        unpaid.handle().retry_after().unwrap() >= SECOND * 300,
        "and for long"
    );

    let slowed = layer(throttled, one);
    for _ in 0..9 {
        slowed.layer(call).oneshot(0).await.unwrap();
        assert_eq!(slowed.handle().state(), CircuitState::Closed);
        assert_eq!(slowed.handle().consecutive_failures(), 0);
    }
    slowed.layer(call).oneshot(0).await.unwrap();
    assert_eq!(slowed.handle().state(), CircuitState::Open, "by the rate");
}

// ===== heads and bodies =====

#[tokio::test(start_paused = true)]
async fn the_first_to_find_a_failure_leaves_its_outcome_and_success_leaves_nothing() {
    let guarded = Guarded::new(Script::sequence([
        Behaviour::rate_limited(),
        Behaviour::status(404),
    ]));
    let mut left = Vec::new();
    for _ in 0..3 {
        let answer = guarded.service().oneshot(chat()).await.unwrap();
        left.push(
            answer
                .extensions()
                .get()
                .map(|outcome: &Outcome| outcome.kind),
        );
    }
    assert_eq!(left, [Some(Kind::Throttled), Some(Kind::Invalid), None]);
}

/// Answers this to one request, behind a breaker; the circuit, and what came.
async fn answered(method: Method, answer: Response<ScriptedBody>) -> (u32, u32) {
    let (inner, _) = ScriptedService::<_, _, BoxError>::new([Reply::Ok(answer)]);
    let layer = CircuitBreakerLayer::http(Profile::OPENAI);
    let request = Request::builder().method(method).body(()).unwrap();
    let answer = layer.layer(inner).oneshot(request).await.unwrap();
    audit(answer.into_body()).await;
    let counts = layer.handle().counts();
    (counts.successes(), counts.failures)
}

fn stream(steps: impl IntoIterator<Item = Step>) -> Response<ScriptedBody> {
    let body = ScriptedBody::new(steps);
    let answer = Response::builder().header("content-type", "text/event-stream");
    answer.body(body).unwrap()
}

const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";

#[tokio::test(start_paused = true)]
async fn the_answer_to_head_and_to_connect_is_judged_by_its_head_alone() {
    for method in [Method::HEAD, Method::CONNECT] {
        assert_eq!(answered(method, stream([])).await, (1, 0));
    }
    assert_eq!(answered(Method::GET, stream([])).await, (0, 1));
    let mut failed = stream([]);
    *failed.status_mut() = http::StatusCode::BAD_GATEWAY;
    assert_eq!(answered(Method::HEAD, failed).await, (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_body_is_judged_at_once() {
    for status in [204, 205, 304, 101] {
        let mut answer = stream([]);
        *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
        answer.headers_mut().clear();
        assert_eq!(answered(Method::GET, answer).await, (1, 0), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_passes_as_it_is() {
    let steps = [
        Step::data(TEXT),
        Step::Wait(SECOND),
        Step::data("data: [DONE]\n\n"),
        Step::trailer("x-sum", "7"),
    ];
    let (inner, _) = ScriptedService::<_, _, BoxError>::new([Reply::Ok(stream(steps))]);
    let service = CircuitBreakerLayer::http(Profile::OPENAI).layer(inner);
    let answer = service.oneshot(Request::new(())).await.unwrap();
    let seen = audit(answer.into_body()).await;
    assert_eq!(seen.data, [TEXT, "data: [DONE]\n\n"]);
    assert!(seen.trailers.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_closure_leaves_the_type_of_the_answer_as_it_is() {
    let layer =
        CircuitBreakerLayer::new(classify_fn(
            |result: Result<&String, &BoxError>| match result {
                Ok(text) if text == "well" => Outcome::SUCCESS,
                _ => Outcome::new(Kind::Transient),
            },
        ));
    let service = layer.layer(service_fn(|text: &'static str| async move {
        Ok::<String, BoxError>(text.to_owned())
    }));
    let text: String = service.clone().oneshot("well").await.unwrap();
    assert_eq!(text, "well");
    for _ in 0..5 {
        service.clone().oneshot("ill").await.unwrap();
    }
    assert!(service.oneshot("well").await.is_err());
}

// ===== callers who leave =====

#[tokio::test(start_paused = true)]
async fn who_leaves_once_content_has_flowed_says_nothing_and_after_the_end_even_less() {
    let guarded = Guarded::always(Behaviour::well().tokens(9).chunk_delay(SECOND * 60));
    for _ in 0..10 {
        let mut body = guarded.service().oneshot(chat()).await.unwrap().into_body();
        let mut content = 0;
        while content < 2 {
            let frame = body.frame().await.unwrap().unwrap();
            let data = frame.into_data().unwrap();
            content += usize::from(data.windows(9).any(|word| word == b"\"content\""));
        }
        sleep(SECOND * 60).await;
        drop(body);
        assert_eq!(guarded.circuit().counts().calls, 0);
    }
    assert!(guarded.is_closed());

    // SDKs close at the terminator.
    let done = [
        Step::data(TEXT),
        Step::data("data: [DONE]\n\n"),
        Step::Stall,
    ];
    let (inner, _) = ScriptedService::<_, _, BoxError>::new([Reply::Ok(stream(done))]);
    let layer = CircuitBreakerLayer::http(Profile::OPENAI);
    let answer = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
    let mut body = answer.into_body();
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap();
    sleep(SECOND * 40).await;
    drop(body);
    let counts = layer.handle().counts();
    assert_eq!((counts.calls, counts.failures), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_for_the_first_content_of_a_ready_head_has_seen_a_failure() {
    // The head is there at once: the waiting begins with the body.
    let layer = CircuitBreakerLayer::http(Profile::OPENAI);
    for wait in [29, 31] {
        let (inner, _) = ScriptedService::<_, _, BoxError>::new([Reply::Ok(stream([Step::Stall]))]);
        let answer = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
        let read = answer.into_body().collect();
        assert!(timeout(SECOND * wait, read).await.is_err());
    }
    assert_eq!(layer.handle().counts().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_point_gives_back_what_it_held() {
    // Head after 2 s, a frame each 2 s: dropped before, between and in the midst.
    for at in 0..12 {
        let guarded = Guarded::always(Behaviour::server_error());
        guarded.chats(5).await;
        let well = Behaviour::well().tokens(2).chunk_delay(SECOND * 2);
        guarded.set(well.head_delay(SECOND * 2));
        sleep(OPEN_WAIT).await;
        let whole = timeout(SECOND * at, guarded.chat()).await;
        let state = guarded.state();
        if state == CircuitState::HalfOpen {
            assert_eq!(guarded.circuit().retry_after(), None, "after {at} s");
        } else {
            assert_eq!(state, CircuitState::Closed);
        }
        assert_eq!(guarded.circuit().counts().failures, 0);
        drop(whole);
        assert_eq!(guarded.chat().await, Seen::Whole(200));
        assert!(guarded.is_closed());
    }
}

// ===== slow calls =====

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it_and_of_a_stream_only_the_first_content_counts() {
    let slow = SlowCalls::new(SECOND * 5, Ratio::percent(50));
    let policy = Policy::DEFAULT.slow_calls(Some(slow));
    let guarded = Guarded::with(
        policy,
        Script::always(Behaviour::well().tokens(20).chunk_delay(SECOND)),
    );
    guarded.chats(12).await;
    assert!(guarded.is_closed(), "long answers are not slow ones");
    guarded.set(Behaviour::well().head_delay(SECOND * 6));
    sleep(SECOND * 61).await;
    guarded.chats(10).await;
    assert_eq!(guarded.state(), CircuitState::Open);
}

// ===== the handle =====

#[tokio::test(start_paused = true)]
async fn by_hand_it_opens_closes_and_forgets() {
    let guarded = Guarded::new(Script::well());
    let circuit = guarded.circuit();
    circuit.force_open();
    sleep(SECOND * 3_600).await;
    assert_eq!(guarded.chat().await, Seen::Refused);
    assert_eq!(circuit.state(), CircuitState::ForcedOpen);

    circuit.force_closed();
    guarded.set(Behaviour::server_error());
    guarded.chats(50).await;
    assert_eq!(guarded.calls(), 50);
    assert_eq!(circuit.state(), CircuitState::ForcedClosed);

    circuit.reset();
    guarded.chats(4).await;
    assert_eq!(circuit.consecutive_failures(), 4);
    circuit.reset();
    assert_eq!(circuit.consecutive_failures(), 0);
    guarded.chats(5).await;
    assert_eq!(circuit.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn transitions_can_be_followed() {
    let guarded = Guarded::always(Behaviour::server_error());
    let mut watch = guarded.circuit().watch();
    assert_eq!(*watch.borrow_and_update(), CircuitState::Closed);
    guarded.chats(4).await;
    assert!(!watch.has_changed().unwrap());
    guarded.chat().await;
    assert_eq!(*watch.borrow_and_update(), CircuitState::Open);
    guarded.set(Behaviour::well().cut_after(0, Cut::Stall));
    sleep(OPEN_WAIT).await;
    assert!(timeout(SECOND, guarded.chat()).await.is_err());
    assert_eq!(*watch.borrow_and_update(), CircuitState::HalfOpen);
    guarded.upstream.set_script(Script::well());
    guarded.chat().await;
    assert_eq!(*watch.borrow_and_update(), CircuitState::Closed);
    drop(guarded);
    assert!(watch.changed().await.is_err(), "the circuit is gone");
}

// ===== defaults =====

#[test]
fn the_defaults_are_what_the_documentation_says() {
    let layer = CircuitBreakerLayer::http(Profile::HTTP);
    assert_eq!(*layer.handle().policy(), Policy::default());
    assert_eq!(layer.handle().name(), None);
    let expected = "Policy { consecutive_failures: Some(5), failure_rate: Some(Ratio(5000)), \
        slow_calls: None, window: Time(60s), minimum_calls: 10, open_wait: 30s, \
        max_open_wait: 300s, probes: 1, abandon_after: Some(30s), single_credential: false }";
    assert_eq!(format!("{:?}", Policy::DEFAULT), expected);
    let keyed = layer.key(|request: &Request<Full<Bytes>>| request.method().clone());
    assert_eq!(keyed.circuits().max(), 10_000);
    let few = keyed.max_circuits(NonZeroUsize::MIN);
    assert_eq!(few.circuits().max(), 1);
}

#[tokio::test(start_paused = true)]
async fn settings_at_their_ends_neither_panic_nor_wedge() {
    let ends = [
        Policy::DEFAULT.open_wait(Duration::from_nanos(1), Duration::MAX),
        Policy::DEFAULT.open_wait(Duration::MAX, Duration::MAX),
        Policy::DEFAULT.window(Window::Time(Duration::MAX)),
        Policy::DEFAULT.window(Window::Time(Duration::from_nanos(1))),
        Policy::DEFAULT.abandon_after(Some(Duration::MAX)),
        Policy::DEFAULT.slow_calls(Some(SlowCalls::new(Duration::ZERO, Ratio::ZERO))),
    ];
    for policy in ends {
        let guarded = Guarded::with(policy, Script::always(Behaviour::server_error()));
        guarded.chats(6).await;
        guarded.upstream.set_script(Script::well());
        guarded.circuit().reset();
        assert_eq!(guarded.chat().await, Seen::Whole(200), "{policy:?}");
    }
}
