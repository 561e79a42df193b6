//! Gateways that share a Redis.

use buttress_testkit::redis::free_port;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, StatusCode};

use crate::gated::{Gated, chat};
use crate::harness::{Answer, Gateway, soon};
use crate::redis::Redis;

const PIECES: usize = 5;
const STREAM: &str = r#"{"stream":true}"#;

/// Two gateways, the Redis that they share, and the upstream that they have in common.
struct Pair {
    redis: Redis,
    upstream: Gated,
    one: Gateway,
    other: Gateway,
}

impl Pair {
    async fn start() -> Option<Self> {
        let redis = Redis::start().await?;
        let upstream = Gated::start(chat(PIECES - 1, 100_000)).await;
        let [one, other] = [
            before(&upstream, &redis.url(), &[]).await,
            before(&upstream, &redis.url(), &[]).await,
        ];
        Some(Self {
            redis,
            upstream,
            one,
            other,
        })
    }
}

async fn before(upstream: &Gated, redis: &str, flags: &[&str]) -> Gateway {
    let flags = [&["--idempotency-store", redis], flags].concat();
    Gateway::before(upstream.url(), &flags).await
}

fn keyed(key: &str) -> http::request::Builder {
    Request::post("/v1/chat/completions")
        .header("authorization", "Bearer secret-me")
        .header("idempotency-key", key)
}

async fn ask(gateway: &Gateway, key: &str) -> Answer {
    gateway.ask(keyed(key), STREAM).await
}

fn is_replay(answer: &Answer) -> bool {
    assert_eq!(answer.status, StatusCode::OK);
    answer.field("idempotent-replayed") == Some("true")
}

#[tokio::test]
async fn duplicates_at_two_gateways_are_one_call() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let Pair {
        redis,
        upstream,
        one,
        other,
    } = &pair;
    let asking = (0..40).map(|n| ask([one, other][n % 2], "secret-key"));
    let (answers, ()) = tokio::join!(join_all(asking), async {
        upstream.is_called(1).await;
        tokio::select! { // whichever makes the call
            () = one.logs("joined", 19) => {}
            () = other.logs("joined", 19) => {}
        }
        upstream.pass(PIECES);
    });
    let whole = Bytes::from(upstream.whole());
    assert!(answers.iter().all(|answer| answer.body == whole));
    // One gateway made the call, the other waited for what came of it.
    assert_eq!(
        answers.iter().filter(|answer| is_replay(answer)).count(),
        20
    );
    assert_eq!(upstream.calls(), 1);

    let keys = redis.keys().await;
    assert!(
        !keys.is_empty() && !keys.concat().contains("secret"),
        "{keys:?}"
    );
    let Pair { one, other, .. } = pair;
    for gateway in [one, other] {
        let (_, log) = gateway.stop().await;
        assert!(!log.contains("secret"), "{log}");
    }
}

#[tokio::test]
async fn the_same_key_with_another_payload_is_refused_at_the_other_gateway() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    pair.upstream.pass(PIECES);
    assert!(!is_replay(&ask(&pair.one, "k").await));
    let refused = pair.other.ask(keyed("k"), r#"{"stream":false}"#).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(is_replay(&ask(&pair.other, "k").await));
    assert_eq!(pair.upstream.calls(), 1);
}

#[tokio::test]
async fn a_gateway_that_is_killed_in_mid_call_is_replaced() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let begun = pair.one.begin_http2(keyed("k"), STREAM);
    let (begun, ()) = tokio::join!(begun, async {
        pair.upstream.is_called(1).await;
        pair.upstream.pass(1);
    });
    assert_eq!(begun.status(), StatusCode::OK);
    pair.one.signal("KILL").await;
    drop(pair.one.end().await);
    drop(begun);

    let (answer, ()) = tokio::join!(ask(&pair.other, "k"), async {
        // The dead one's lease still holds.
        assert_eq!(pair.redis.keys().await.len(), 1);
        pair.redis.time_passes().await;
        pair.upstream.is_called(2).await;
        pair.upstream.pass(2 * PIECES); // the first call may not have noticed yet
    });
    assert!(!is_replay(&answer));
    assert_eq!(answer.body, pair.upstream.whole());
    assert!(is_replay(&ask(&pair.other, "k").await));
    assert_eq!(pair.upstream.calls(), 2);
}

#[tokio::test]
async fn an_answer_is_kept_though_redis_was_restarted_in_mid_call() {
    let Some(mut pair) = Pair::start().await else {
        return;
    };
    let (redis, upstream) = (&mut pair.redis, &pair.upstream);
    let (first, ()) = tokio::join!(ask(&pair.one, "k"), async {
        upstream.is_called(1).await;
        redis.stop();
        redis.restart().await;
        upstream.pass(PIECES);
    });
    assert!(!is_replay(&first));
    let again = ask(&pair.other, "k").await;
    assert!(is_replay(&again) && again.body == first.body);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn without_redis_calls_are_made_and_with_it_again_they_are_made_once() {
    let Some(mut pair) = Pair::start().await else {
        return;
    };
    pair.upstream.pass(100 * PIECES);
    pair.redis.stop();
    for calls in 1..=2 {
        assert!(!is_replay(&ask(&pair.one, "k").await));
        assert_eq!(pair.upstream.calls(), calls);
    }
    let log = pair.one.log();
    assert!(log.contains("redis is down"), "{log}");
    assert_eq!(log.matches("not kept").count(), 2, "{log}");

    pair.redis.restart().await;
    soon(async { while !is_replay(&ask(&pair.one, "k").await) {} }).await;
    let calls = pair.upstream.calls();
    assert!(is_replay(&ask(&pair.other, "k").await));
    assert_eq!(pair.upstream.calls(), calls);
    assert!(pair.one.log().contains("redis is up"));
}

#[tokio::test]
async fn a_gateway_that_fails_closed_refuses_keys_while_redis_is_down() {
    let upstream = Gated::start(chat(PIECES - 1, 100)).await;
    upstream.pass(100 * PIECES);
    let nowhere = format!("redis://me:secret@127.0.0.1:{}/", free_port());
    let gateway = before(&upstream, &nowhere, &["--idempotency-fail", "closed"]).await;
    let refused = ask(&gateway, "k").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        refused.field("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(upstream.calls(), 0);
    let without_a_key = gateway.post("/v1/chat/completions", STREAM).await;
    assert_eq!(without_a_key.status, StatusCode::OK);

    let (_, log) = gateway.stop().await;
    assert!(log.contains("does not answer"), "{log}");
    assert!(!log.contains("secret"), "{log}");
}
