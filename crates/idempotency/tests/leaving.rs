//! Callers who go away, at every point. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and an executor spawns"
)]

mod kit;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::find;
use buttress_idempotency::{Duplicates, IdempotencyLayer, Scope};
use buttress_testkit::body::{ScriptedBody, Step};
use http_body_util::BodyExt;
use tokio::time::{Instant, advance, sleep, timeout};
use tower::{Layer, ServiceExt};

use kit::{Answer, Upstream, ask, is_replay, keyed};

fn layer() -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP)
}

fn with_executor() -> IdempotencyLayer {
    layer().executor(|future| drop(tokio::spawn(future)))
}

fn pause(millis: u64) -> Step {
    Step::Wait(Duration::from_millis(millis))
}

/// A head after 100 ms, and then 100 ms for the body.
fn slow() -> Upstream {
    Upstream::new(|_| Answer::new([Step::data("a"), pause(100), Step::data("b")]).after(100))
}

#[tokio::test(start_paused = true)]
async fn the_first_disconnects_in_mid_stream_and_the_others_go_on() {
    let upstream = slow();
    let service = layer().layer(upstream.service());
    let first = async {
        let mut body = service
            .clone()
            .oneshot(keyed("k", "p"))
            .await
            .unwrap()
            .into_body();
        body.frame().await.unwrap().unwrap();
    };
    let (_, second) = tokio::join!(first, ask(&service, keyed("k", "p")));
    assert_eq!(second.unwrap().1, "ab");
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_only_client_disconnects_and_retries_and_there_was_one_call() {
    for millis in [50, 150] {
        let upstream = slow();
        let service = with_executor().layer(upstream.service());
        let gone = timeout(
            Duration::from_millis(millis),
            ask(&service, keyed("k", "p")),
        )
        .await;
        assert!(gone.is_err());
        let (head, body) = ask(&service, keyed("k", "p")).await.unwrap();
        assert!(!is_replay(&head) && body == "ab", "it is joined");

        let gone = timeout(
            Duration::from_millis(millis),
            ask(&service, keyed("l", "p")),
        )
        .await;
        assert!(gone.is_err());
        sleep(Duration::from_secs(1)).await;
        let (head, body) = ask(&service, keyed("l", "p")).await.unwrap();
        assert!(
            is_replay(&head) && body == "ab",
            "it was finished meanwhile"
        );
        assert_eq!(upstream.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_executor_an_orphan_waits_to_be_adopted_for_a_time() {
    for (wait, calls) in [(29, 1), (31, 2)] {
        let upstream = slow();
        let service = layer().layer(upstream.service());
        let gone = timeout(Duration::from_millis(150), ask(&service, keyed("k", "p"))).await;
        assert!(gone.is_err());
        advance(Duration::from_secs(wait)).await;
        assert!(!upstream.body(0).dropped());
        assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "ab");
        assert_eq!(upstream.calls(), calls);
        assert!(upstream.body(0).dropped());
    }
}

#[tokio::test(start_paused = true)]
async fn an_adopted_orphan_that_is_left_again_waits_again() {
    let upstream = Upstream::new(|_| Answer::new([Step::data("ab")]).after(70_000));
    let service = layer().layer(upstream.service());
    for _ in 0..3 {
        let gone = timeout(Duration::from_millis(20), ask(&service, keyed("k", "p"))).await;
        assert!(gone.is_err());
        advance(Duration::from_secs(20)).await;
    }
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "ab");
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn orphans_go_with_the_layer() {
    let upstream = slow();
    let service = layer().layer(upstream.service());
    let gone = timeout(Duration::from_millis(150), ask(&service, keyed("k", "p"))).await;
    assert!(gone.is_err() && !upstream.body(0).dropped());
    drop(service);
    assert!(upstream.body(0).dropped());
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_key_ends_with_its_last_subscriber() {
    let upstream = slow();
    let layer = with_executor().fingerprints(Scope::credentials);
    let service = layer.layer(upstream.service());
    let keyless = || {
        let mut request = keyed("", "p");
        request.headers_mut().remove("idempotency-key");
        request
    };
    let leave = |millis| timeout(Duration::from_millis(millis), ask(&service, keyless()));
    let (one, two) = tokio::join!(leave(120), leave(150));
    assert!(one.is_err() && two.is_err());
    assert!(upstream.body(0).dropped(), "it was cancelled");
    assert_eq!(ask(&service, keyless()).await.unwrap().1, "ab");
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_gives_the_key_back() {
    for layer in [layer(), with_executor()] {
        let answers = [Answer::panic().after(10), Answer::new([Step::data("a")])];
        let upstream = Upstream::in_turn(answers);
        let service = layer.layer(upstream.service());
        let ask_in_a_task = || {
            let service = service.clone();
            tokio::spawn(async move { ask(&service, keyed("k", "p")).await.map(drop) })
        };
        let (one, two) = tokio::join!(ask_in_a_task(), ask_in_a_task());
        assert!(
            one.unwrap_err().is_panic(),
            "it was polled in this one's task"
        );
        assert!(two.unwrap().is_err(), "and this one was told");
        assert_eq!(upstream.calls(), 1);
        assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
    }
}

#[tokio::test(start_paused = true)]
async fn the_only_caller_of_a_service_that_panics_leaves_nothing_behind() {
    let answers = [Answer::panic().after(10), Answer::new([Step::data("a")])];
    let upstream = Upstream::in_turn(answers);
    let service = layer().layer(upstream.service());
    let owner = service.clone();
    let owner = tokio::spawn(async move { ask(&owner, keyed("k", "p")).await.map(drop) });
    assert!(owner.await.unwrap_err().is_panic());
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
    assert_eq!(upstream.calls(), 2);
}

/// Polls a call so many times, a millisecond apart, and drops it.
async fn poll_and_drop<F: Future>(polls: usize, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    for _ in 0..polls {
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        sleep(Duration::from_millis(1)).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_nobody_else_is_let_down_and_the_next_one_gets_it_all() {
    for polls in 0..14 {
        for joined in [false, true] {
            let upstream = Upstream::new(|_| {
                Answer::new([
                    pause(2),
                    Step::data("a"),
                    pause(2),
                    Step::data("b"),
                    pause(2),
                ])
                .after(2)
            });
            let service = layer().layer(upstream.service());
            let request = || keyed("k", "").map(|_| ScriptedBody::new([pause(2), Step::data("p")]));
            let dropped = poll_and_drop(polls, ask(&service, request()));
            if joined {
                let (dropped, other) = tokio::join!(dropped, ask(&service, request()));
                // If it went away before its request was read, its request's failure is the call's.
                drop(dropped);
                assert!(other.is_ok_and(|(_, body)| body == "ab"), "{polls}");
            } else {
                drop(dropped.await);
            }
            assert_eq!(ask(&service, request()).await.unwrap().1, "ab", "{polls}");
            assert!(upstream.calls() <= 1 + usize::from(polls == 0), "{polls}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_is_shut_down_leaves_no_call_behind() {
    let upstream = slow();
    let service = layer().executor(drop).layer(upstream.service());
    let gone = timeout(Duration::from_millis(150), ask(&service, keyed("k", "p"))).await;
    assert!(gone.is_err());
    assert!(upstream.body(0).dropped());
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "ab");
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_whose_own_body_breaks_fails_alone() {
    let upstream = slow();
    let service = layer().layer(upstream.service());
    let broken = keyed("k", "")
        .map(|_| ScriptedBody::new([Step::Error(std::io::Error::other("gone").into())]));
    let (first, broken) = tokio::join!(ask(&service, keyed("k", "p")), ask(&service, broken));
    assert_eq!(first.unwrap().1, "ab");
    assert!(find::<std::io::Error>(&*broken.err().unwrap()).is_some());
}

#[tokio::test(start_paused = true)]
async fn those_who_are_refused_do_not_keep_an_orphan_alive_for_ever() {
    let stuck = |call| Answer::new([Step::data("a")]).after(if call == 0 { 86_400_000 } else { 0 });
    let upstream = Upstream::new(stuck);
    let service = layer()
        .duplicates(Duplicates::Refuse)
        .layer(upstream.service());
    let ask_again = async || {
        let again = ask(&service, keyed("k", "p"));
        timeout(Duration::from_millis(10), again).await
    };
    assert!(ask_again().await.is_err());
    let start = Instant::now();
    let answer = loop {
        sleep(Duration::from_secs(1)).await;
        // Whoever finds it without anybody adopts it, rather than be refused.
        if let Ok(answer) = ask_again().await {
            break answer;
        }
        sleep(Duration::from_secs(31)).await;
    };
    assert_eq!(answer.unwrap().1, "a");
    assert!(start.elapsed() < Duration::from_secs(70));
}

#[tokio::test(start_paused = true)]
async fn another_payload_does_not_keep_an_orphan_alive() {
    let stuck = |call| Answer::new([Step::data("a")]).after(if call == 0 { 86_400_000 } else { 0 });
    let upstream = Upstream::new(stuck);
    let service = layer().layer(upstream.service());
    let left = timeout(Duration::from_millis(10), ask(&service, keyed("k", "p"))).await;
    assert!(left.is_err());
    for _ in 0..29 {
        sleep(Duration::from_secs(1)).await;
        assert!(ask(&service, keyed("k", "another")).await.is_err());
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
}

#[tokio::test(start_paused = true)]
async fn an_orphan_is_let_go_of_whatever_is_asked_for_next() {
    let upstream = slow();
    let service = layer().layer(upstream.service());
    for key in 0..32 {
        drop(service.clone().oneshot(keyed(&format!("{key}"), "p")).await);
    }
    sleep(Duration::from_secs(31)).await;
    drop(service.oneshot(keyed("one more", "p")).await);
    for call in 0..32 {
        assert!(upstream.body(call).dropped(), "{call}");
    }
}
