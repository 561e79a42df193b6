//! What a reader sees of a body with one limit. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use buttress_core::{BoxError, find};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_timeout::{IdleElapsed, IdleTimeoutBody, StreamTimeoutLayer};
use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn p12_the_size_and_the_end_are_forwarded_and_so_are_trailers() {
    let steps = [Step::data("abc"), Step::Wait(SECOND), Step::data("defghi")];
    let mut body = IdleTimeoutBody::new(ScriptedBody::new(steps), SECOND * 9);
    assert_eq!(body.size_hint().exact(), Some(9));
    assert!(!body.is_end_stream());
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(body.size_hint().exact(), Some(6));
    assert!(body.frame().await.unwrap().is_ok());
    assert!(
        body.is_end_stream(),
        "hyper polls no further, and sets no trailers"
    );

    let steps = [Step::data("x"), Step::trailer("grpc-status", "0")];
    let seen = audit(IdleTimeoutBody::new(ScriptedBody::new(steps), SECOND)).await;
    assert_eq!(seen.bytes(), "x");
    assert_eq!(seen.trailers.unwrap()["grpc-status"], "0");
}

#[tokio::test(start_paused = true)]
async fn p12_data_that_has_arrived_comes_before_a_timer_that_has_run_out() {
    let steps = [
        Step::data("a"),
        Step::Pending,
        Step::data("b"),
        Step::data("c"),
    ];
    let mut body = IdleTimeoutBody::new(ScriptedBody::new(steps), SECOND);
    assert!(body.frame().await.unwrap().is_ok());
    let polled = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "the timer is armed");
    advance(SECOND * 60).await;
    assert_eq!(body.collect().await.unwrap().to_bytes(), "bc");
}

#[tokio::test(start_paused = true)]
async fn p12_after_one_error_there_is_nothing_for_ever() {
    let body = ScriptedBody::new([Step::data("x"), Step::Stall]);
    let inner = body.handle();
    let mut body = IdleTimeoutBody::new(body, SECOND);
    assert!(body.frame().await.unwrap().is_ok());
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(find::<IdleElapsed>(&*error).unwrap().limit(), SECOND);
    assert_eq!(error.to_string(), "call failed (transient, idle_timeout)");
    assert!(inner.dropped() && body.get_ref().is_none());
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    for _ in 0..3 {
        advance(SECOND).await;
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_frame_is_passed_on_and_is_no_data() {
    let empty = (0..30).flat_map(|_| [Step::Wait(SECOND), Step::data("")]);
    let body = ScriptedBody::new([Step::data("x")].into_iter().chain(empty));
    let start = Instant::now();
    let seen = audit(IdleTimeoutBody::new(body, SECOND * 20 + SECOND / 2)).await;
    assert!(find::<IdleElapsed>(&*seen.error.unwrap()).is_some());
    assert_eq!(seen.data.len(), 1 + 20);
    assert!(start.elapsed() < SECOND * 21);
}

#[tokio::test(start_paused = true)]
async fn content_behind_the_first_piece_of_a_frame_is_found() {
    for (first, second, is_content) in [
        (": comment\n\nda", "ta: x\n\n", true),
        ("", "data: x\n\n", true),
        (": comment\n\n", ": data: x\n\n", false),
    ] {
        let frames = (0..30).flat_map(|_| [Step::Wait(SECOND), Step::data("x")]);
        // `chunk` shows the first piece alone.
        let pieces = move |_: Bytes| Bytes::from(first).chain(Bytes::from(second));
        let body = ScriptedBody::new(frames).map_frame(move |frame| frame.map_data(pieces));
        let answer = Response::builder()
            .header("content-type", "text/event-stream")
            .body(body);
        let (inner, _handle) = ScriptedService::<_, _, BoxError>::new([Reply::Ok(answer.unwrap())]);
        let layer = StreamTimeoutLayer::new().progress(SECOND * 9);
        let answer = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
        let collected = answer.into_body().collect().await;
        assert_eq!(collected.is_ok(), is_content, "{first:?} {second:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whenever_data_comes_the_limit_is_never_early_and_at_most_a_quarter_late(
        limit in 40_u64..100_000,
        gaps in prop::collection::vec((0.0_f64..0.99, any::<bool>()), 0..30),
    ) {
        let limit = MS * u32::try_from(limit).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (passed, frames) = runtime.block_on(async {
            let waits = gaps.iter().flat_map(|(gap, is_double)| {
                // What comes in a burst is one event to the timer.
                let burst = is_double.then(|| Step::data("y"));
                [Step::Wait(limit.mul_f64(*gap)), Step::data("x")].into_iter().chain(burst)
            });
            let body = ScriptedBody::new(waits.chain([Step::Stall]));
            let mut body = IdleTimeoutBody::new(body, limit);
            let (mut last, mut frames) = (Instant::now(), 0);
            loop {
                match body.frame().await {
                    Some(Ok(_)) => (last, frames) = (Instant::now(), frames + 1),
                    Some(Err(_)) => return (last.elapsed(), frames),
                    None => panic!("an idle end is an error"),
                }
            }
        });
        let expected: usize = gaps.iter().map(|(_, is_double)| 1 + usize::from(*is_double)).sum();
        prop_assert_eq!(frames, expected, "no frame is lost");
        prop_assert!(passed >= limit, "{:?} of {:?}", passed, limit);
        // Each look may be a millisecond late.
        prop_assert!(passed <= limit + limit / 4 + MS * 6, "{:?} of {:?}", passed, limit);
    }
}
