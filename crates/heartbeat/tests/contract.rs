//! The laws of Tower: who is called when, and what clones share.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::time::Duration;

use buttress_heartbeat::{
    EagerFuture, HeartbeatBody, HeartbeatSseLayer, ResponseFuture, ScannedBody, SplicedBody,
    WantsStream, wants_stream,
};
use buttress_testkit::body::ScriptedBody;
use buttress_testkit::probe::{PollCounter, ReadinessProbe, Reply, ScriptedService};
use http::{Request, Response};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

type Plain = Request<ScriptedBody>;
type Scanned = Request<ScannedBody<ScriptedBody>>;
type Answer = Response<ScriptedBody>;

fn request() -> Plain {
    Request::new(ScriptedBody::new([]))
}

fn answering<R: 'static>() -> ScriptedService<R, Answer, Infallible> {
    ScriptedService::from_fn(|_, _| Reply::Ok(Response::new(ScriptedBody::full("a")))).0
}

#[tokio::test]
async fn only_what_was_readied_is_called() {
    // The probe panics if called unready, and its clones are never ready.
    let mut plain = HeartbeatSseLayer::new().layer(ReadinessProbe::new(answering::<Plain>()));
    let eager = HeartbeatSseLayer::new().eager(Duration::ZERO, |_: &_| true);
    let mut eager = eager.layer(ReadinessProbe::new(answering::<Scanned>()));
    for _ in 0..2 {
        plain.ready().await.unwrap().call(request()).await.unwrap();
        eager.ready().await.unwrap().call(request()).await.unwrap();
    }
}

#[tokio::test]
async fn a_readiness_that_is_held_back_or_lost_is_passed_on() {
    let (inner, handle) = ScriptedService::<Plain, Answer, &str>::new([]);
    let mut service = HeartbeatSseLayer::new().layer(inner);
    handle.fail_readiness("broken");
    assert_eq!(service.ready().await.map(drop), Err("broken"));
    handle.hold_readiness();
    let waited = tokio::time::timeout(Duration::from_millis(1), service.ready()).await;
    assert!(waited.is_err());
}

#[tokio::test]
async fn a_limit_inside_is_kept_and_released() {
    let mut service = ServiceBuilder::new()
        .layer(HeartbeatSseLayer::new())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(answering::<Plain>());
    let clone = service.clone();
    service
        .ready()
        .await
        .unwrap()
        .call(request())
        .await
        .unwrap();
    clone.oneshot(request()).await.unwrap();
}

#[tokio::test]
async fn nothing_is_polled_in_vain() {
    let (inner, polls) = PollCounter::new(answering::<Plain>());
    HeartbeatSseLayer::new()
        .layer(inner)
        .oneshot(request())
        .await
        .unwrap();
    assert_eq!((polls.calls(), polls.future_polls()), (1, 1));
    let (inner, polls) = PollCounter::new(answering::<Scanned>());
    let eager = HeartbeatSseLayer::new().eager(Duration::ZERO, wants_stream);
    eager.layer(inner).oneshot(request()).await.unwrap();
    assert_eq!((polls.calls(), polls.future_polls()), (1, 1));
}

#[tokio::test]
async fn a_layer_makes_any_number_of_services_and_each_can_be_cloned() {
    let layer = HeartbeatSseLayer::new().eager(Duration::from_secs(5), wants_stream);
    for service in [
        layer.layer(answering::<Scanned>()),
        layer.layer(answering()),
    ] {
        let clone = service.clone();
        service.oneshot(request()).await.unwrap();
        clone.oneshot(request()).await.unwrap();
    }
}

#[test]
fn futures_are_as_small_as_what_they_hold() {
    type Inner = std::future::Ready<Result<Answer, Infallible>>;
    assert!(size_of::<ResponseFuture<Inner>>() <= size_of::<Inner>() + 32);
    assert!(size_of::<EagerFuture<[u8; 64]>>() <= 384);
}

#[test]
fn bodies_are_send_sync_and_unpin_where_what_they_hold_is() {
    fn check<T: Send + Sync + Unpin + 'static>() {}
    type Inner = std::future::Ready<Result<Answer, Infallible>>;
    check::<HeartbeatBody<ScriptedBody>>();
    check::<HeartbeatBody<SplicedBody<Inner, ScriptedBody>>>();
    check::<ScannedBody<ScriptedBody>>();
}

#[test]
fn everything_can_be_shown_and_says_nothing_of_closures() {
    let layer = HeartbeatSseLayer::new().eager(Duration::from_secs(5), |_: &_| WantsStream::Yes);
    let shown = format!("{:?}", layer.layer(()));
    assert!(
        shown.contains("Eager { after: 5s, profile: \"openai\", .. }"),
        "{shown}"
    );
    let shown = format!("{:?}", HeartbeatSseLayer::default());
    assert!(
        shown.contains("Heartbeat(Some(15s)), form: Auto"),
        "{shown}"
    );
}
