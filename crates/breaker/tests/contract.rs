//! The laws of Tower: who is called when, and what clones share. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::task::Poll;
use std::time::Duration;

use buttress_breaker::{AnyRequest, CircuitBreakerLayer, CircuitOpen, CircuitState, Unkeyed};
use buttress_classify::Profile;
use buttress_core::{BoxError, Classify, Kind, Outcome, classify_fn, find};
use buttress_testkit::body::ScriptedBody;
use buttress_testkit::probe::{
    PollCounter, ReadinessProbe, Reply, ScriptedHandle, ScriptedService,
};
use http::{Request, Response};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

/// Long enough for any first open wait, jitter included.
const OPEN_WAIT: Duration = Duration::from_secs(34);

type Inner = ScriptedService<u8, u8, &'static str>;
type Handle = ScriptedHandle<u8, u8, &'static str>;

/// An error is a failure, whatever it is.
fn layer() -> CircuitBreakerLayer<
    impl Classify<u8, &'static str, Watch = buttress_core::Never> + Clone,
    Unkeyed,
    AnyRequest,
> {
    CircuitBreakerLayer::new(classify_fn(
        |result: Result<&u8, &&'static str>| match result {
            Ok(_) => Outcome::SUCCESS,
            Err(_) => Outcome::new(Kind::Transient),
        },
    ))
}

/// Fails when asked for 0, and answers everything else with itself.
fn inner() -> (Inner, Handle) {
    ScriptedService::from_fn(|_, asked| match asked {
        0 => Reply::Err("down"),
        _ => Reply::Ok(asked),
    })
}

/// Calls once, on what was readied.
async fn send<S, Req>(service: &mut S, request: Req) -> Result<S::Response, S::Error>
where
    S: Service<Req>,
{
    service.ready().await?.call(request).await
}

/// Asks whether it is ready, as a task that notices when it is woken.
fn ready<S>(service: &mut task::Spawn<S>) -> Poll<Result<(), S::Error>>
where
    S: Service<u8> + Unpin,
{
    service.enter(|context, mut service| service.poll_ready(context))
}

async fn break_down<S>(service: &mut S)
where
    S: Service<u8, Error = BoxError>,
{
    for _ in 0..5 {
        assert!(send(service, 0).await.is_err());
    }
}

fn is_refusal<T>(result: &Result<T, BoxError>) -> bool {
    let error = result.as_ref().err();
    error.is_some_and(|error| find::<CircuitOpen>(&**error).is_some())
}

#[tokio::test(start_paused = true)]
async fn every_call_is_made_on_what_was_readied_a_probe_included() {
    // The probe panics if called unready, and its clones are never ready.
    let (inner, handle) = inner();
    let mut service = layer().layer(ReadinessProbe::new(inner));
    assert_eq!(send(&mut service, 7).await.unwrap(), 7);
    break_down(&mut service).await;
    assert!(is_refusal(&send(&mut service, 7).await));
    tokio::time::advance(OPEN_WAIT).await;
    assert_eq!(send(&mut service, 7).await.unwrap(), 7);
    assert_eq!(send(&mut service.clone(), 7).await.unwrap(), 7);
    assert_eq!(handle.calls(), 8);
}

#[tokio::test(start_paused = true)]
async fn while_it_is_open_the_inner_service_is_neither_readied_nor_called() {
    let (inner, handle) = inner();
    let (inner, polls) = PollCounter::new(inner);
    let mut service = layer().layer(inner);
    break_down(&mut service).await;
    let before = (polls.ready_polls(), polls.calls());
    // It would not even become ready.
    handle.hold_readiness();
    for _ in 0..10 {
        assert!(is_refusal(&send(&mut service, 7).await));
    }
    assert_eq!((polls.ready_polls(), polls.calls()), before);
}

#[tokio::test(start_paused = true)]
async fn while_it_is_closed_readiness_is_asked_for_once_a_call_and_nothing_is_polled_in_vain() {
    let (inner, _) = inner();
    let (inner, polls) = PollCounter::new(inner);
    let mut service = layer().layer(inner);
    for _ in 0..3 {
        send(&mut service, 7).await.unwrap();
    }
    assert_eq!((polls.ready_polls(), polls.calls()), (3, 3));
    assert_eq!((polls.future_polls(), polls.finished()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn who_was_told_that_it_is_ready_is_not_told_otherwise_before_the_call() {
    let (inner, handle) = inner();
    let mut service = task::spawn(layer().layer(ReadinessProbe::new(inner)));
    for _ in 0..5 {
        assert_ready_ok!(ready(&mut service));
        drop(service.call(0).await);
    }
    assert_ready_ok!(ready(&mut service));
    handle.hold_readiness();
    tokio::time::advance(OPEN_WAIT).await;
    // The inner service has to be readied for a probe, and is not ready.
    assert_ready_ok!(ready(&mut service));
    assert!(is_refusal(&service.call(7).await));
    assert_pending!(ready(&mut service));
    handle.grant_readiness();
    assert!(service.is_woken());
    assert_ready_ok!(ready(&mut service));
    assert_eq!(service.call(7).await.unwrap(), 7);

    // And if it becomes ready before the call, there is no need to refuse.
    for _ in 0..5 {
        assert_ready_ok!(ready(&mut service));
        drop(service.call(0).await);
    }
    assert_ready_ok!(ready(&mut service));
    // It has not been closed for long: it waits for longer.
    tokio::time::advance(OPEN_WAIT * 2).await;
    assert_ready_ok!(ready(&mut service));
    assert_eq!(service.call(7).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_promised_by_a_circuit_that_has_closed_since_names_no_wait() {
    let (inner, _) = inner();
    let layer = layer();
    let mut service = layer.layer(ReadinessProbe::new(inner));
    layer.handle().force_open();
    for (reset, wait) in [(false, 30), (true, 0)] {
        service.ready().await.unwrap();
        if reset {
            layer.handle().reset();
        }
        let error = service.call(7).await.unwrap_err();
        let refusal: &CircuitOpen = find(&*error).unwrap();
        assert_eq!(refusal.retry_after(), Duration::from_secs(wait));
    }
    assert_eq!(send(&mut service, 7).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_clone_of_a_service_that_would_refuse_has_promised_nothing() {
    let (inner, handle) = inner();
    let mut service = layer().layer(ReadinessProbe::new(inner));
    break_down(&mut service).await;
    service.ready().await.unwrap();
    tokio::time::advance(OPEN_WAIT).await;
    let mut clone = service.clone();
    assert_eq!(send(&mut clone, 7).await.unwrap(), 7);
    assert_eq!(handle.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn readiness_that_a_refused_call_left_unused_is_there_for_the_next_one() {
    let (inner, handle) = inner();
    let layer = layer();
    let limited = ConcurrencyLimitLayer::new(1).layer(inner);
    let mut one = layer.layer(limited.clone());
    let other = layer.layer(limited);
    one.ready().await.unwrap();
    layer.handle().force_open();
    assert!(is_refusal(&one.call(7).await));
    layer.handle().reset();
    // The place is still reserved: for who holds it, and for nobody else.
    assert_eq!(send(&mut one, 7).await.unwrap(), 7);

    one.ready().await.unwrap();
    layer.handle().force_open();
    assert!(is_refusal(&one.call(7).await));
    layer.handle().reset();
    let mut other = task::spawn(other);
    assert_pending!(ready(&mut other));
    drop(one);
    assert!(other.is_woken(), "dropping the service gives it back");
    assert_ready_ok!(ready(&mut other));
    assert_eq!(handle.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_inside_neither_panics_nor_wedges() {
    let (inner, _) = inner();
    let layer = layer();
    let mut service = ServiceBuilder::new()
        .layer(layer.clone())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(inner);
    break_down(&mut service).await;
    assert!(is_refusal(&send(&mut service, 7).await));
    tokio::time::advance(OPEN_WAIT).await;
    let clone = service.clone().oneshot(7);
    assert_eq!(send(&mut service, 7).await.unwrap(), 7);
    assert_eq!(clone.await.unwrap(), 7);
    assert_eq!(layer.handle().state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_counts_like_one_of_a_call() {
    let (inner, handle) = inner();
    let layer = layer();
    let mut service = task::spawn(layer.layer(inner));
    for left in (0..5).rev() {
        assert_eq!(layer.handle().state(), CircuitState::Closed, "{left} left");
        handle.fail_readiness("gone");
        let error = assert_ready_err!(ready(&mut service));
        assert_eq!(error.to_string(), "gone");
    }
    assert_eq!(layer.handle().state(), CircuitState::Open);

    tokio::time::advance(OPEN_WAIT).await;
    handle.fail_readiness("gone");
    assert_ready_err!(ready(&mut service));
    assert_eq!(
        layer.handle().state(),
        CircuitState::Open,
        "that was a probe"
    );
    assert_ready_ok!(ready(&mut service));
    assert!(is_refusal(&service.call(7).await));
}

#[tokio::test(start_paused = true)]
async fn with_a_circuit_per_key_an_error_of_readiness_counts_nowhere() {
    let (inner, handle) = inner();
    let layer = layer().key(|request: &u8| *request);
    let mut service = task::spawn(layer.layer(inner));
    for _ in 0..5 {
        handle.fail_readiness("gone");
        assert_ready_err!(ready(&mut service));
    }
    assert_ready_ok!(ready(&mut service));
    assert_eq!(service.call(7).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn p5_a_layer_applied_twice_has_one_circuit_and_so_have_all_clones() {
    let layer = layer();
    let (one, two) = (inner(), inner());
    let mut one = layer.layer(one.0);
    let two = layer.clone().layer(two.0);
    break_down(&mut one).await;
    assert!(is_refusal(&two.oneshot(7).await));
    assert_eq!(layer.handle().state(), CircuitState::Open);

    let layer = layer.key(|request: &u8| *request > 9);
    let mut one = layer.layer(inner().0);
    break_down(&mut one).await;
    assert!(is_refusal(&layer.clone().layer(inner().0).oneshot(1).await));
    assert_eq!(layer.layer(inner().0).oneshot(10).await.unwrap(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_setter_gives_the_layer_that_it_returns_circuits_of_its_own() {
    let layer = layer();
    let named = layer.clone().name("named");
    let strict = named.clone().policy(buttress_breaker::Policy::DEFAULT);
    layer.handle().force_open();
    assert_eq!(named.handle().state(), CircuitState::Closed);
    named.handle().force_open();
    assert_eq!(strict.handle().state(), CircuitState::Closed);
    assert_eq!(strict.handle().name(), Some("named"));
}

#[test]
fn services_and_futures_can_be_sent_and_the_future_is_not_boxed() {
    fn assert_shareable<T: Send + Sync + Unpin>(_: &T) {}
    let mut bare = tower::service_fn(|n: u8| std::future::ready(Ok::<u8, &'static str>(n)));
    let mut service = layer().layer(bare);
    assert_shareable(&service);
    assert_shareable(&layer().key(|n: &u8| *n).layer(bare));
    let future = service.call(3);
    assert_shareable(&future);
    assert!(size_of_val(&future) <= size_of_val(&bare.call(3)) + 16);
}

#[tokio::test]
async fn bodies_can_be_shared_and_moved_where_the_inner_ones_can() {
    fn assert_shareable<T: Send + Sync + Unpin>(_: &T) {}
    let (inner, _) = ScriptedService::<_, _, Infallible>::new([Reply::Ok(Response::new(
        ScriptedBody::full("text"),
    ))]);
    let service = CircuitBreakerLayer::http(Profile::HTTP).layer(inner);
    let answer = service.oneshot(Request::new(())).await.unwrap();
    assert_shareable(answer.body());
}
