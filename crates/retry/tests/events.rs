//! The events of the layer, whose names and fields are part of its API.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{Backoff, Deadline, Jitter};
use buttress_retry::{BudgetLimits, RetryBudget, RetryLayer};
use buttress_testkit::events::Lines;
use buttress_testkit::upstream::{Behaviour, Cut, Script, Upstream};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{Layer, ServiceExt};

fn layer() -> RetryLayer<Profile> {
    let backoff = Backoff::constant(Duration::from_millis(40)).jitter(Jitter::None);
    RetryLayer::llm(Profile::OPENAI).backoff(backoff)
}

/// What is said of one call to an upstream that always does this.
async fn said(
    layer: RetryLayer<Profile>,
    fault: Behaviour,
    change: impl FnOnce(&mut Request<Full<Bytes>>),
) -> Vec<String> {
    let lines = Lines::of("buttress::retry");
    let upstream = Upstream::new(Script::always(fault));
    let mut request = Request::post("/echo?secret=1")
        .header("authorization", "Bearer secret")
        .body(Full::from("secret"))
        .unwrap();
    change(&mut request);
    drop(layer.layer(upstream.service()).oneshot(request).await);
    let said = lines.take();
    assert!(said.iter().all(|line| !line.contains("secret")));
    said
}

#[tokio::test(start_paused = true)]
async fn each_decision_is_one_event() {
    assert_eq!(
        said(layer(), Behaviour::status(429), |_| ()).await,
        [
            r#"INFO message=retrying attempt=1 kind="throttled" reason="rate_limit" delay_ms=40"#,
            r#"INFO message=retrying attempt=2 kind="throttled" reason="rate_limit" delay_ms=40"#,
            r#"INFO message=gave up attempt=3 kind="throttled" reason="rate_limit" why_not="attempts""#,
        ]
    );
    let well = said(layer(), Behaviour::well(), |_| ()).await;
    assert!(well.is_empty(), "{well:?}");
}

#[tokio::test(start_paused = true)]
async fn why_there_was_no_retry_is_said_in_one_word() {
    async fn why(
        layer: RetryLayer<Profile>,
        fault: Behaviour,
        change: impl FnOnce(&mut Request<Full<Bytes>>),
    ) -> String {
        let lines = said(layer, fault, change).await;
        let last = lines.last().unwrap();
        last.split("why_not=").nth(1).unwrap().to_owned()
    }
    let server = || Behaviour::status(500);
    let reset = Behaviour::well().cut_before_head(Cut::Reset);
    let patience = server().header("retry-after", "3600");
    let budget = |limits| layer().budget(RetryBudget::new(limits));
    let limits = BudgetLimits::default();
    let soon = |request: &mut Request<_>| {
        let now = tokio::time::Instant::now().into_std();
        let deadline = Deadline::after(now, Duration::from_millis(900));
        request.extensions_mut().insert(deadline);
    };

    let invalid = Behaviour::status(400);
    assert_eq!(why(layer(), invalid, |_| ()).await, r#""not_retryable""#);
    assert_eq!(why(layer(), reset, |_| ()).await, r#""not_repeatable""#);
    assert_eq!(why(layer(), patience, |_| ()).await, r#""hint_too_long""#);
    assert_eq!(why(layer(), server(), soon).await, r#""deadline""#);
    let empty = budget(limits.capacity(0));
    assert_eq!(why(empty, server(), |_| ()).await, r#""budget_history""#);
    let none = budget(limits.min_concurrency(0));
    assert_eq!(why(none, server(), |_| ()).await, r#""budget_concurrency""#);
    let small = layer().max_replay(1);
    assert_eq!(why(small, server(), |_| ()).await, r#""not_kept""#);
}
