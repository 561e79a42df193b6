//! The events of the layer, whose names and fields are part of its API.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::Duration;

use buttress_breaker::CircuitBreakerLayer;
use buttress_classify::Profile;
use buttress_testkit::events::Lines;
use buttress_testkit::upstream::{Behaviour, Script, Upstream};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};

/// The wait is jittered: what it says is checked, and left out.
fn without_wait(line: &str) -> (&str, Option<u64>) {
    match line.split_once(" retry_after_ms=") {
        Some((line, wait)) => (line, Some(wait.parse().unwrap())),
        None => (line, None),
    }
}

#[tokio::test(start_paused = true)]
async fn each_transition_and_each_refusal_is_one_event() {
    let lines = Lines::of("buttress::breaker");
    let upstream = Upstream::new(Script::always(Behaviour::overloaded()));
    let layer = CircuitBreakerLayer::http(Profile::OPENAI).name("api");
    let call = || async {
        let request = Request::post("/v1/chat/completions?secret=1")
            .header("authorization", "Bearer secret")
            .body(Full::<Bytes>::from("{\"stream\":true}"))
            .unwrap();
        if let Ok(answer) = layer.layer(upstream.service()).oneshot(request).await {
            drop(answer.into_body().collect().await);
        }
    };
    for _ in 0..4 {
        call().await;
    }
    assert!(lines.take().is_empty(), "a failure is no transition");
    call().await;
    call().await;
    let seen = lines.take();
    let (opened, wait) = without_wait(&seen[0]);
    assert_eq!(
        opened,
        r#"WARN message=opened circuit="api" forced=false kind="overloaded""#
    );
    assert!((30_000..=33_000).contains(&wait.unwrap()));
    let (rejected, wait) = without_wait(&seen[1]);
    assert_eq!(rejected, r#"DEBUG message=rejected circuit="api""#);
    assert!((30_000..=33_000).contains(&wait.unwrap()));
    assert_eq!(seen.len(), 2);

    upstream.set_script(Script::well());
    tokio::time::advance(Duration::from_secs(34)).await;
    call().await;
    layer.handle().force_open();
    layer.handle().reset();
    assert_eq!(
        lines.take(),
        [
            r#"INFO message=half open circuit="api""#,
            r#"INFO message=closed circuit="api" forced=false"#,
            r#"WARN message=opened circuit="api" forced=true retry_after_ms=30000"#,
            r#"INFO message=closed circuit="api" forced=false"#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_success_that_makes_it_a_rate_is_not_what_is_said_to_have_opened_it() {
    let lines = Lines::of("buttress::breaker");
    let upstream = Upstream::new(Script::always(Behaviour::overloaded()));
    let layer = CircuitBreakerLayer::http(Profile::OPENAI);
    for call in 0..10 {
        let script = if call % 2 == 0 {
            Script::always(Behaviour::overloaded())
        } else {
            Script::well()
        };
        upstream.set_script(script);
        let request = Request::post("/v1/chat/completions");
        let request = request.body(Full::<Bytes>::from("{}")).unwrap();
        let answer = layer.layer(upstream.service()).oneshot(request).await;
        drop(answer.unwrap().into_body().collect().await);
    }
    let seen = lines.take();
    assert_eq!(seen.len(), 1);
    assert_eq!(without_wait(&seen[0]).0, "WARN message=opened forced=false");
}
