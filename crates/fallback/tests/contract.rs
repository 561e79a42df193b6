//! The laws of Tower: who is called when, what clones share, what a dropped call leaves behind.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use buttress_core::{Classify, Kind, Outcome, classify_fn};
use buttress_fallback::{Cloned, FallbackLayer, Tier};
use buttress_testkit::probe::{
    PollCounter, ReadinessProbe, Reply, ScriptedHandle, ScriptedService,
};
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt};

type Scripted = ScriptedService<u8, u32, Infallible>;
type Handle = ScriptedHandle<u8, u32, Infallible>;
type Traffic = Cloned<u8, u32>;

/// Whatever is below 100 has failed.
fn classify() -> impl Classify<u32, Infallible> + Clone + Send + Sync + 'static {
    classify_fn(|result: Result<&u32, &Infallible>| match result {
        Ok(100..) => Outcome::SUCCESS,
        _ => Outcome::new(Kind::Transient),
    })
}

fn layer() -> FallbackLayer<impl Classify<u32, Infallible> + Clone, Traffic> {
    FallbackLayer::new(classify())
}

fn always(answer: u32) -> Scripted {
    ScriptedService::from_fn(move |_, _| Reply::Ok(answer)).0
}

/// Always answers this, that much later.
fn late(answer: u32, wait: Duration) -> (Scripted, Handle) {
    ScriptedService::from_fn(move |_, _| Reply::Ok(answer).after(wait))
}

fn tier<S>(name: &str, service: S) -> Tier<Traffic>
where
    S: Service<u8, Response = u32, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    Tier::upstream(name, service, classify())
}

#[tokio::test]
async fn p13_primary_and_tiers_are_called_on_what_was_readied() {
    // The probe panics if called unready, and its clones are never ready.
    let layer = layer()
        .tier(tier("b", ReadinessProbe::new(always(2))))
        .tier(tier("c", ReadinessProbe::new(always(300))));
    let mut service = layer.layer(ReadinessProbe::new(always(1)));
    for _ in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(0).await.unwrap(), 300);
    }
}

#[tokio::test]
async fn ready_is_when_the_primary_is_and_tiers_are_asked_only_if_called_for() {
    let (b, handle) = ScriptedService::<_, _, Infallible>::from_fn(|_, _| Reply::Ok(200));
    handle.hold_readiness();
    let (b, polls) = PollCounter::new(b);
    let (primary, first) = PollCounter::new(always(100));
    let mut service = layer().tier(tier("b", b)).layer(primary);
    assert_eq!(service.ready().await.unwrap().call(0).await.unwrap(), 100);
    assert_eq!((first.ready_polls(), first.calls()), (1, 1));
    assert_eq!((polls.ready_polls(), polls.calls()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn p10_concurrent_calls_do_not_queue_behind_one_tier() {
    let second = Duration::from_secs(1);
    let (slow, handle) = late(200, second);
    let service = layer().tier(tier("slow", slow)).layer(always(1));
    let start = Instant::now();
    let calls: Vec<_> = (0..50).map(|n| service.clone().oneshot(n)).collect();
    let mut calls: Vec<_> = calls.into_iter().map(Box::pin).collect();
    // All of them are under way before the first has its answer.
    std::future::poll_fn(|cx| {
        let pending = calls
            .iter_mut()
            .all(|call| call.as_mut().poll(cx).is_pending());
        assert!(pending);
        Poll::Ready(())
    })
    .await;
    assert_eq!(handle.in_flight(), 50);
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(start.elapsed(), second);
}

#[tokio::test(start_paused = true)]
async fn p10_a_call_that_waits_for_a_tier_to_become_ready_holds_up_nobody_else() {
    let (stuck, handle) = ScriptedService::<_, _, Infallible>::from_fn(|_, _| Reply::Ok(200));
    handle.hold_readiness();
    let service = layer()
        .tier(tier("b", stuck))
        .layer(ScriptedService::from_fn(|n, _| Reply::Ok(if n == 0 { 1 } else { 100 })).0);
    let mut waiting = task::spawn(service.clone().oneshot(0));
    assert_pending!(waiting.poll());
    assert_eq!(service.oneshot(1).await.unwrap(), 100);
    handle.grant_readiness();
    assert!(waiting.is_woken());
    assert_eq!(waiting.await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_tiers_limit_holds_for_all_clones_and_for_a_layer_applied_twice() {
    let (busy, handle) = late(200, Duration::from_secs(1));
    let busy = ConcurrencyLimitLayer::new(2).layer(busy);
    let layer = layer().tier(tier("b", busy));
    let (one, two) = (layer.layer(always(1)), layer.clone().layer(always(1)));
    let mut calls: Vec<_> = [one.clone(), one, two.clone(), two]
        .into_iter()
        .map(|service| task::spawn(service.oneshot(0)))
        .collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    assert_eq!(handle.in_flight(), 2);
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_a_call_leaves_nothing_running() {
    let second = Duration::from_secs(1);
    let (primary, first) = late(1, second);
    let (b, b_calls) = late(2, second);
    let (c, c_calls) = late(300, second);
    let service = layer().tier(tier("b", b)).tier(tier("c", c)).layer(primary);
    for stop_after in 0..3_u32 {
        let mut call = task::spawn(service.clone().oneshot(0));
        assert_pending!(call.poll());
        for _ in 0..stop_after {
            tokio::time::advance(second).await;
            assert_pending!(call.poll());
        }
        let running = [&first, &b_calls, &c_calls].map(|handle| handle.in_flight());
        assert_eq!(running.iter().sum::<usize>(), 1, "one at a time");
        drop(call);
        let running = [&first, &b_calls, &c_calls].map(|handle| handle.in_flight());
        assert_eq!(running, [0, 0, 0]);
    }
}

#[tokio::test]
async fn dropped_while_a_tier_becomes_ready_it_is_never_called() {
    let (b, handle) = ScriptedService::<_, _, Infallible>::from_fn(|_, _| Reply::Ok(200));
    handle.hold_readiness();
    let mut call = task::spawn(layer().tier(tier("b", b)).layer(always(1)).oneshot(0));
    assert_pending!(call.poll());
    drop(call);
    handle.grant_readiness();
    assert_eq!(handle.calls(), 0);
}

#[tokio::test]
async fn a_setter_on_a_clone_leaves_the_original_alone() {
    let original = layer();
    let other = original.clone().tier(tier("b", always(200)));
    assert_eq!(original.layer(always(1)).oneshot(0).await.unwrap(), 1);
    assert_eq!(other.layer(always(1)).oneshot(0).await.unwrap(), 200);
}

#[test]
fn services_and_futures_can_be_sent_and_the_future_is_not_boxed() {
    fn assert_send<T: Send>(_: &T) {}
    fn assert_sync<T: Sync>(_: &T) {}
    let mut service = layer()
        .tier(tier("b", always(200)))
        .layer(tower::service_fn(|n: u8| async move {
            Ok::<u32, Infallible>(u32::from(n))
        }));
    assert_send(&service);
    assert_sync(&service);
    let future = service.call(100);
    assert_send(&future);
    assert!(size_of_val(&future) <= 96, "{}", size_of_val(&future));
}
