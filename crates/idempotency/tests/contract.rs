//! The laws of Tower: who is called when, and what clones share. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod kit;

use buttress_classify::Profile;
use buttress_idempotency::{IdempotencyLayer, MemoryStore};
use buttress_testkit::probe::{PollCounter, ReadinessProbe};
use std::sync::Arc;
use tower::Layer;

use kit::{Upstream, ask, keyed, send};

#[tokio::test(start_paused = true)]
async fn every_call_is_made_on_what_was_readied() {
    let upstream = Upstream::saying("a");
    // It panics if called unready, and its clones are never ready.
    let mut service =
        IdempotencyLayer::new(Profile::HTTP).layer(ReadinessProbe::new(upstream.service()));
    for key in ["1", "2", "1"] {
        let request = keyed(key, "b");
        assert_eq!(send(&mut service, request).await, "a");
    }
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn clones_share_their_calls_and_a_layer_applied_twice_is_one() {
    let upstream = Upstream::saying("a");
    let layer = IdempotencyLayer::new(Profile::HTTP);
    let one = layer.layer(upstream.service());
    let other = layer.clone().layer(upstream.service());
    for service in [one.clone(), one, other.clone(), other] {
        assert_eq!(ask(&service, keyed("k", "b")).await.unwrap().1, "a");
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn layers_may_share_a_store() {
    let upstream = Upstream::saying("a");
    let store = Arc::new(MemoryStore::new());
    for _ in 0..2 {
        let layer = IdempotencyLayer::new(Profile::HTTP).store(Arc::clone(&store));
        let service = layer.layer(upstream.service());
        assert_eq!(ask(&service, keyed("k", "b")).await.unwrap().1, "a");
    }
    assert_eq!(upstream.calls(), 1);
    assert_eq!(store.entries(), 1);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_asked_for_once_a_call_and_nothing_is_polled_in_vain() {
    let upstream = Upstream::saying("a");
    let (inner, polls) = PollCounter::new(upstream.service());
    let mut service = IdempotencyLayer::new(Profile::HTTP).layer(inner);
    for key in ["1", "2", "3"] {
        send(&mut service, keyed(key, "b")).await;
    }
    assert_eq!((polls.ready_polls(), polls.calls()), (3, 3));
    assert_eq!((polls.future_polls(), polls.finished()), (3, 3));
}

#[test]
fn the_defaults_are_what_the_page_says() {
    let shown = format!("{:?}", IdempotencyLayer::new(Profile::HTTP));
    let settings = [
        "header: \"idempotency-key\"",
        "methods: [POST, PATCH]",
        "strict: false",
        "required: false",
        "trust_keys: false",
        "keep_errors: false",
        "duplicates: Join",
        "has_scope: false",
        "has_fingerprints: false",
        "ttl: 86400s",
        "fingerprint_ttl: 60s",
        "max_body: 8388608",
        "max_run: 600s",
        "lease: 30s",
        "orphan_ttl: 30s",
        "running: 0",
        "has_executor: false",
    ];
    for setting in settings {
        assert!(shown.contains(setting), "{setting} is not in {shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_shown_tells_a_key_a_credential_or_a_body() {
    let upstream = Upstream::saying("an answer");
    let mut service = IdempotencyLayer::new(Profile::HTTP).layer(upstream.service());
    let future = tower::Service::call(&mut service, keyed("a-key", "a prompt"));
    let mut shown = format!("{future:?}");
    let answer = future.await.unwrap();
    shown += &format!("{:?}", answer.body());
    for secret in ["a-key", "Bearer", "prompt", "answer"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
