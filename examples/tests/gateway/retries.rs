//! An upstream that misbehaves, and clients who do not notice.

use std::sync::Arc;
use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Cut, Matcher, Script, provider};
use http::{Request, StatusCode};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::harness::{Gateway, scene};

const CHAT: &str = "/v1/chat/completions";
const HELLO: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hello"}]}"#;

const STREAM: &str = r#"{"stream":true}"#;

#[tokio::test]
async fn a_429_waits_as_told_and_ends_well() {
    let told = Behaviour::rate_limited().header("retry-after-ms", "150");
    let scene = scene(Script::sequence([told]), &[]).await;
    let asked = Instant::now();
    let answer = scene.gateway.post(CHAT, HELLO).await;
    let waited = asked.elapsed();

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.attempts(), 2);
    assert!(String::from_utf8_lossy(&answer.body).contains("\"choices\""));
    assert!(waited >= Duration::from_millis(150), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    assert_eq!(scene.upstream.counts().billed, 1);
}

#[tokio::test]
async fn a_529_twice_then_well() {
    let overloaded = Behaviour::overloaded();
    let script = Script::sequence([overloaded.clone(), overloaded]);
    let scene = scene(script, &["--profile", "anthropic"]).await;
    let answer = scene.gateway.post("/v1/messages", HELLO).await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.attempts(), 3);
    let statuses: Vec<_> = scene
        .upstream
        .calls()
        .iter()
        .map(|call| call.status.unwrap().as_u16())
        .collect();
    assert_eq!(statuses, [529, 529, 200]);
}

#[tokio::test]
async fn attempts_end_where_the_flag_says() {
    let scene = scene(Behaviour::overloaded(), &["--max-attempts", "2"]).await;
    let answer = scene.gateway.post(CHAT, HELLO).await;

    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.attempts(), 2);
    assert_eq!(answer.body, provider::openai::OVERLOADED);
}

#[tokio::test]
async fn a_reset_before_the_head_ends_well() {
    for cut in [Cut::Reset, Cut::Close] {
        let script = Script::sequence([Behaviour::well().cut_before_head(cut)]);
        let scene = scene(script, &[]).await;
        let answer = scene.gateway.post(CHAT, HELLO).await;
        assert_eq!(answer.status, StatusCode::OK, "{cut:?}");
        assert_eq!(answer.attempts(), 2, "{cut:?}");
    }
}

#[tokio::test]
async fn a_reset_proves_nothing_where_ambiguous_retries_are_off() {
    let script = Script::sequence([Behaviour::well().cut_before_head(Cut::Reset)]);
    let scene = scene(script, &["--retry-ambiguous", "off"]).await;
    let answer = scene.gateway.post(CHAT, HELLO).await;

    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        answer.field("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.attempts(), 1);
    assert_eq!(scene.upstream.counts().calls, 1);
}

#[tokio::test]
async fn an_upstream_that_is_away_is_a_502_that_does_not_tell_its_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let gateway = Gateway::before(format!("http://{address}"), &[]).await;
    let answer = gateway.post(CHAT, HELLO).await;

    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.attempts(), 3);
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(!body.contains("127.0.0.1"), "{body}");
    assert!(!body.contains(&address.port().to_string()), "{body}");
}

#[tokio::test]
async fn the_clients_own_mistakes_pass_through_once_with_their_bodies() {
    let mut script = Script::well();
    for status in [400, 401, 403, 404, 422] {
        let body = format!(r#"{{"error":{{"code":{status}}}}}"#);
        let mistake = Behaviour::status(status).body("application/json", body);
        script = script.on(Matcher::path(format!("/{status}")), mistake);
    }
    let scene = scene(script, &[]).await;
    for status in [400, 401, 403, 404, 422] {
        let path = format!("/{status}");
        let answer = scene.gateway.post(&path, HELLO).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.body, format!(r#"{{"error":{{"code":{status}}}}}"#));
        assert_eq!(answer.attempts(), 1);
        assert_eq!(scene.upstream.counts_for(&path).calls, 1);
    }
}

#[tokio::test]
async fn a_retry_after_of_an_hour_is_passed_on_at_once() {
    let hour = Behaviour::rate_limited().header("retry-after", "3600");
    let scene = scene(Script::sequence([hour]), &[]).await;
    let asked = Instant::now();
    let answer = scene.gateway.post(CHAT, HELLO).await;

    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.field("retry-after"), Some("3600"));
    assert_eq!(answer.body, provider::openai::RATE_LIMIT);
    assert_eq!(answer.attempts(), 1);
    assert!(asked.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn how_long_is_too_long_is_the_flags_to_say() {
    let told = || Script::sequence([Behaviour::rate_limited().header("retry-after-ms", "200")]);
    let patient = scene(told(), &["--max-hint", "1s"]).await;
    assert_eq!(patient.gateway.post(CHAT, HELLO).await.attempts(), 2);
    let hasty = scene(told(), &["--max-hint", "100ms"]).await;
    assert_eq!(hasty.gateway.post(CHAT, HELLO).await.attempts(), 1);
}

#[tokio::test]
async fn x_should_retry_overrides_both_ways() {
    let told =
        |status, word| Script::sequence([Behaviour::status(status).header("x-should-retry", word)]);
    let script = Script::well()
        .on(Matcher::path("/no"), told(503, "false"))
        .on(Matcher::path("/yes"), told(400, "true"));
    let scene = scene(script, &[]).await;

    let no = scene.gateway.post("/no", HELLO).await;
    assert_eq!((no.status.as_u16(), no.attempts()), (503, 1));
    let yes = scene.gateway.post("/yes", HELLO).await;
    assert_eq!((yes.status.as_u16(), yes.attempts()), (200, 2));
}

#[tokio::test]
async fn a_hostile_retry_after_is_as_if_absent() {
    let hostile: [&[u8]; 14] = [
        b"-1",
        b"+5",
        b"inf",
        b"NaN",
        b"1e309",
        b"0x10",
        b"12 parsecs",
        b"",
        b"\xC2\xB2",
        b"\xFF\xFE",
        b"Wed, 99 Foo 100000 00:00:00 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"5, 6",
        b"0",
    ];
    let mut script = Script::well();
    for (n, value) in hostile.iter().enumerate() {
        let value = http::HeaderValue::from_bytes(value).unwrap();
        let told = Behaviour::rate_limited().header("retry-after", value);
        script = script.on(Matcher::path(format!("/{n}")), Script::sequence([told]));
    }
    let scene = scene(script, &[]).await;
    for (n, value) in hostile.iter().enumerate() {
        let asked = Instant::now();
        let answer = scene.gateway.post(&format!("/{n}"), HELLO).await;
        let value = String::from_utf8_lossy(value);
        assert_eq!(
            (answer.status.as_u16(), answer.attempts()),
            (200, 2),
            "{value:?}"
        );
        assert!(asked.elapsed() < Duration::from_secs(5), "{value:?}");
    }
}

#[tokio::test]
async fn a_request_names_its_attempts_even_to_a_client_that_lies() {
    let scene = scene(Script::well(), &[]).await;
    let lie = Request::post("/echo").header("x-buttress-attempts", "9");
    let answer = scene.gateway.ask(lie, "").await;
    assert_eq!(answer.attempts(), 1);
    let echoed: Vec<_> = answer.headers.get_all("x-echo-field").iter().collect();
    assert!(
        echoed
            .iter()
            .all(|field| !field.to_str().unwrap().contains("buttress")),
        "{echoed:?}"
    );
}

#[tokio::test]
async fn three_hundred_failing_calls_at_once_cost_at_most_405() {
    let slow = |failure: Behaviour| failure.head_delay(Duration::from_millis(50));
    for failure in [
        Behaviour::server_error(),
        Behaviour::overloaded(),
        Behaviour::rate_limited(),
        Behaviour::well().error_event_after(1),
    ] {
        let shown = format!("{failure:?}");
        let scene = Arc::new(scene(slow(failure), &[]).await);
        let mut clients = JoinSet::new();
        for _ in 0..300 {
            let scene = Arc::clone(&scene);
            clients.spawn(async move { scene.gateway.post(CHAT, STREAM).await.attempts() });
        }
        let attempts: u32 = clients.join_all().await.into_iter().sum();
        let calls = scene.upstream.counts().calls;
        assert_eq!(calls, u64::from(attempts), "{shown}");
        assert!((301..=405).contains(&calls), "{calls}: {shown}");
        println!("300 failing calls cost {calls}");
    }
}
