//! What becomes of a body whose time is up. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use buttress_core::{BoxError, find};
use buttress_deadline::{DeadlineBody, DeadlineExceeded, TimeoutBudgetLayer, current};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

async fn send(body: ScriptedBody) -> DeadlineBody<ScriptedBody> {
    answer(Request::new(()), Response::new(body)).await
}

async fn answer(
    request: Request<()>,
    response: Response<ScriptedBody>,
) -> DeadlineBody<ScriptedBody> {
    let (inner, _) = ScriptedService::<_, _, Infallible>::new([Reply::Ok(response)]);
    let layer = TimeoutBudgetLayer::new(SECOND * 10);
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    response.into_body()
}

fn is_exceeded(error: Option<BoxError>) -> bool {
    error.is_some_and(|error| find::<DeadlineExceeded>(&*error).is_some())
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_time_and_its_source_is_let_go_at_once() {
    let body = ScriptedBody::new([
        Step::data("one"),
        Step::Wait(SECOND * 9),
        Step::data("two"),
        Step::Stall,
    ]);
    let (handle, start) = (body.handle(), Instant::now());
    let mut body = send(body).await;
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "one"
    );
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "two"
    );
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(is_exceeded(Some(error)));
    assert!(handle.dropped(), "before the reader is");
    assert!(start.elapsed() - SECOND * 10 <= Duration::from_millis(2));
    assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
    assert!(body.frame().await.is_none() && body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_time_of_head_and_body_is_one() {
    let body = ScriptedBody::new([Step::Wait(SECOND * 6), Step::data("late")]);
    let reply = Reply::Ok(Response::new(body)).after(SECOND * 5);
    let (inner, _) = ScriptedService::<_, _, Infallible>::new([reply]);
    let start = Instant::now();
    let layer = TimeoutBudgetLayer::new(SECOND * 10);
    let response = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
    assert!(is_exceeded(audit(response.into_body()).await.error));
    assert!(start.elapsed() - SECOND * 10 <= Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn p12_a_slow_reader_loses_nothing_that_had_arrived() {
    let steps = ["one", "two", "three"].map(Step::data);
    let mut body = send(ScriptedBody::new(steps).conservative_end()).await;
    assert!(body.frame().await.is_some());
    sleep(SECOND * 60).await;
    let rest = audit(body).await;
    assert_eq!(rest.bytes(), "twothree");
    assert!(rest.error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_slower_than_an_endless_stream_meets_the_deadline_all_the_same() {
    let steps = (0..1_000).map(|n| Step::data(n.to_string()));
    let body = ScriptedBody::new(steps).conservative_end();
    let handle = body.handle();
    let mut body = send(body).await;
    let (start, mut late) = (Instant::now(), 0);
    let error = loop {
        sleep(SECOND).await;
        match body.frame().await.unwrap() {
            Ok(_) if start.elapsed() > SECOND * 10 => late += 1,
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(is_exceeded(Some(error)));
    // What may have arrived by then; one of them may be at the very moment.
    assert!((15..=16).contains(&late), "{late}");
    assert!(handle.dropped() && body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn p12_frames_trailers_end_and_size_are_forwarded_as_they_are() {
    let steps = [
        Step::data("one"),
        Step::data(""),
        Step::Pending,
        Step::trailer("x-sum", "7"),
    ];
    let body = send(ScriptedBody::new(steps)).await;
    assert_eq!(body.size_hint().exact(), Some(3));
    let seen = audit(body).await;
    assert_eq!(seen.data, ["one", ""]);
    assert!(seen.trailers.is_some() && seen.error.is_none());

    let empty = send(ScriptedBody::new([])).await;
    assert!(empty.is_end_stream());
    let failing = audit(send(ScriptedBody::new([Step::error("broken")])).await).await;
    assert_eq!(failing.error.unwrap().to_string(), "broken");
}

#[tokio::test(start_paused = true)]
async fn what_has_switched_protocols_is_timed_no_more() {
    let stream = || ScriptedBody::new([Step::Wait(SECOND * 60), Step::data("still here")]);
    let mut switched = Response::new(stream());
    *switched.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let body = answer(Request::new(()), switched).await;
    assert_eq!(audit(body).await.bytes(), "still here");

    let connect = |status| {
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        let mut response = Response::new(stream());
        *response.status_mut() = status;
        answer(request, response)
    };
    let body = connect(StatusCode::OK).await;
    assert_eq!(audit(body).await.bytes(), "still here");
    let refused = connect(StatusCode::FORBIDDEN).await;
    assert!(is_exceeded(audit(refused).await.error));
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_is_asked_for_and_not_made_gains_no_time() {
    let request = Request::builder().header("upgrade", "x").body(()).unwrap();
    let body = answer(request, Response::new(ScriptedBody::new([Step::Stall]))).await;
    assert!(is_exceeded(audit(body).await.error));
}

#[tokio::test(start_paused = true)]
async fn what_waits_and_is_dropped_is_gone_with_its_source() {
    let body = ScriptedBody::new([Step::data("one"), Step::Stall]);
    let handle = body.handle();
    let mut body = send(body).await;
    body.frame().await.unwrap().unwrap();
    let next = tokio::time::timeout(SECOND, body.frame()).await;
    assert!(next.is_err());
    drop(body);
    assert!(handle.dropped() && !handle.ended());
}

/// Says whether something was current while it was polled.
struct Asks;

impl Body for Asks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let seen = if current().is_some() {
            "seen"
        } else {
            "not seen"
        };
        std::task::Poll::Ready(Some(Ok(Frame::data(seen.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_current_while_the_body_is_made() {
    let (inner, _) = ScriptedService::<_, _, Infallible>::new([Reply::Ok(Response::new(Asks))]);
    let layer = TimeoutBudgetLayer::new(SECOND);
    let response = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
    let mut body = response.into_body();
    let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
    assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "seen");
    assert_eq!(current(), None);
}
