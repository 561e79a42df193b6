//! The laws of Tower: who is called when, and what clones share.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::future;
use std::thread;
use std::time::Duration;

use buttress_core::{Backoff, Kind, Outcome, classify_fn};
use buttress_retry::{Cloned, RetryLayer};
use buttress_testkit::probe::{PollCounter, ReadinessProbe, Reply, ScriptedService};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

/// Whatever is below 3 has failed. No delay.
fn layer() -> RetryLayer<impl buttress_core::Classify<u32, Infallible> + Clone, Cloned> {
    RetryLayer::new(classify_fn(
        |result: Result<&u32, &Infallible>| match result {
            Ok(3..) => Outcome::SUCCESS,
            _ => Outcome::new(Kind::Transient),
        },
    ))
    .backoff(Backoff::constant(Duration::ZERO))
}

/// Answers with the number of the call, from 1.
fn counting() -> ScriptedService<u8, u32, Infallible> {
    ScriptedService::from_fn(|call, _| Reply::Ok(u32::try_from(call).unwrap() + 1)).0
}

#[tokio::test]
async fn p13_every_attempt_is_made_on_what_was_readied() {
    // The probe panics if called unready, and its clones are never ready.
    let mut retry = layer().layer(ReadinessProbe::new(counting()));
    assert_eq!(retry.ready().await.unwrap().call(0).await, Ok(3));
    assert_eq!(retry.ready().await.unwrap().call(0).await, Ok(4));
}

#[tokio::test]
async fn p13_a_concurrency_limit_inside_neither_panics_nor_wedges() {
    let mut retry = ServiceBuilder::new()
        .layer(layer())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(counting());
    let one = retry.ready().await.unwrap().call(0).await.unwrap();
    let clone = retry.clone().oneshot(0);
    let two = retry.ready().await.unwrap().call(0).await.unwrap();
    assert_eq!((one, two), (3, 4));
    assert_eq!(clone.await, Ok(5));
}

#[tokio::test]
async fn readiness_is_asked_for_once_per_attempt_and_futures_are_not_polled_in_vain() {
    let (inner, polls) = PollCounter::new(counting());
    let mut retry = layer().layer(inner);
    retry.ready().await.unwrap().call(0).await.unwrap();
    assert_eq!(polls.ready_polls(), 3);
    assert_eq!(polls.calls(), 3);
    assert_eq!(polls.future_polls(), 3);
}

#[tokio::test]
async fn a_layer_applied_twice_has_one_budget_and_so_have_all_clones() {
    let layer = layer();
    let one = layer.layer(counting());
    let two = layer.clone().layer(counting());
    one.clone().oneshot(0).await.unwrap();
    let budget = two.budget().unwrap();
    // Two retries at 14, the last of which came back.
    assert_eq!(budget.tokens(), 500 - 14);
    assert_eq!(one.budget().unwrap().tokens(), budget.tokens());
}

#[test]
fn a_call_counts_once_whichever_thread_it_starts_and_ends_on() {
    let stuck = tower::service_fn(|_: u8| future::pending::<Result<u32, Infallible>>());
    let retry = layer().layer(stuck);
    let budget = retry.budget().unwrap().clone();
    let mut calls: Vec<_> = (0..40)
        .map(|n| {
            let mut retry = retry.clone();
            thread::spawn(move || retry.call(n)).join().unwrap()
        })
        .collect();
    assert_eq!(budget.active_calls(), 40);
    let some = calls.split_off(10);
    thread::spawn(|| drop(some)).join().unwrap();
    assert_eq!(budget.active_calls(), 10);
    drop(calls);
    assert_eq!(budget.active_calls(), 0);
}

#[tokio::test]
async fn a_setter_on_a_clone_leaves_the_original_alone() {
    let layer = layer();
    let impatient = layer.clone().without_budget();
    assert!(impatient.layer(counting()).budget().is_none());
    assert!(layer.layer(counting()).budget().is_some());
}

#[test]
fn services_and_futures_can_be_sent_and_the_future_is_not_boxed() {
    fn assert_send<T: Send>(_: &T) {}
    let mut retry = layer().layer(tower::service_fn(|n: u8| async move {
        Ok::<u32, Infallible>(u32::from(n))
    }));
    assert_send(&retry);
    let future = retry.call(3);
    assert_send(&future);
    // There is room for no timer in it: one is made for the first delay.
    assert!(size_of_val(&future) <= 128);
}
