//! Slow readers: what has arrived comes first, and their pauses are no stall; but a stream that always has more
//! is ended all the same.

use buttress_core::{BoxError, find};
use buttress_testkit::body::{ScriptedBody, Step};
use buttress_timeout::{
    FirstFrameElapsed, IdleElapsed, ProgressElapsed, StreamTimeoutLayer, TotalElapsed,
};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::{Instant, advance, timeout};

use crate::calls::{MS, PING, SECOND, TEXT, call, call_for, failure, in_time, layer};

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

/// What ends a stream that always has one more of these frames, and how many were read: one every 10 ms.
async fn hose(layer: StreamTimeoutLayer, frame: &'static str) -> (BoxError, usize) {
    let steps = (0..2_000).map(|_| Step::data(frame));
    let mut body = call(layer, steps).await.into_body();
    let mut read = 0;
    loop {
        match body.frame().await.expect("a limit ends it") {
            Ok(_) => read += 1,
            Err(error) => return (error, read),
        }
        advance(MS * 10).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_always_has_more_meets_its_limits_within_64_frames() {
    let limit = SECOND * 10;
    // It is timed from the first of the frames at which anybody looks.
    let exact = 64 + 1_000..64 + 1_000 + 64;
    let (error, read) = hose(layer().total(limit), TEXT).await;
    assert!(find::<TotalElapsed>(&*error).is_some());
    assert!(exact.contains(&read), "{read}");

    let (error, read) = hose(layer().first_frame(limit), "").await;
    assert!(find::<FirstFrameElapsed>(&*error).is_some());
    assert!(exact.contains(&read), "{read}");

    let (error, read) = hose(layer().progress(limit), PING).await;
    assert!(find::<ProgressElapsed>(&*error).is_some());
    assert!((exact.start..exact.end + 250).contains(&read), "{read}");
}

#[tokio::test(start_paused = true)]
async fn the_last_frame_of_a_stream_is_handed_on_however_late_it_is() {
    for (frames, is_whole) in [(63, true), (64, true), (65, false)] {
        let body = ScriptedBody::new((0..frames).map(|_| Step::data(TEXT)));
        let answer = call_for(
            layer().total(SECOND),
            SECOND / 2,
            Response::new(body),
            Request::new(()),
        );
        let mut body = answer.await.unwrap().into_body();
        advance(SECOND).await;
        let mut read = 0;
        while let Some(Ok(_)) = body.frame().await {
            read += 1;
        }
        assert_eq!(read == frames, is_whole, "{read} of {frames}");
    }
}
