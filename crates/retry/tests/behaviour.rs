//! What a caller sees of the layer, whatever its requests are made of. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::num::NonZeroU32;
use std::time::Duration;

use buttress_core::{Acceptance, Backoff, Jitter, Kind, Outcome, Ratio, classify_fn};
use buttress_retry::{BudgetLimits, RetryBudget, RetryLayer};
use buttress_testkit::probe::{Reply, ScriptedHandle, ScriptedService};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};

type Inner = ScriptedService<&'static str, u16, &'static str>;
type Handle = ScriptedHandle<&'static str, u16, &'static str>;

const BASE: Duration = Duration::from_millis(500);

/// Reads numbers as statuses, in the plainest way.
#[derive(Debug, Clone, Copy)]
struct Statuses;

impl buttress_core::Classify<u16, &'static str> for Statuses {
    type Watch = buttress_core::Never;

    fn classify(
        &self,
        result: Result<&u16, &&'static str>,
    ) -> buttress_core::Verdict<buttress_core::Never> {
        buttress_core::Verdict::Final(match result {
            Ok(200) => Outcome::SUCCESS,
            Ok(429) => Outcome::new(Kind::Throttled).accepted(Acceptance::Answered),
            Ok(400) => Outcome::new(Kind::Invalid).accepted(Acceptance::Answered),
            Ok(_) => Outcome::new(Kind::Transient).accepted(Acceptance::Answered),
            Err(_) => Outcome::new(Kind::Transient),
        })
    }
}

/// 500 ms, 1 s, 2 s … exactly.
fn layer() -> RetryLayer<Statuses, buttress_retry::Cloned> {
    RetryLayer::new(Statuses)
        .backoff(Backoff::exponential(BASE, Duration::from_secs(8)).jitter(Jitter::None))
}

fn service(
    replies: impl IntoIterator<Item = Reply<u16, &'static str>>,
) -> (
    buttress_retry::Retry<Inner, Statuses, buttress_retry::Cloned>,
    Handle,
) {
    let (inner, handle) = ScriptedService::new(replies);
    (layer().layer(inner), handle)
}

fn attempts(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_success_goes_out_at_once_and_once() {
    let (mut retry, inner) = service([Reply::Ok(200)]);
    let start = Instant::now();
    assert_eq!(retry.ready().await.unwrap().call("hi").await, Ok(200));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(inner.take_requests(), ["hi"]);
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_after_the_backoff() {
    let (mut retry, inner) = service([Reply::Ok(500), Reply::Err("reset"), Reply::Ok(200)]);
    let start = Instant::now();
    assert_eq!(retry.ready().await.unwrap().call("hi").await, Ok(200));
    assert_eq!(start.elapsed(), BASE + BASE * 2);
    assert_eq!(inner.take_requests(), ["hi", "hi", "hi"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_result_is_handed_out_as_it_is_and_not_slept_over() {
    let (mut retry, inner) = service([Reply::Ok(500), Reply::Ok(502), Reply::Err("reset")]);
    let start = Instant::now();
    assert_eq!(
        retry.ready().await.unwrap().call("hi").await,
        Err("reset"),
        "three attempts by default"
    );
    assert_eq!(start.elapsed(), BASE + BASE * 2, "no sleep after the last");
    assert_eq!(inner.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_end_better_is_handed_out_at_once() {
    let (mut retry, inner) = service([Reply::Ok(400)]);
    assert_eq!(retry.ready().await.unwrap().call("hi").await, Ok(400));
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_attempt_means_no_retry() {
    let (inner, handle) = ScriptedService::new([Reply::Ok(500)]);
    let mut retry: buttress_retry::Retry<Inner, _, _> =
        layer().max_attempts(attempts(1)).layer(inner);
    assert_eq!(retry.ready().await.unwrap().call("hi").await, Ok(500));
    assert_eq!(handle.calls(), 1);
}

#[test]
fn a_zero_delay_arms_no_timer() {
    // There is no runtime here: a timer would panic.
    let (inner, handle): (Inner, _) = ScriptedService::new([Reply::Ok(500), Reply::Ok(200)]);
    let mut retry = layer()
        .backoff(Backoff::constant(Duration::ZERO))
        .layer(inner);
    let mut call = task::spawn(retry.call("hi"));
    assert_eq!(assert_ready_ok!(call.poll()), 200);
    assert_eq!(handle.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn full_jitter_spreads_a_crowd_and_a_seed_foretells_it() {
    async fn delay(seed: u64) -> Duration {
        let (inner, _handle): (Inner, _) = ScriptedService::new([Reply::Ok(500), Reply::Ok(200)]);
        let mut retry = RetryLayer::new(Statuses).seed(seed).layer(inner);
        let start = Instant::now();
        retry.ready().await.unwrap().call("hi").await.unwrap();
        start.elapsed()
    }
    let mut delays = Vec::new();
    for seed in 0..50 {
        let first = delay(seed).await;
        assert_eq!(first, delay(seed).await, "seed {seed}");
        // Tokio's timer counts in whole milliseconds.
        assert!(first <= BASE + Duration::from_millis(1));
        delays.push(first);
    }
    delays.sort();
    assert!(
        delays[5] < BASE / 4 && delays[45] > BASE * 3 / 4,
        "{delays:?}"
    );
}

// ===== readiness =====

#[test]
fn not_ready_inside_is_not_ready_outside() {
    let (mut retry, inner) = service([]);
    inner.hold_readiness();
    let mut ready = task::spawn(async move { retry.ready().await.map(|_| ()) });
    assert_pending!(ready.poll());
    inner.grant_readiness();
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());
}

#[test]
fn each_attempt_waits_until_the_inner_service_is_ready() {
    let (inner, handle): (Inner, _) = ScriptedService::new([Reply::Ok(500), Reply::Ok(200)]);
    let mut retry = layer()
        .backoff(Backoff::constant(Duration::ZERO))
        .layer(inner);
    let mut call = task::spawn(retry.call("hi"));
    handle.hold_readiness();
    assert_pending!(call.poll());
    assert_eq!(handle.calls(), 1);
    handle.grant_readiness();
    assert!(call.is_woken());
    assert_eq!(assert_ready_ok!(call.poll()), 200);
}

#[test]
fn a_service_that_fails_to_become_ready_is_not_asked_again() {
    let (inner, handle): (Inner, _) = ScriptedService::new([Reply::Ok(500)]);
    let mut retry = layer()
        .backoff(Backoff::constant(Duration::ZERO))
        .layer(inner);
    let mut call = task::spawn(retry.call("hi"));
    handle.fail_readiness("gone");
    assert_eq!(assert_ready_err!(call.poll()), "gone");
    assert_eq!(retry.budget().unwrap().active_calls(), 0);
}

// ===== budget =====

/// A budget of so many tokens that lets everybody retry at once.
fn tokens(capacity: u32) -> RetryBudget {
    RetryBudget::new(BudgetLimits::default().capacity(capacity).ratio(Ratio::ONE))
}

#[tokio::test(start_paused = true)]
async fn a_retry_costs_fourteen_after_a_failure_and_five_after_throttling() {
    for (status, cost) in [(500, 14), (429, 5)] {
        let budget = tokens(100);
        let replies = [Reply::Ok(status), Reply::Ok(status), Reply::Ok(status)];
        let (inner, _handle): (Inner, _) = ScriptedService::new(replies);
        let mut retry = layer().budget(budget.clone()).layer(inner);
        retry.ready().await.unwrap().call("hi").await.unwrap();
        assert_eq!(budget.tokens(), 100 - 2 * cost, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_retrys_cost_comes_back_when_it_succeeds() {
    let budget = tokens(100);
    let replies = [Reply::Ok(500), Reply::Ok(429), Reply::Ok(200)];
    let (inner, _handle): (Inner, _) = ScriptedService::new(replies);
    let mut retry = layer().budget(budget.clone()).layer(inner);
    retry.ready().await.unwrap().call("hi").await.unwrap();
    assert_eq!(budget.tokens(), 100 - 14);
}

#[tokio::test(start_paused = true)]
async fn a_success_at_the_first_try_adds_one_token_up_to_the_capacity() {
    let budget = tokens(20);
    let replies = [500, 500, 200, 200, 200].map(Reply::Ok);
    let (inner, _handle): (Inner, _) = ScriptedService::new(replies);
    let mut retry = layer().budget(budget.clone()).layer(inner);
    for expected in [6, 7, 8] {
        retry.ready().await.unwrap().call("hi").await.unwrap();
        assert_eq!(budget.tokens(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_stops_retries_and_nothing_else() {
    let budget = tokens(13);
    let (inner, handle): (Inner, _) = ScriptedService::new([Reply::Ok(500), Reply::Ok(200)]);
    let mut retry = layer().budget(budget.clone()).layer(inner);
    assert_eq!(retry.ready().await.unwrap().call("hi").await, Ok(500));
    assert_eq!(retry.ready().await.unwrap().call("hi").await, Ok(200));
    assert_eq!(handle.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_cost_is_a_function_of_the_request_too() {
    let budget = tokens(100);
    let replies = [
        Reply::Ok(500),
        Reply::Ok(200),
        Reply::Ok(500),
        Reply::Err(""),
    ];
    let (inner, handle): (Inner, _) = ScriptedService::new(replies);
    let weigh = |request: &&'static str| if *request == "dear" { 8 } else { 0 };
    let mut retry = layer().budget(budget.clone()).cost(weigh).layer(inner);
    assert_eq!(retry.ready().await.unwrap().call("cheap").await, Ok(200));
    assert_eq!(
        retry.ready().await.unwrap().call("dear").await,
        Ok(500),
        "8 × 14 is more than 100"
    );
    assert_eq!(handle.calls(), 3);
    assert_eq!(budget.tokens(), 100);
}

#[tokio::test(start_paused = true)]
async fn one_budget_may_serve_several_layers() {
    let budget = tokens(14);
    let (one, first): (Inner, _) = ScriptedService::new([500, 500].map(Reply::Ok));
    let (two, second): (Inner, _) = ScriptedService::new([500].map(Reply::Ok));
    let mut one = layer()
        .max_attempts(attempts(2))
        .budget(budget.clone())
        .layer(one);
    let mut two = layer().budget(budget).layer(two);
    one.ready().await.unwrap().call("hi").await.unwrap();
    two.ready().await.unwrap().call("hi").await.unwrap();
    assert_eq!((first.calls(), second.calls()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_every_failure_may_be_tried_again() {
    let (inner, handle): (Inner, _) = ScriptedService::from_fn(|_, _| Reply::Ok(500));
    let mut retry = layer().without_budget().layer(inner);
    for _ in 0..100 {
        retry.ready().await.unwrap().call("hi").await.unwrap();
    }
    assert_eq!(handle.calls(), 300);
}

// ===== cancellation =====

#[tokio::test(start_paused = true)]
async fn a_call_dropped_anywhere_leaves_its_slots_free() {
    // Where the future is after that much time: calling, waiting, readying, calling again.
    let script = || {
        let replies = [
            Reply::Ok(500).after(BASE),
            Reply::Ok(500).after(BASE),
            Reply::Pending,
        ];
        service(replies)
    };
    for step in 0..16 {
        let (mut retry, inner) = script();
        if step % 2 == 1 {
            // Also stop it where it waits for readiness.
            inner.hold_readiness();
            inner.grant_readiness();
        }
        let budget = retry.budget().unwrap().clone();
        let call = retry.ready().await.unwrap().call("hi");
        if step % 2 == 1 {
            inner.hold_readiness();
        }
        assert_eq!(budget.active_calls(), 1);
        let time = BASE / 4 * step;
        let dropped = tokio::time::timeout(time, call).await;
        assert!(dropped.is_err(), "still under way after {time:?}");
        assert_eq!(
            (budget.active_calls(), budget.active_retries()),
            (0, 0),
            "dropped after {time:?}"
        );
        assert_eq!(inner.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_retry_stays_spent() {
    let (mut retry, _inner) = service([Reply::Ok(500), Reply::Pending]);
    let budget = retry.budget().unwrap().clone();
    let call = retry.ready().await.unwrap().call("hi");
    assert!(tokio::time::timeout(BASE * 2, call).await.is_err());
    assert_eq!(budget.tokens(), 500 - 14);
}

#[tokio::test(start_paused = true)]
async fn an_endless_delay_is_waited_for_and_does_not_overflow() {
    let (inner, handle): (Inner, _) = ScriptedService::new([Reply::Ok(500)]);
    let forever = Backoff::constant(Duration::MAX).jitter(Jitter::None);
    let mut retry = layer().backoff(forever).layer(inner);
    let call = retry.ready().await.unwrap().call("hi");
    let year = Duration::from_secs(86_400 * 365);
    assert!(tokio::time::timeout(year, call).await.is_err());
    assert_eq!(handle.calls(), 1);
}

// ===== the rest =====

#[test]
fn a_closure_is_a_classifier() {
    let (inner, handle): (Inner, _) = ScriptedService::new([Reply::Ok(1), Reply::Ok(2)]);
    let classify = classify_fn(|result: Result<&u16, &&'static str>| match result {
        Ok(2) => Outcome::SUCCESS,
        _ => Outcome::new(Kind::Transient),
    });
    let mut retry = RetryLayer::new(classify)
        .backoff(Backoff::constant(Duration::ZERO))
        .layer(inner);
    let mut call = task::spawn(retry.call("hi"));
    assert_eq!(assert_ready!(call.poll()), Ok(2));
    assert_eq!(handle.calls(), 2);
}

#[test]
fn the_defaults_are_what_the_docs_say() {
    let shown = format!("{:?}", RetryLayer::new(()));
    for part in [
        "max_attempts: 3",
        "base: 500ms, factor: 2.0, cap: 8s, jitter: Full",
        "throttled_cap: 30s",
        "max_hint: 60s",
        "min_attempt: 1s",
        "retry_answered: false",
        "retry_ambiguous: false",
        "min_concurrency: 3, ratio: Ratio(2000), capacity: 500",
        "tokens: 500",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let http = format!("{:?}", RetryLayer::http(()));
    assert!(http.contains("max_replay: 65536"), "{http}");
    assert!(http.contains("max: 268435456"), "{http}");
    let llm = format!("{:?}", RetryLayer::llm(()));
    assert!(llm.contains("max_replay: 16777216"), "{llm}");
    assert!(llm.contains("retry_answered: true"), "{llm}");
    assert!(llm.contains("retry_ambiguous: false"), "{llm}");
}
