//! A request that comes twice is one call.

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Cut, Script};
use http::{Request, StatusCode};
use serde_json::Value;
use tokio::time::sleep;

use crate::harness::{Answer, Gateway, Scene, scene, soon};

const CHAT: &str = "/v1/chat/completions";
const HELLO: &str = r#"{"model":"m","messages":[]}"#;
const STREAM: &str = r#"{"model":"m","messages":[],"stream":true}"#;

fn keyed(key: &str) -> http::request::Builder {
    Request::post(CHAT)
        .header("authorization", "Bearer secret-me")
        .header("idempotency-key", key)
}

fn is_replay(answer: &Answer) -> bool {
    let replayed = answer.field("idempotent-replayed") == Some("true");
    assert_eq!(replayed, answer.attempts() == 0, "{answer:?}");
    replayed
}

fn problem(answer: &Answer) -> Value {
    assert_eq!(
        answer.field("content-type"),
        Some("application/problem+json")
    );
    serde_json::from_slice(&answer.body).unwrap()
}

/// A well upstream whose answers can be told apart.
async fn well(flags: &[&str]) -> Scene {
    let numbered = (1..=9).map(|n| Behaviour::well().header("x-number", n));
    scene(Script::sequence(numbered), flags).await
}

#[tokio::test]
async fn who_asks_again_gets_the_same_answer_and_the_upstream_is_not_called() {
    for body in [HELLO, STREAM] {
        let scene = well(&[]).await;
        let first = scene.gateway.ask(keyed("k"), body).await;
        assert_eq!(first.status, StatusCode::OK);
        assert!(!is_replay(&first));
        for _ in 0..2 {
            let again = scene.gateway.ask(keyed("k"), body).await;
            assert!(is_replay(&again));
            assert_eq!((again.status, &again.body), (first.status, &first.body));
            for name in ["content-type", "x-number", "x-request-id"] {
                assert_eq!(again.field(name), first.field(name), "{name}");
            }
        }
        let over_http2 = scene.gateway.ask_http2(keyed("k"), body).await;
        assert!(is_replay(&over_http2) && over_http2.body == first.body);
        assert_eq!(scene.upstream.counts().billed, 1);
        assert_eq!(scene.upstream.counts().calls, 1);
    }
}

#[tokio::test]
async fn the_same_key_with_another_payload_is_refused() {
    let scene = well(&[]).await;
    scene.gateway.ask(keyed("k"), HELLO).await;
    let elsewhere = Request::post("/v1/embeddings")
        .header("authorization", "Bearer secret-me")
        .header("idempotency-key", "k");
    for (head, body) in [(keyed("k"), STREAM), (keyed("k"), ""), (elsewhere, HELLO)] {
        let answer = scene.gateway.ask(head, body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem(&answer)["status"], 422);
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        // It was a request like any other: the connection stays.
        assert_eq!(answer.field("connection"), None);
    }
    assert_eq!(scene.upstream.counts().calls, 1);
}

#[tokio::test]
async fn quoted_and_bare_keys_are_one_and_what_is_none_is_refused() {
    let scene = well(&[]).await;
    scene.gateway.ask(keyed("\"abc\""), HELLO).await;
    assert!(is_replay(&scene.gateway.ask(keyed("abc"), HELLO).await));
    for wrong in ["\"abc", "", "a, b"] {
        let answer = scene.gateway.ask(keyed(wrong), HELLO).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(problem(&answer)["status"], 400);
    }
    assert_eq!(scene.upstream.counts().calls, 1);
}

#[tokio::test]
async fn a_failure_is_not_replayed() {
    let throttled = Behaviour::rate_limited();
    let failures = [Behaviour::server_error(), throttled, Behaviour::status(400)];
    let scene = scene(Script::sequence(failures), &["--max-attempts", "1"]).await;
    for status in [500, 429, 400, 200] {
        let answer = scene.gateway.ask(keyed("k"), HELLO).await;
        assert_eq!(answer.status.as_u16(), status);
        assert!(!is_replay(&answer));
    }
    assert!(is_replay(&scene.gateway.ask(keyed("k"), HELLO).await));
}

#[tokio::test]
async fn a_stream_that_died_is_not_replayed() {
    let cut = Behaviour::well().cut_after(3, Cut::Reset);
    let short = Behaviour::well().without_terminator();
    let failed = Behaviour::well().error_event_after(3);
    let scene = scene(Script::sequence([cut, short, failed]), &[]).await;
    for number in 1..=3 {
        let head = keyed("k").version(http::Version::HTTP_2);
        let body = scene.gateway.begin_http2(head, STREAM).await.into_body();
        // However it ends.
        drop(soon(http_body_util::BodyExt::collect(body)).await);
        assert_eq!(scene.upstream.counts().calls, number);
    }
    let whole = scene.gateway.ask(keyed("k"), STREAM).await;
    assert!(!is_replay(&whole) && whole.body.ends_with(b"data: [DONE]\n\n"));
    assert!(is_replay(&scene.gateway.ask(keyed("k"), STREAM).await));
    assert_eq!(scene.upstream.counts().calls, 4);
}

#[tokio::test]
async fn retries_stay_inside_and_their_end_is_kept() {
    let scene = scene(Script::sequence([Behaviour::overloaded()]), &[]).await;
    let first = scene.gateway.ask(keyed("k"), HELLO).await;
    assert_eq!((first.status, first.attempts()), (StatusCode::OK, 2));
    assert!(is_replay(&scene.gateway.ask(keyed("k"), HELLO).await));
    assert_eq!(scene.upstream.counts().calls, 2);
}

#[tokio::test]
async fn two_credentials_do_not_share_a_key() {
    let scene = well(&[]).await;
    let whose = [
        ("authorization", "Bearer a"),
        ("authorization", "Bearer b"),
        ("x-api-key", "a"),
        ("cookie", "session=a"),
    ];
    let ask = async |(name, value): (&str, &str)| {
        let head = Request::post(CHAT)
            .header("idempotency-key", "k")
            .header(name, value);
        scene.gateway.ask(head, HELLO).await
    };
    for who in whose {
        assert!(!is_replay(&ask(who).await), "{who:?}");
    }
    for who in whose {
        assert!(is_replay(&ask(who).await), "{who:?}");
    }
    assert_eq!(scene.upstream.counts().calls, 4);
}

#[tokio::test]
async fn a_key_of_nobody_is_not_deduplicated_and_the_log_says_so() {
    let scene = well(&[]).await;
    for _ in 0..2 {
        let head = Request::post(CHAT).header("idempotency-key", "secret-key");
        assert!(!is_replay(&scene.gateway.ask(head, HELLO).await));
    }
    assert_eq!(scene.upstream.counts().calls, 2);
    let (_, log) = scene.gateway.stop().await;
    let lines = log.lines().filter(|line| line.contains("no scope"));
    assert_eq!(lines.count(), 2, "{log}");
    assert!(
        log.contains("without any, nothing is deduplicated"),
        "{log}"
    );
    assert!(!log.contains("secret"), "{log}");
}

#[tokio::test]
async fn the_log_knows_calls_by_a_hash_and_neither_key_nor_credential() {
    let scene = well(&[]).await;
    let ask = async |key, body| scene.gateway.ask(keyed(key), body).await;
    ask("secret-key", HELLO).await;
    ask("secret-key", HELLO).await;
    ask("secret-key", STREAM).await;
    ask("\"secret", HELLO).await;
    let (_, log) = scene.gateway.stop().await;
    assert!(!log.contains("secret"), "{log}");
    for said in ["kept call=", "replayed call=", "refused reason="] {
        let line = log.lines().find(|line| line.contains(said));
        assert!(line.is_some(), "{said}: {log}");
    }
    // Each answer has come to its end, and is logged like that.
    assert_eq!(log.matches("outcome=complete").count(), 2, "{log}");
}

#[tokio::test]
async fn a_scope_of_ones_own_takes_the_place_of_the_credentials() {
    let scene = well(&["--idempotency-scope", "X-Tenant"]).await;
    let ask = async |tenant: Option<&str>, key: &str| {
        let mut head = keyed("k").header("authorization", key);
        if let Some(tenant) = tenant {
            head = head.header("x-tenant", tenant);
        }
        is_replay(&scene.gateway.ask(head, HELLO).await)
    };
    assert!(!ask(Some("7"), "a").await);
    assert!(ask(Some("7"), "b").await);
    assert!(!ask(Some("8"), "a").await);
    assert!(!ask(None, "a").await && !ask(None, "a").await);
}

#[tokio::test]
async fn with_fingerprints_requests_without_a_key_are_one_if_they_are_alike() {
    let flags = ["--idempotency-scope", "x-tenant"];
    let ask = async |scene: &Scene, tenant: &str, body: &'static str| {
        let head = Request::post(CHAT).header("x-tenant", tenant);
        is_replay(&scene.gateway.ask(head, body).await)
    };
    let scene = well(&flags).await;
    assert!(!ask(&scene, "7", HELLO).await && !ask(&scene, "7", HELLO).await);

    let scene = well(&[&flags[..], &["--idempotency-fingerprint", "on"]].concat()).await;
    assert!(!ask(&scene, "7", HELLO).await && ask(&scene, "7", HELLO).await);
    assert!(!ask(&scene, "7", STREAM).await && !ask(&scene, "8", HELLO).await);
    let nobodys = scene.gateway.post(CHAT, HELLO).await;
    assert!(!is_replay(&nobodys));
}

#[tokio::test]
async fn off_is_off_and_answers_are_kept_for_as_long_as_told() {
    let scene = well(&["--idempotency-ttl", "off"]).await;
    for _ in 0..2 {
        assert!(!is_replay(&scene.gateway.ask(keyed("k"), HELLO).await));
    }
    let scene = well(&["--idempotency-ttl", "40ms"]).await;
    assert!(!is_replay(&scene.gateway.ask(keyed("k"), HELLO).await));
    soon(async {
        while is_replay(&scene.gateway.ask(keyed("k"), HELLO).await) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(scene.upstream.counts().calls, 2);
}

#[tokio::test]
async fn an_answer_that_is_always_there_is_not_worth_keeping() {
    let path = [env!("CARGO_TARGET_TMPDIR"), "sorry-for-idempotency.json"].join("/");
    std::fs::write(&path, "{}").unwrap();
    let flags = ["--max-attempts", "1", "--static-fallback", &path];
    let scene = scene(Script::sequence([Behaviour::server_error()]), &flags).await;
    let sorry = scene.gateway.ask(keyed("k"), HELLO).await;
    assert_eq!(sorry.field("x-buttress-degraded"), Some("true"));
    let answer = scene.gateway.ask(keyed("k"), HELLO).await;
    assert_eq!(answer.field("x-buttress-degraded"), None);
    assert!(!is_replay(&answer));
    assert!(is_replay(&scene.gateway.ask(keyed("k"), HELLO).await));
}

#[tokio::test]
async fn who_served_it_is_replayed_too_and_a_mark_cannot_be_forged() {
    let scene = well(&[]).await;
    let gateway: &Gateway = &scene.gateway;
    let forged = keyed("k").header("idempotent-replayed", "true");
    assert!(!is_replay(&gateway.ask(forged, HELLO).await));
    let call = scene.upstream.last_call().unwrap();
    assert!(!call.headers.contains_key("idempotent-replayed"));
    // The upstream may know keys, too.
    assert_eq!(call.headers["idempotency-key"], "k");
}
