//! Slow readers: what has arrived comes first, and their pauses are no stall; but a stream that always has more
//! is ended all the same.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use buttress_core::find;
use buttress_testkit::body::{ScriptedBody, Step};
use buttress_timeout::{FirstFrameElapsed, IdleElapsed, IdleTimeoutBody, TotalElapsed};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, advance, timeout};

use crate::calls::{MS, SECOND, TEXT, call, call_for, failure, in_time, layer};

#[tokio::test(start_paused = true)]
async fn a_paused_client_loses_no_byte_and_its_pause_is_no_stall() {
    let strict = layer().idle(SECOND * 10).progress(SECOND * 10).total(None);
    let steps = (0..20).flat_map(|_| [Step::Wait(SECOND), Step::data(TEXT), Step::data(TEXT)]);
    let mut body = call(strict, steps).await.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().into_data().unwrap().len();
        advance(SECOND * 3_600).await;
    }
    assert_eq!(read, 40 * TEXT.len());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gave_up_a_wait_and_comes_back_late_finds_the_silence_begin_anew() {
    let mut body = call(layer().idle(SECOND * 10), [Step::data(TEXT), Step::Stall])
        .await
        .into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert!(
        timeout(SECOND, body.frame()).await.is_err(),
        "it waits, and then it goes away"
    );
    advance(SECOND * 60).await;
    let start = Instant::now();
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(find::<IdleElapsed>(&*error).is_some());
    assert!(
        in_time(start.elapsed(), SECOND * 10),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_in_short_turns_still_sees_the_true_silence() {
    let mut body = call(layer().idle(SECOND * 10), [Step::data(TEXT), Step::Stall])
        .await
        .into_body();
    assert!(body.frame().await.unwrap().is_ok());
    let start = Instant::now();
    let error = loop {
        if let Ok(frame) = timeout(SECOND, body.frame()).await {
            break frame.unwrap().unwrap_err();
        }
        advance(SECOND / 2).await;
    };
    assert!(find::<IdleElapsed>(&*error).is_some());
    assert!(
        in_time(start.elapsed(), SECOND * 10),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_a_few_milliseconds_late_has_not_been_away() {
    for (late, is_away) in [(MS * 15, false), (MS * 40, true)] {
        let mut body = call(layer().idle(MS * 8), [Step::data(TEXT), Step::Stall])
            .await
            .into_body();
        assert!(body.frame().await.unwrap().is_ok());
        assert!(timeout(MS, body.frame()).await.is_err());
        advance(late).await;
        let start = Instant::now();
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(find::<IdleElapsed>(&*error).is_some());
        assert_eq!(start.elapsed() >= MS * 8, is_away, "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn total_ends_the_stream_of_a_client_that_hardly_ever_comes_after_what_had_arrived() {
    let steps = [
        Step::data(TEXT),
        Step::Pending,
        Step::data(TEXT),
        Step::data(TEXT),
        Step::Stall,
    ];
    let mut body = call(layer(), steps).await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert!(body.frame().await.unwrap().is_ok());
    advance(SECOND * 3_600).await;
    assert!(body.frame().await.unwrap().is_ok(), "it had arrived");
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(find::<TotalElapsed>(&*error).is_some());
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_ready_at_once_counts_from_the_first_wait_of_its_body() {
    let answer = call(layer().total(SECOND * 10), [Step::data(TEXT), Step::Stall]).await;
    advance(SECOND * 60).await;
    let (error, passed) = failure(answer).await;
    assert!(find::<TotalElapsed>(&*error).is_some());
    assert_eq!(passed, SECOND * 10);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_always_has_more_meets_its_total_within_256_frames() {
    for (frame, waits, first) in [(TEXT, false, 256), ("", false, 256), (TEXT, true, 1)] {
        let wait = waits.then(|| Step::Wait(MS));
        let steps = wait
            .into_iter()
            .chain((0..2_000).map(|_| Step::data(frame)));
        let mut body = call(layer().total(SECOND * 10), steps).await.into_body();
        let mut read = 0;
        let error = loop {
            match body.frame().await.expect("it is ended before its end") {
                Ok(_) => read += 1,
                Err(error) => break error,
            }
            advance(MS * 10).await;
        };
        assert!(find::<TotalElapsed>(&*error).is_some());
        let earliest = first + 1_000;
        assert!((earliest - 2..earliest + 256).contains(&read), "{read}");
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_frame_of_a_stream_is_handed_on_however_late_it_is() {
    for (frames, is_whole) in [(255, true), (256, true), (257, false)] {
        let body = ScriptedBody::new((0..frames).map(|_| Step::data(TEXT)));
        let limits = layer().total(SECOND);
        let answer = call_for(limits, SECOND / 2, Response::new(body), Request::new(())).await;
        let mut body = answer.unwrap().into_body();
        advance(SECOND).await;
        let mut read = 0;
        while let Some(Ok(_)) = body.frame().await {
            read += 1;
        }
        assert_eq!(read == frames, is_whole, "{read} of {frames}");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_that_were_there_at_once_do_not_keep_a_wait_from_its_limit() {
    // All of them empty, so that the first frame has yet to come.
    let steps = (0..300).map(|_| Step::data("")).chain([Step::Stall]);
    let answer = call(layer().first_frame(SECOND * 10), steps).await;
    let (error, passed) = failure(answer).await;
    assert!(find::<FirstFrameElapsed>(&*error).is_some());
    assert_eq!(passed, SECOND * 10);
}

#[test]
fn what_never_waits_needs_no_runtime() {
    let body = ScriptedBody::new((0..1_000).map(|_| Step::data(TEXT)));
    let mut body = pin!(IdleTimeoutBody::new(body, SECOND));
    let mut cx = Context::from_waker(Waker::noop());
    let frames = std::iter::from_fn(|| match body.as_mut().poll_frame(&mut cx) {
        Poll::Ready(frame) => frame,
        Poll::Pending => panic!("it never waits"),
    });
    assert_eq!(frames.filter(Result::is_ok).count(), 1_000);
}
