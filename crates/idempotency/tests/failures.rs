//! Incidents of other projects that cannot happen here, by the name of the failure. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and callers are tasks of their own"
)]

mod kit;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_classify::Profile;
use buttress_idempotency::IdempotencyLayer;
use buttress_testkit::body::Step;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::{advance, timeout};
use tower::{Layer, ServiceExt};

use kit::{Answer, Upstream, ask, by, is_replay, keyed};

fn layer() -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP)
}

/// Counts how often it is polled.
struct Counted<F>(Pin<Box<F>>, usize);

impl<F: Future> Future for Counted<F> {
    type Output = (F::Output, usize);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.1 += 1;
        let polls = self.1;
        self.0.as_mut().poll(cx).map(|output| (output, polls))
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_concurrent_duplicates_are_one_call_and_each_gets_every_byte() {
    const FRAMES: usize = 50;
    let upstream = Upstream::new(|_| {
        let steps = (0..FRAMES).flat_map(|n| {
            let wait = Step::Wait(Duration::from_millis(10));
            [wait, Step::data(format!("data: {n}\n\n"))]
        });
        Answer::stream(steps).after(100)
    });
    let service = layer().layer(upstream.service());
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move {
                let head = Counted(Box::pin(service.oneshot(keyed("k", "p"))), 0);
                let (answer, polls) = head.await;
                let (bytes, more) =
                    Counted(Box::pin(answer.unwrap().into_body().collect()), 0).await;
                (bytes.unwrap().to_bytes(), polls, more)
            })
        })
        .collect();
    let whole: Bytes = (0..FRAMES)
        .map(|n| format!("data: {n}\n\n"))
        .collect::<String>()
        .into();
    for caller in callers {
        let (bytes, before_the_head, after) = caller.await.unwrap();
        assert_eq!(bytes, whole);
        assert!(before_the_head <= 3, "{before_the_head}");
        assert!(after <= 3 * FRAMES, "{after}");
    }
    assert_eq!(upstream.calls(), 1);
    let polls = upstream.body(0).polls();
    assert!(polls <= 3 * FRAMES, "{polls} polls of the upstream's body");
}

/// 18: a POST that was billed twice.
#[tokio::test(start_paused = true)]
async fn duplicate_billed_posts() {
    // The client's limit is shorter than the call, and it tries again.
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).after(2_500));
    let layer = layer().executor(|future| drop(tokio::spawn(future)));
    let service = layer.layer(upstream.service());
    for _ in 0..2 {
        let gone = timeout(Duration::from_secs(1), ask(&service, keyed("k", "p"))).await;
        assert!(gone.is_err());
    }
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
    assert_eq!(upstream.calls(), 1);
}

/// 32: a 500 is replayed, or replayed in silence, or a key is refused for ever after a crash.
#[tokio::test(start_paused = true)]
async fn idempotency_replays_errors_or_refuses_for_ever() {
    let upstream = Upstream::in_turn([
        Answer::status(500, "oops"),
        Answer::error("crashed"),
        Answer::status(201, "made"),
    ]);
    let service = layer().layer(upstream.service());
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "oops");
    assert!(ask(&service, keyed("k", "p")).await.is_err());
    for again in [false, true] {
        let (head, body) = ask(&service, keyed("k", "p")).await.unwrap();
        assert_eq!((head.status().as_u16(), body), (201, "made".into()));
        assert_eq!(is_replay(&head), again);
    }
}

/// 33: everybody behind one address shares a key.
#[tokio::test(start_paused = true)]
async fn key_scope_shared_by_nat() {
    let upstream = Upstream::new(|call| Answer::new([Step::data(format!("answer {call}"))]));
    let service = layer().layer(upstream.service());
    for (whom, answer) in [
        ("Bearer a", "answer 0"),
        ("Bearer b", "answer 1"),
        ("Bearer a", "answer 0"),
    ] {
        let mut request = by(whom, "k", "p");
        request
            .headers_mut()
            .insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
        assert_eq!(ask(&service, request).await.unwrap().1, answer);
    }
}

/// 40: a stampede when a key expires.
#[tokio::test(start_paused = true)]
async fn cache_stampede_after_a_key_expires() {
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).after(100));
    let service = layer()
        .ttl(Duration::from_secs(60))
        .layer(upstream.service());
    ask(&service, keyed("k", "p")).await.unwrap();
    advance(Duration::from_secs(61)).await;
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { ask(&service, keyed("k", "p")).await.map(drop) })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(upstream.calls(), 2);
}

/// P7: a waiter wakes itself all the time.
#[tokio::test(start_paused = true)]
async fn a_waiter_busy_polls() {
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).after(180));
    let service = layer().layer(upstream.service());
    let first = Counted(Box::pin(service.clone().oneshot(keyed("k", "p"))), 0);
    let waiter = async {
        // In a task of its own: here it is polled whenever the other is.
        let waiter = Counted(Box::pin(service.clone().oneshot(keyed("k", "p"))), 0);
        tokio::spawn(waiter).await.unwrap().1
    };
    let (_, polls) = tokio::join!(first, waiter);
    assert!(polls <= 3, "{polls}");
}

/// P8: the first is cancelled, and everybody who waits fails.
#[tokio::test(start_paused = true)]
async fn the_leader_is_cancelled_and_every_waiter_fails() {
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).after(100));
    let service = layer().layer(upstream.service());
    let leader = timeout(Duration::from_millis(50), ask(&service, keyed("k", "p")));
    let waiters = async {
        tokio::join!(
            ask(&service, keyed("k", "p")),
            ask(&service, keyed("k", "p"))
        )
    };
    let (leader, (one, two)) = tokio::join!(leader, waiters);
    assert!(leader.is_err());
    assert_eq!((one.unwrap().1, two.unwrap().1), ("a".into(), "a".into()));
    assert_eq!(upstream.calls(), 1);
}

/// P9: every answer is kept, a 500 included.
#[tokio::test(start_paused = true)]
async fn every_ok_is_stored() {
    let upstream = Upstream::new(|_| Answer::status(500, "oops"));
    let service = layer().layer(upstream.service());
    for calls in 1..=3 {
        let (head, _) = ask(&service, keyed("k", "p")).await.unwrap();
        assert!(!is_replay(&head));
        assert_eq!(upstream.calls(), calls);
    }
}

/// P18: looked first and called then, without a lock between.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_concurrent_duplicates_both_execute() {
    for round in 0..200 {
        let upstream = Upstream::saying("a");
        let service = layer().layer(upstream.service());
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move { ask(&service, keyed("k", "p")).await.unwrap().1 })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), "a");
        }
        assert_eq!(upstream.calls(), 1, "round {round}");
    }
}
