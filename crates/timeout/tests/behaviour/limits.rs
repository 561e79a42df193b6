//! The four limits.

use buttress_core::{Acceptance, Failure, Outcome, find};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_timeout::{
    FirstFrameElapsed, IdleElapsed, ProgressElapsed, StreamTimeoutLayer, TotalElapsed,
};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::{Instant, advance, timeout};

use crate::calls::{MS, PING, SECOND, TEXT, call, call_for, failure, in_time, layer, stream};

// ===== first frame =====

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_no_first_frame() {
    let start = Instant::now();
    let late = call_for(layer(), SECOND * 900, stream([]), Request::new(())).await;
    assert_eq!(start.elapsed(), SECOND * 300);
    let error = late.unwrap_err();
    assert_eq!(
        find::<FirstFrameElapsed>(&*error).unwrap().limit(),
        SECOND * 300
    );
    let outcome = find::<Failure>(&*error).unwrap().outcome();
    assert_eq!(outcome, Outcome::FIRST_FRAME_ELAPSED);
    assert_eq!(
        outcome.acceptance,
        Acceptance::Unknown,
        "it may well be at work on it"
    );
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_head_is_a_part_of_the_wait_for_the_first_frame() {
    let layer = layer().first_frame(SECOND * 10);
    let answer = stream([Step::Stall]);
    let answer = call_for(layer, SECOND * 6, answer, Request::new(())).await;
    let (error, passed) = failure(answer.unwrap()).await;
    assert!(find::<FirstFrameElapsed>(&*error).is_some());
    assert_eq!(
        passed,
        SECOND * 4,
        "of the ten seconds six were spent on the head"
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_frame_is_no_first_frame() {
    let layer = layer().first_frame(SECOND * 10);
    let answer = call(layer, [Step::data(""), Step::Stall]).await;
    let (error, _) = failure(answer).await;
    assert!(find::<FirstFrameElapsed>(&*error).is_some());
}

#[tokio::test(start_paused = true)]
async fn idle_does_not_count_before_the_first_frame_where_that_has_a_limit_of_its_own() {
    let layer = layer().idle(SECOND);
    let answer = call(layer, [Step::Wait(SECOND * 299), Step::data(TEXT)]).await;
    assert!(audit(answer.into_body()).await.error.is_none());
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_for_the_first_frame_idle_counts_from_the_head_on() {
    let layer = layer().idle(SECOND).first_frame(None);
    let answer = stream([Step::Stall]);
    let answer = call_for(layer, SECOND * 300, answer, Request::new(())).await;
    let (error, passed) = failure(answer.unwrap()).await;
    assert!(find::<IdleElapsed>(&*error).is_some());
    assert!(in_time(passed, SECOND), "{passed:?}");
}

// ===== idle =====

#[tokio::test(start_paused = true)]
async fn f35_a_stalled_upstream_is_cut_at_its_idle_limit_and_cancelled() {
    let body = ScriptedBody::new([Step::data(TEXT), Step::Stall]);
    let inner = body.handle();
    let answer = Response::new(body);
    let layer = layer().idle(SECOND * 60);
    let answer = call_for(layer, SECOND, answer, Request::new(()))
        .await
        .unwrap();
    let mut body = answer.into_body();
    assert!(body.frame().await.unwrap().is_ok());

    let start = Instant::now();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(find::<IdleElapsed>(&*error).unwrap().limit(), SECOND * 60);
    assert_eq!(
        find::<Failure>(&*error).unwrap().outcome(),
        Outcome::IDLE_ELAPSED
    );
    assert!(in_time(start.elapsed(), SECOND * 60));
    assert!(
        inner.dropped(),
        "the upstream is cancelled at once, not when the body is dropped"
    );
}

#[tokio::test(start_paused = true)]
async fn f35_silent_thinking_below_the_limit_is_not_killed() {
    let think = [Step::Wait(SECOND * 179), Step::data(TEXT)];
    let steps = [Step::data(PING)].into_iter().chain(think);
    let seen = audit(call(layer(), steps).await.into_body()).await;
    assert_eq!((seen.error.is_none(), seen.data.len()), (true, 2));
}

#[tokio::test(start_paused = true)]
async fn f35_an_upstream_that_sends_only_pings_trips_progress_and_not_idle() {
    let pings = || {
        let pings = (0..100).flat_map(|n| {
            let liveness = if n % 2 == 0 {
                PING
            } else {
                ": OPENROUTER PROCESSING\n\n"
            };
            [Step::Wait(SECOND * 15), Step::data(liveness)]
        });
        [Step::data(TEXT)].into_iter().chain(pings)
    };
    let strict = layer().idle(SECOND * 20).progress(SECOND * 120).total(None);
    let (error, passed) = failure(call(strict, pings()).await).await;
    assert_eq!(
        find::<ProgressElapsed>(&*error).unwrap().limit(),
        SECOND * 120
    );
    assert_eq!(
        find::<Failure>(&*error).unwrap().outcome(),
        Outcome::PROGRESS_ELAPSED
    );
    assert!(in_time(passed, SECOND * 120), "{passed:?}");

    let lax = strict.progress(None);
    assert!(
        audit(call(lax, pings()).await.into_body())
            .await
            .error
            .is_none()
    );
}

/// On the true clock: only there is a timer late by enough to matter.
#[tokio::test]
async fn a_limit_of_a_few_milliseconds_elapses() {
    for micros in [500, 1_000, 2_000, 3_700] {
        let limit = MS * micros / 1_000;
        let answer = call(layer().idle(limit), [Step::data(TEXT), Step::Stall]).await;
        let (error, passed) = timeout(SECOND * 5, failure(answer)).await.unwrap();
        assert!(find::<IdleElapsed>(&*error).is_some(), "{limit:?}");
        assert!(passed >= limit, "{limit:?}: {passed:?}");
    }
}

// ===== progress =====

#[tokio::test(start_paused = true)]
async fn content_is_progress_for_as_long_as_it_comes() {
    let strict = layer().progress(SECOND * 20).total(None);
    // A ping, a cut ping, a bit of content: every sixty seconds, and the limit is eighty.
    let strict = strict.progress(SECOND * 80);
    let steps = (0..50).flat_map(|_| {
        let wait = || Step::Wait(SECOND * 20);
        let (a, b) = PING.split_at(9);
        [
            wait(),
            Step::data(PING),
            wait(),
            Step::data(a),
            Step::data(b),
            wait(),
            Step::data(TEXT),
        ]
    });
    let seen = audit(call(strict, steps).await.into_body()).await;
    assert!(seen.error.is_none(), "{:?}", seen.error);
}

#[tokio::test(start_paused = true)]
async fn of_what_is_no_readable_event_stream_any_bytes_are_progress() {
    let bytes = || (0..50).flat_map(|_| [Step::Wait(SECOND), Step::data(PING)]);
    let strict = layer().progress(SECOND * 3);
    for (name, value, reads) in [
        ("content-type", "application/json", false),
        ("content-encoding", "gzip", false),
        ("content-encoding", "identity", true),
        ("x-other", "gzip", true),
    ] {
        let mut answer = stream(bytes());
        answer.headers_mut().insert(name, value.parse().unwrap());
        let answer = call_for(strict, MS, answer, Request::new(()))
            .await
            .unwrap();
        let failed = audit(answer.into_body()).await.error.is_some();
        assert_eq!(failed, reads, "{name}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_without_pings_takes_every_event_with_data_for_progress() {
    let steps =
        |event: &'static str| (0..50).flat_map(move |_| [Step::Wait(SECOND), Step::data(event)]);
    let strict = StreamTimeoutLayer::new().progress(SECOND * 3);
    assert!(
        audit(call(strict, steps(PING)).await.into_body())
            .await
            .error
            .is_none()
    );
    assert!(
        audit(call(strict, steps(": c\n\n")).await.into_body())
            .await
            .error
            .is_some()
    );
}

// ===== total =====

#[tokio::test(start_paused = true)]
async fn a_ten_minute_stream_trips_total_only() {
    let steps = (0..1_000).flat_map(|_| [Step::Wait(SECOND), Step::data(TEXT)]);
    let layer = layer().progress(SECOND * 5);
    let answer = call_for(layer, SECOND * 30, stream(steps), Request::new(())).await;
    let start = Instant::now();
    let seen = audit(answer.unwrap().into_body()).await;
    let error = seen.error.unwrap();
    assert_eq!(find::<TotalElapsed>(&*error).unwrap().limit(), SECOND * 600);
    assert_eq!(
        find::<Failure>(&*error).unwrap().outcome(),
        Outcome::TOTAL_ELAPSED
    );
    assert_eq!(
        start.elapsed(),
        SECOND * 570,
        "exactly ten minutes after the call"
    );
    assert_eq!(seen.data.len(), 570);
}

#[tokio::test(start_paused = true)]
async fn total_may_elapse_before_the_head() {
    let layer = layer().total(SECOND * 5);
    let start = Instant::now();
    let error = call_for(layer, SECOND * 9, stream([]), Request::new(()))
        .await
        .unwrap_err();
    assert!(find::<TotalElapsed>(&*error).is_some());
    assert_eq!(start.elapsed(), SECOND * 5);
}

// ===== several =====

#[tokio::test(start_paused = true)]
async fn of_several_limits_that_have_elapsed_the_first_to_do_so_is_told() {
    for (idle, total) in [(10, 11), (11, 10)] {
        let layer = layer().idle(SECOND * idle).total(SECOND * total);
        let answer = call(layer, [Step::data(TEXT), Step::Stall]).await;
        let mut body = answer.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        assert!(timeout(MS * 9_900, body.frame()).await.is_err());
        // Both elapse before anybody looks, and nobody was away for long.
        advance(MS * 1_600).await;
        let error = body.frame().await.unwrap().unwrap_err();
        let is_idle = find::<IdleElapsed>(&*error).is_some();
        assert_eq!(is_idle, idle < total, "{error}");
        assert_eq!(find::<TotalElapsed>(&*error).is_some(), !is_idle, "{error}");
    }
}
