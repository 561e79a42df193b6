//! The laws of Tower and of bodies.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::time::Duration;

use buttress_core::BoxError;
use buttress_testkit::body::{ScriptedBody, Step};
use buttress_testkit::probe::{PollCounter, ReadinessProbe, Reply, ScriptedService};
use buttress_timeout::{IdleTimeoutBody, StreamTimeoutBody, StreamTimeoutLayer};
use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

type Answer = Response<ScriptedBody>;

fn answering() -> ScriptedService<Request<()>, Answer, BoxError> {
    ScriptedService::from_fn(|_, _| Reply::Ok(Response::new(ScriptedBody::full("x"))).after(SECOND))
        .0
}

#[tokio::test(start_paused = true)]
async fn what_was_readied_is_what_is_called() {
    // The probe panics if called unready, and its clones are never ready.
    let mut service = StreamTimeoutLayer::new().layer(ReadinessProbe::new(answering()));
    for _ in 0..2 {
        let call = service.ready().await.unwrap().call(Request::new(()));
        assert!(call.await.is_ok());
    }
    let clone = service.clone().oneshot(Request::new(())).await;
    assert!(clone.is_ok(), "a clone asks for itself");
}

#[tokio::test(start_paused = true)]
async fn readiness_is_the_inner_services_own_however_long_it_takes() {
    let (inner, handle) = ScriptedService::<Request<()>, Answer, BoxError>::new([Reply::Ok(
        Response::new(ScriptedBody::full("x")),
    )]);
    handle.hold_readiness();
    let mut service = StreamTimeoutLayer::new().first_frame(SECOND).layer(inner);
    let waited = tokio::time::timeout(SECOND * 3_600, service.ready()).await;
    assert!(waited.is_err(), "no limit of ours");
    handle.grant_readiness();
    assert!(service.ready().await.is_ok());
    handle.fail_readiness("out of order".into());
    assert_eq!(
        service.ready().await.err().unwrap().to_string(),
        "out of order"
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_is_polled_in_vain() {
    let (inner, polls) = PollCounter::new(answering());
    let mut service = StreamTimeoutLayer::new().layer(inner);
    let call = service.ready().await.unwrap().call(Request::new(()));
    assert!(call.await.is_ok());
    assert_eq!(
        (polls.ready_polls(), polls.calls(), polls.future_polls()),
        (1, 1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn while_it_waits_it_is_woken_four_times_per_limit_and_no_more() {
    let body = ScriptedBody::new([Step::data("x"), Step::Wait(SECOND * 99), Step::data("x")]);
    let inner = body.handle();
    let mut body = IdleTimeoutBody::new(body, SECOND * 100);
    for _ in 0..3 {
        drop(std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await);
    }
    // Two frames and the end; the wait itself, and three looks at the clock.
    assert_eq!(inner.polls(), 3 + 1 + 3);
}

#[test]
fn a_layer_applied_twice_shares_nothing() {
    fn copy<T: Copy>(_: &T) {}
    let layer = StreamTimeoutLayer::new();
    copy(&layer);
    let one = layer.layer(answering());
    drop(one);
    assert!(format!("{:?}", layer.idle(SECOND)).contains("idle: Some(1s)"));
    assert!(
        format!("{layer:?}").contains("idle: Some(180s)"),
        "a setter makes another"
    );
}

#[test]
fn everything_may_go_anywhere_and_the_future_is_not_boxed() {
    fn anywhere<T: Send + Sync + Unpin>(_: &T) {}
    let mut service = StreamTimeoutLayer::new().layer(tower::service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(ScriptedBody::full("x"))))
    }));
    anywhere(&service);
    let future = service.call(Request::new(()));
    anywhere(&future);
    anywhere(&IdleTimeoutBody::new(ScriptedBody::full("x"), SECOND));
}

#[test]
fn a_timed_body_is_as_large_as_its_documentation_says() {
    let own = size_of::<StreamTimeoutBody<Box<u8>>>() - size_of::<Box<u8>>();
    assert!(own <= 136, "{own} bytes on top of the inner body");
}
