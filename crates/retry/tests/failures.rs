//! Incidents of other projects that retries must be immune to, each by its name. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and calls run side by side"
)]

use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{Backoff, Ratio};
use buttress_retry::{BudgetLimits, HttpReplay, Retry, RetryBudget, RetryLayer};
use buttress_testkit::upstream::{Behaviour, Script, Upstream, UpstreamService};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

type Call = Request<Full<Bytes>>;

fn post() -> Call {
    Request::post("/echo").body(Full::from("hi")).unwrap()
}

/// Sends so many calls at the same moment; how many ended well.
async fn burst(service: &Retry<UpstreamService, Profile, HttpReplay>, calls: usize) -> usize {
    let mut set = JoinSet::new();
    for _ in 0..calls {
        set.spawn(service.clone().oneshot(post()));
    }
    let ended = set.join_all().await;
    let well = |result: &Result<_, _>| result.as_ref().is_ok_and(is_well);
    ended.into_iter().filter(well).count()
}

fn is_well<B>(response: &Response<B>) -> bool {
    response.status() == 200
}

fn slow_failure() -> Script {
    Script::always(Behaviour::status(500).head_delay(Duration::from_millis(20)))
}

fn service(
    layer: &RetryLayer<Profile>,
    upstream: &Upstream,
) -> Retry<UpstreamService, Profile, HttpReplay> {
    layer.layer(upstream.service())
}

#[tokio::test(start_paused = true)]
async fn f13_a_burst_into_an_outage_is_not_multiplied_and_recovery_is_immediate() {
    let upstream = Upstream::new(slow_failure());
    let layer = RetryLayer::llm(Profile::OPENAI).seed(13);
    let service = service(&layer, &upstream);
    assert_eq!(burst(&service, 300).await, 0);
    let calls = upstream.counts().calls;
    assert!(calls > 300, "some were tried again");
    assert!(calls <= 405, "and {calls} is more than the budget allows");

    // Ten seconds of it drain the history; then not one retry goes out that the budget does not have.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        burst(&service, 20).await;
    }
    let (offered, before) = (100, upstream.counts().calls);
    for _ in 0..offered {
        burst(&service, 1).await;
    }
    assert_eq!(upstream.counts().calls - before, offered, "exhausted");

    upstream.set_script(Script::well());
    assert_eq!(burst(&service, 300).await, 300, "well again at once");
}

#[tokio::test(start_paused = true)]
async fn without_the_budget_the_same_burst_is_tripled() {
    let upstream = Upstream::new(slow_failure());
    let layer = RetryLayer::llm(Profile::OPENAI).seed(13).without_budget();
    burst(&service(&layer, &upstream), 300).await;
    assert_eq!(upstream.counts().calls, 900);
}

#[tokio::test(start_paused = true)]
async fn f15_the_budget_does_not_starve_itself_when_everything_fails_at_once() {
    // The share is of the calls that are active, and a call in backoff is. If only calls in flight
    // counted, each retry that waits would take from what allows the next.
    let upstream = Upstream::new(slow_failure());
    let half = BudgetLimits::default()
        .ratio(Ratio::percent(50))
        .min_concurrency(0)
        .capacity(u32::MAX);
    let budget = RetryBudget::new(half);
    let layer = RetryLayer::llm(Profile::OPENAI).budget(budget.clone());
    let service = service(&layer, &upstream);
    let calls = tokio::spawn(async move { burst(&service, 100).await });
    tokio::time::sleep(Duration::from_millis(21)).await;
    assert_eq!(budget.active_retries(), 50);
    assert_eq!(
        budget.active_calls(),
        50,
        "those that wait, and nobody else"
    );
    calls.await.unwrap();
    assert_eq!((budget.active_retries(), budget.active_calls()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn f16_a_fraction_of_a_percent_is_neither_nothing_nor_everything() {
    let upstream = Upstream::new(slow_failure());
    let limits = BudgetLimits::default()
        .ratio(Ratio::basis_points(50))
        .min_concurrency(0);
    let layer = RetryLayer::llm(Profile::OPENAI).budget(RetryBudget::new(limits));
    let service = service(&layer, &upstream);
    burst(&service, 199).await;
    assert_eq!(
        upstream.counts().calls,
        199,
        "0.5 % of 199 is less than one"
    );
    burst(&service, 200).await;
    assert_eq!(upstream.counts().calls, 199 + 200 + 1);
}

#[tokio::test(start_paused = true)]
async fn f38_the_wait_follows_from_the_latest_answer_and_none_follows_the_last_attempt() {
    let limited = |ms: u32| Behaviour::status(429).header("retry-after-ms", ms.to_string());
    let upstream = Upstream::new(Script::sequence([
        limited(7_000),
        limited(50),
        limited(9_000),
    ]));
    let layer = RetryLayer::llm(Profile::OPENAI).backoff(Backoff::constant(Duration::ZERO));
    let start = Instant::now();
    let response = service(&layer, &upstream).oneshot(post()).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(start.elapsed(), Duration::from_millis(7_050));
}

#[tokio::test(start_paused = true)]
async fn p11_thirty_idle_days_change_nothing_and_cost_nothing() {
    let upstream = Upstream::new(Script::sequence([Behaviour::status(500)]));
    let budget = RetryBudget::default();
    let layer = RetryLayer::llm(Profile::OPENAI).budget(budget.clone());
    let service = service(&layer, &upstream);
    assert_eq!(burst(&service, 1).await, 1);
    let tokens = budget.tokens();
    tokio::time::advance(Duration::from_secs(30 * 86_400)).await;
    // No clock is read: there is nothing to catch up with.
    assert_eq!(budget.tokens(), tokens);
    assert_eq!(burst(&service, 1).await, 1);
    assert_eq!((budget.active_calls(), budget.active_retries()), (0, 0));
}
