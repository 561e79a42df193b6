//! What a 429 means is in its body.

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Script, provider};
use http::StatusCode;
use tokio::time::Instant;

use crate::harness::scene;

const CHAT: &str = "/v1/chat/completions";
const GEMINI: &str = "/v1beta/models/gemini-2.5-flash:generateContent";
const HELLO: &str = r#"{"contents":[{"parts":[{"text":"hello"}]}]}"#;

#[tokio::test]
async fn an_unpaid_quota_is_tried_once_and_its_body_arrives_unchanged() {
    let unpaid = Behaviour::out_of_quota;
    let in_two_chunks = unpaid()
        .unsized_body()
        .chunk_at([120])
        .chunk_delay(Duration::from_millis(20));
    for behaviour in [unpaid(), in_two_chunks] {
        let scene = scene(behaviour, &[]).await;
        let answer = scene.gateway.post(CHAT, HELLO).await;
        assert_eq!(
            (answer.status, answer.attempts()),
            (StatusCode::TOO_MANY_REQUESTS, 1)
        );
        assert_eq!(answer.body, provider::openai::INSUFFICIENT_QUOTA);
        assert_eq!(scene.upstream.counts().calls, 1);
    }
}

#[tokio::test]
async fn a_429_of_another_kind_is_tried_again() {
    let script = Script::sequence([
        Behaviour::rate_limited(),
        provider::json_error(429, provider::openai::ENGINE_OVERLOADED),
    ]);
    let scene = scene(script, &[]).await;
    let answer = scene.gateway.post(CHAT, HELLO).await;
    assert_eq!((answer.status, answer.attempts()), (StatusCode::OK, 3));
}

#[tokio::test]
async fn the_wait_that_gemini_names_in_the_body_is_waited_out() {
    let script = Script::sequence([provider::gemini::rate_limit("0.3s")]);
    let scene = scene(script, &["--profile", "gemini"]).await;
    let asked = Instant::now();
    let answer = scene.gateway.post(GEMINI, HELLO).await;
    let waited = asked.elapsed();
    assert_eq!((answer.status, answer.attempts()), (StatusCode::OK, 2));
    assert!(waited >= Duration::from_millis(300), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}

#[tokio::test]
async fn geminis_quota_of_the_day_is_not_waited_for() {
    let scene = scene(provider::gemini::daily_quota(), &["--profile", "gemini"]).await;
    let answer = scene.gateway.post(GEMINI, HELLO).await;
    assert_eq!(
        (answer.status, answer.attempts()),
        (StatusCode::TOO_MANY_REQUESTS, 1)
    );
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(body.contains("PerDay") && body.ends_with("}]}}"), "{body}");
    assert_eq!(scene.upstream.counts().calls, 1);
}
