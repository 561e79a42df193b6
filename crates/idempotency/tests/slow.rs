//! Readers who do not read, and stores that take their time. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and an executor spawns"
)]

mod kit;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::find;
use buttress_idempotency::{CallId, IdempotencyStore, Lease, Reply, Stored};
use buttress_idempotency::{Claim, IdempotencyLayer, MemoryStore, RunElapsed};
use buttress_testkit::body::Step;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt};

use kit::wire::Wire;
use kit::{Answer, Upstream, ask, is_replay, keyed, read};

fn layer(store: &Wire) -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP).store(store.clone())
}

fn with_executor(store: &Wire) -> IdempotencyLayer {
    layer(store).executor(|future| drop(tokio::spawn(future)))
}

fn pause(secs: u64) -> Step {
    Step::Wait(Duration::from_secs(secs))
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_while_a_client_reads_more_slowly_than_the_answer_comes() {
    for layer in [layer, with_executor] {
        let chunks = || Answer::new((0..10).map(|_| Step::data("chunk")));
        let (store, upstream) = (Wire::new(), Upstream::new(move |_| chunks()));
        let one = layer(&store).layer(upstream.service());
        let two = layer(&store).layer(upstream.service());
        let mut answer = one.oneshot(keyed("k", "p")).await.unwrap();
        let reading = tokio::spawn(async move {
            while let Some(frame) = answer.frame().await {
                frame.unwrap();
                sleep(Duration::from_secs(5)).await;
            }
        });
        sleep(Duration::from_secs(41)).await;
        assert!(!reading.is_finished());
        ask(&two, keyed("k", "p")).await.unwrap();
        assert_eq!(upstream.calls(), 1);
        assert!((2..=4).contains(&store.renewals()), "{}", store.renewals());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_while_nobody_reads_but_not_for_ever() {
    let (store, upstream) = (
        Wire::new(),
        Upstream::new(|_| Answer::new([Step::data("a"), pause(1), Step::data("b")])),
    );
    let one = with_executor(&store).layer(upstream.service());
    let two = with_executor(&store).layer(upstream.service());
    let stopped = one.oneshot(keyed("k", "p")).await.unwrap();
    sleep(Duration::from_secs(500)).await;
    let other = timeout(Duration::from_secs(60), ask(&two, keyed("k", "p"))).await;
    assert!(other.is_err() && upstream.calls() == 1);
    // A call may take 600 s.
    sleep(Duration::from_secs(100)).await;
    ask(&two, keyed("k", "p")).await.unwrap();
    assert_eq!(upstream.calls(), 2);
    drop(stopped);
}

#[tokio::test(start_paused = true)]
async fn nobody_renews_the_lease_of_a_call_that_has_ended() {
    let (store, upstream) = (Wire::new(), Upstream::saying("a"));
    let service = with_executor(&store).layer(upstream.service());
    ask(&service, keyed("k", "p")).await.unwrap();
    sleep(Duration::from_secs(100)).await;
    assert_eq!(store.renewals(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_running_when_a_call_has_ended() {
    for answer in [|| Answer::new([Step::data("a")]), || Answer::error("no")] {
        let (store, upstream) = (Wire::new(), Upstream::new(move |_| answer().after(1000)));
        let running = Arc::new(());
        let spawned = Arc::clone(&running);
        let layer = layer(&store).executor(move |future| {
            let running = Arc::clone(&spawned);
            drop(tokio::spawn(async move {
                future.await;
                drop(running);
            }));
        });
        let service = layer.layer(upstream.service());
        let started = Arc::strong_count(&running);
        let asking = tokio::spawn(async move { ask(&service, keyed("k", "p")).await.is_ok() });
        sleep(Duration::from_millis(500)).await;
        assert_eq!(Arc::strong_count(&running), started + 1);
        asking.await.unwrap();
        sleep(Duration::from_millis(500)).await;
        assert_eq!(Arc::strong_count(&running), started);
    }
}

/// Others see it, and it answers at once.
struct Quick(MemoryStore, Wire);

impl IdempotencyStore for Quick {
    fn is_shared(&self) -> bool {
        true
    }

    fn claim(&self, call: &CallId, lease: Duration) -> Reply<Claim> {
        self.0.claim(call, lease)
    }

    fn renew(&self, lease: &Lease, time: Duration) -> Reply<bool> {
        drop(self.1.renew(lease, time)); // counts
        Reply::now(true)
    }

    fn finish(&self, lease: Lease, answer: Stored, ttl: Duration) -> Reply<bool> {
        self.0.finish(lease, answer, ttl)
    }

    fn release(&self, lease: Lease) -> Reply<()> {
        self.0.release(lease)
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_no_time_is_not_renewed_all_the_time() {
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).after(1000));
    let counter = Wire::new();
    let service = IdempotencyLayer::new(Profile::HTTP)
        .lease(Duration::ZERO)
        .store(Quick(MemoryStore::new(), counter.clone()))
        .layer(upstream.service());
    ask(&service, keyed("k", "p")).await.unwrap();
    assert!(
        (1..100).contains(&counter.renewals()),
        "{}",
        counter.renewals()
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_begun_is_not_made_for_nobody() {
    let failing = |_| Answer::status(500, "oops").after(1000);
    let (store, upstream) = (Wire::new(), Upstream::new(failing));
    let one = with_executor(&store).layer(upstream.service());
    let two = with_executor(&store).layer(upstream.service());
    let first = tokio::spawn(async move { ask(&one, keyed("k", "p")).await.unwrap() });
    sleep(Duration::from_millis(10)).await;
    let left = timeout(Duration::from_millis(100), ask(&two, keyed("k", "p"))).await;
    assert!(left.is_err());
    assert_eq!(first.await.unwrap().0.status(), 500);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_for_another_process_holds_no_place_in_the_inner_service() {
    let (store, upstream) = (
        Wire::new(),
        Upstream::new(|_| Answer::new([Step::data("a")]).after(20_000)),
    );
    let one = layer(&store).layer(upstream.service());
    let one_at_a_time = tower::limit::ConcurrencyLimit::new(Upstream::saying("b").service(), 1);
    let two = layer(&store).layer(one_at_a_time);
    let first = tokio::spawn(async move { ask(&one, keyed("k", "p")).await.unwrap().1 });
    sleep(Duration::from_millis(10)).await;
    let waiting = tokio::spawn({
        let two = two.clone();
        async move { ask(&two, keyed("k", "p")).await.unwrap().1 }
    });
    sleep(Duration::from_millis(10)).await;
    let start = Instant::now();
    ask(&two, keyed("another", "p")).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(
        (first.await.unwrap(), waiting.await.unwrap()),
        ("a".into(), "a".into())
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_for_another_process_readies_the_service_before_the_call() {
    let answers = |call| Answer::status(if call == 0 { 500 } else { 200 }, "b").after(1000);
    let (store, upstream) = (Wire::new(), Upstream::new(answers));
    let inner = buttress_testkit::probe::ReadinessProbe::new(upstream.service());
    let one = layer(&store).layer(upstream.service());
    let two = layer(&store).layer(inner);
    let first = tokio::spawn(async move { ask(&one, keyed("k", "p")).await.unwrap().0 });
    sleep(Duration::from_millis(10)).await;
    assert_eq!(ask(&two, keyed("k", "p")).await.unwrap().0.status(), 200);
    assert_eq!(first.await.unwrap().status(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_call_out_of_time_gives_its_key_back_at_once() {
    let slow_first =
        |call| Answer::new([Step::data("a")]).after(if call == 0 { 100_000 } else { 0 });
    let (store, upstream) = (Wire::new(), Upstream::new(slow_first));
    let layer = layer(&store).max_run(Duration::from_secs(2));
    let service = layer.layer(upstream.service());
    let error = ask(&service, keyed("k", "p")).await.unwrap_err();
    assert!(find::<RunElapsed>(&*error).is_some());
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
    // Also in the middle of its answer.
    let stalls = |call| Answer::new([Step::data("a"), pause(if call == 0 { 10 } else { 0 })]);
    let upstream = Upstream::new(stalls);
    let service = layer.layer(upstream.service());
    ask(&service, keyed("l", "p")).await.unwrap_err();
    assert_eq!(ask(&service, keyed("l", "p")).await.unwrap().1, "a");
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_no_error_because_the_store_is_slow() {
    let store = Wire::slow_to_keep(Duration::from_secs(5));
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).after(900));
    let layer = layer(&store).max_run(Duration::from_secs(1));
    let answer = layer
        .layer(upstream.service())
        .oneshot(keyed("k", "p"))
        .await;
    assert_eq!(read(answer.unwrap()).await, "a");
}

/// It gives leases, and never says what became of them.
struct Mute(MemoryStore);

impl IdempotencyStore for Mute {
    fn claim(&self, call: &CallId, lease: Duration) -> Reply<Claim> {
        self.0.claim(call, lease)
    }

    fn renew(&self, _lease: &Lease, _time: Duration) -> Reply<bool> {
        Reply::later(pending())
    }

    fn finish(&self, _lease: Lease, _answer: Stored, _ttl: Duration) -> Reply<bool> {
        Reply::later(pending())
    }

    fn release(&self, _lease: Lease) -> Reply<()> {
        Reply::later(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_keeps_nobody_from_an_end() {
    let layer = IdempotencyLayer::new(Profile::HTTP)
        .max_run(Duration::from_secs(1))
        .store(Mute(MemoryStore::new()));
    let answers = [
        Answer::new([Step::data("a")]),
        Answer::error("no"),
        Answer::new([]).after(10_000),
        Answer::new([Step::data("b"), pause(10)]),
    ];
    let service = layer.layer(Upstream::in_turn(answers).service());
    let mut ends = Vec::new();
    for key in ["whole", "failed", "late", "stalled"] {
        let end = timeout(Duration::from_secs(5), ask(&service, keyed(key, "p"))).await;
        ends.push(end.expect(key).map(|(_, body)| body));
    }
    assert_eq!(ends[0].as_ref().unwrap(), "a");
    assert!(find::<RunElapsed>(&**ends[1].as_ref().unwrap_err()).is_none());
    assert!(find::<RunElapsed>(&**ends[2].as_ref().unwrap_err()).is_some());
    assert!(find::<RunElapsed>(&**ends[3].as_ref().unwrap_err()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_gets_no_place_again_is_waited_for_no_longer_than_a_call_takes() {
    let failing = |_| Answer::status(500, "oops").after(1000);
    let (store, upstream) = (Wire::new(), Upstream::new(failing));
    let one = layer(&store).layer(upstream.service());
    let mut full = tower::limit::ConcurrencyLimit::new(upstream.service(), 1);
    let two = layer(&store)
        .max_run(Duration::from_secs(5))
        .layer(full.clone());
    let first = tokio::spawn(async move { ask(&one, keyed("k", "p")).await.unwrap() });
    sleep(Duration::from_millis(10)).await;
    let start = Instant::now();
    let second = tokio::spawn(async move { ask(&two, keyed("k", "p")).await });
    sleep(Duration::from_millis(10)).await;
    let ready: Result<_, _> =
        ServiceExt::<http::Request<http_body_util::Full<bytes::Bytes>>>::ready(&mut full).await;
    ready.unwrap();
    let second = timeout(Duration::from_secs(60), second).await;
    let error = second.expect("it ends").unwrap().unwrap_err();
    assert!(find::<RunElapsed>(&*error).is_some());
    assert!(start.elapsed() < Duration::from_secs(6));
    // The key is free.
    assert_eq!(first.await.unwrap().0.status(), 500);
    let three = layer(&store).layer(upstream.service());
    assert_eq!(ask(&three, keyed("k", "p")).await.unwrap().0.status(), 500);
    assert_eq!(upstream.calls(), 2);
}

/// HTTP/1 servers send as many bytes as the head has promised, and ask for nothing more.
#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_though_its_reader_stops_at_its_last_byte() {
    let memory = IdempotencyLayer::new(Profile::HTTP);
    for layer in [memory, layer(&Wire::new())] {
        let upstream =
            Upstream::new(|_| Answer::new([Step::data("a")]).with("content-length", "1"));
        let service = layer.layer(upstream.service());
        let mut answer = service.clone().oneshot(keyed("k", "p")).await.unwrap();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "a");
        assert!(http_body::Body::is_end_stream(answer.body()));
        drop(answer);
        assert!(is_replay(&ask(&service, keyed("k", "p")).await.unwrap().0));
        assert_eq!(upstream.calls(), 1);
    }
}

/// An empty one is whole with its head.
#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_kept_before_its_head_is_told() {
    let memory = IdempotencyLayer::new(Profile::HTTP);
    for layer in [memory, layer(&Wire::new())] {
        let upstream = Upstream::new(|_| Answer::new([]));
        let service = layer.layer(upstream.service());
        let answer = service.clone().oneshot(keyed("k", "p")).await.unwrap();
        assert!(http_body::Body::is_end_stream(answer.body()));
        drop(answer);
        assert!(is_replay(&ask(&service, keyed("k", "p")).await.unwrap().0));
    }
}
