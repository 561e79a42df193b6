//! Nothing, everything, and the end.

use std::pin::pin;
use std::time::Duration;

use buttress_core::{BoxError, Failure, find};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_timeout::StreamTimeoutLayer;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::timeout;
use tower::{Layer, Service, ServiceExt};

use crate::calls::{MS, PING, SECOND, TEXT, call, call_for, failure, layer, off, stream};

#[tokio::test(start_paused = true)]
async fn zero_is_a_limit_that_no_wait_meets_and_what_is_there_does() {
    for zero in [
        layer().first_frame(Duration::ZERO),
        layer().total(Duration::ZERO),
        layer().first_frame(None).idle(Duration::ZERO),
        layer().first_frame(None).progress(Duration::ZERO),
    ] {
        let steps = [Step::data(TEXT), Step::data(""), Step::data(TEXT)];
        assert!(
            audit(call(zero, steps).await.into_body())
                .await
                .error
                .is_none()
        );
        let (error, passed) =
            failure(call(zero, [Step::Wait(SECOND), Step::data(TEXT)]).await).await;
        assert!(find::<Failure>(&*error).is_some());
        assert!(passed <= MS * 2, "{passed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_clock_cannot_say_never_elapses() {
    let most = Duration::MAX;
    let huge = Duration::from_secs(1 << 40);
    for limit in [most, huge] {
        let patient = layer()
            .first_frame(limit)
            .idle(limit)
            .progress(limit)
            .total(limit);
        let wait = || Step::Wait(SECOND * 86_400);
        let steps = [wait(), Step::data(TEXT), wait(), Step::data(PING)];
        let answer = call_for(patient, SECOND * 86_400, stream(steps), Request::new(())).await;
        assert!(audit(answer.unwrap().into_body()).await.error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_wherever_it_waits_it_leaves_nothing_behind() {
    // While the head is awaited.
    let reply = Reply::<Response<ScriptedBody>, BoxError>::Ok(stream([])).after(SECOND * 9);
    let (inner, handle) = ScriptedService::new([reply]);
    let mut service = layer().layer(inner);
    let call = service.ready().await.unwrap().call(Request::new(()));
    assert!(timeout(SECOND, call).await.is_err());
    assert_eq!((handle.in_flight(), handle.dropped()), (0, 1));

    // While each of the frames is.
    for waits in 0..3 {
        let body = ScriptedBody::new((0..3).flat_map(|_| [Step::Wait(SECOND), Step::data(TEXT)]));
        let inner = body.handle();
        let answer = call_for(layer(), SECOND, Response::new(body), Request::new(())).await;
        let mut body = answer.unwrap().into_body();
        for _ in 0..waits {
            assert!(body.frame().await.unwrap().is_ok());
        }
        assert!(timeout(MS, body.frame()).await.is_err());
        assert!(!inner.dropped());
        drop(body);
        assert!(inner.dropped());
    }
}

#[tokio::test(start_paused = true)]
async fn an_elapsed_limit_drops_the_call_although_its_future_is_kept() {
    let (inner, handle) =
        ScriptedService::<_, Response<ScriptedBody>, BoxError>::new([Reply::Pending]);
    let mut service = layer().layer(inner);
    let mut call = pin!(service.ready().await.unwrap().call(Request::new(())));
    assert!(call.as_mut().await.is_err());
    assert_eq!((handle.in_flight(), handle.dropped()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn errors_from_inside_stay_what_they_are() {
    let error = || BoxError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    let (inner, _handle) =
        ScriptedService::<_, Response<ScriptedBody>, _>::new([Reply::Err(error())]);
    let found = layer()
        .layer(inner)
        .oneshot(Request::new(()))
        .await
        .unwrap_err();
    assert!(found.is::<std::io::Error>(), "not wrapped");

    let answer = call(layer(), [Step::data(TEXT), Step::Error(error())]).await;
    let (found, _) = failure(answer).await;
    assert!(found.is::<std::io::Error>());
}

#[test]
fn the_defaults() {
    let text = format!("{:?}", StreamTimeoutLayer::default());
    let defaults = "first_frame: Some(300s), idle: Some(180s), progress: None, total: Some(600s)";
    assert!(text.contains(defaults), "{text}");
    assert!(!format!("{:?}", off()).contains("Some"));
}
