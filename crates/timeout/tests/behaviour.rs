//! What a caller sees of a call that waits. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{Acceptance, BoxError, Deadline, Failure, Outcome, find};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_timeout::{
    FirstFrameElapsed, IdleElapsed, ProgressElapsed, StreamLimits, StreamTimeoutBody,
    StreamTimeoutLayer, TotalElapsed,
};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use tokio::time::{Instant, advance, timeout};
use tower::{Layer, Service, ServiceExt};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Answer = Response<StreamTimeoutBody<ScriptedBody>>;

fn layer() -> StreamTimeoutLayer {
    StreamTimeoutLayer::llm(Profile::ANTHROPIC)
}

fn off() -> StreamTimeoutLayer {
    StreamTimeoutLayer::new()
        .first_frame(None)
        .idle(None)
        .total(None)
}

fn stream(steps: impl IntoIterator<Item = Step>) -> Response<ScriptedBody> {
    Response::builder()
        .header("content-type", "text/event-stream; charset=utf-8")
        .body(ScriptedBody::new(steps).conservative_end())
        .unwrap()
}

/// The answer comes so long after the call.
async fn call_for(
    layer: StreamTimeoutLayer,
    head_after: Duration,
    answer: Response<ScriptedBody>,
    request: Request<()>,
) -> Result<Answer, BoxError> {
    let reply = Reply::<_, BoxError>::Ok(answer).after(head_after);
    let (inner, handle) = ScriptedService::new([reply]);
    let answer = layer.layer(inner).oneshot(request).await;
    assert_eq!(handle.in_flight(), 0, "answered, or dropped");
    answer
}

async fn call(layer: StreamTimeoutLayer, steps: impl IntoIterator<Item = Step>) -> Answer {
    call_for(layer, Duration::ZERO, stream(steps), Request::new(()))
        .await
        .unwrap()
}

/// The error that ends the body, and how long after now it came.
async fn failure(answer: Answer) -> (BoxError, Duration) {
    let start = Instant::now();
    let seen = audit(answer.into_body()).await;
    (seen.error.unwrap(), start.elapsed())
}

/// Whether so much has passed, and a quarter of the limit at most more. The timer's grain is a
/// millisecond, and it is asked a few times.
fn in_time(passed: Duration, limit: Duration) -> bool {
    (limit..=limit + limit / 4 + MS * 8).contains(&passed)
}

const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n";

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

// ===== slow readers =====

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

// ===== per request =====

#[tokio::test(start_paused = true)]
async fn a_request_has_limits_of_its_own_and_those_it_does_not_name_are_the_layers() {
    let mut request = Request::new(());
    let own = StreamLimits::new().first_frame(SECOND).idle(None);
    request.extensions_mut().insert(own);
    let layer = layer().idle(SECOND).total(SECOND * 50);
    let late = call_for(layer, SECOND * 9, stream([]), request.clone()).await;
    assert!(find::<FirstFrameElapsed>(&*late.unwrap_err()).is_some());

    let answer = stream([Step::data(TEXT), Step::Stall]);
    let answer = call_for(layer, MS, answer, request).await.unwrap();
    let (error, _) = failure(answer).await;
    assert!(
        find::<TotalElapsed>(&*error).is_some(),
        "idle is off, and total as the layer has it"
    );
}

#[tokio::test(start_paused = true)]
async fn off_for_one_call_is_off() {
    let mut request = Request::new(());
    let own = StreamLimits::new()
        .first_frame(None)
        .idle(None)
        .progress(None)
        .total(None);
    request.extensions_mut().insert(own);
    let steps = [
        Step::data(PING),
        Step::Wait(SECOND * 86_400),
        Step::data(TEXT),
    ];
    let layer = layer().progress(SECOND);
    let answer = call_for(layer, SECOND * 86_400, stream(steps), request)
        .await
        .unwrap();
    assert!(audit(answer.into_body()).await.error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_limit_at_or_after_an_enforced_deadline_is_left_to_whoever_enforces_it() {
    let now = Instant::now().into_std();
    let stalled = || stream([Step::data(TEXT), Step::Stall]);
    for (deadline, arms) in [
        (Deadline::after(now, SECOND * 600), true),
        (Deadline::after(now, SECOND * 600).enforced(), false),
        (Deadline::after(now, SECOND * 599).enforced(), false),
        (Deadline::after(now, SECOND * 601).enforced(), true),
    ] {
        // Each run begins at the same moment as far as the deadline goes.
        let shift = Instant::now().into_std() - now;
        let at = deadline.instant() + shift;
        let deadline = match deadline.is_enforced() {
            true => Deadline::at(at).enforced(),
            false => Deadline::at(at),
        };
        let mut request = Request::new(());
        request.extensions_mut().insert(deadline);
        let layer = layer().idle(None);
        let answer = call_for(layer, SECOND, stalled(), request).await.unwrap();
        let ended = timeout(SECOND * 3_600, failure(answer)).await.is_ok();
        assert_eq!(ended, arms, "{deadline:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_enforced_deadline_leaves_shorter_limits_alone() {
    let mut request = Request::new(());
    let deadline = Deadline::after(Instant::now().into_std(), SECOND * 60);
    request.extensions_mut().insert(deadline.enforced());
    let answer = stream([Step::data(TEXT), Step::Stall]);
    let layer = layer().idle(SECOND * 20);
    let answer = call_for(layer, SECOND, answer, request).await.unwrap();
    let (error, passed) = failure(answer).await;
    assert!(find::<IdleElapsed>(&*error).is_some());
    assert!(in_time(passed, SECOND * 20));
}

// ===== what is not timed =====

#[tokio::test(start_paused = true)]
async fn upgrades_and_tunnels_are_not_timed_behind_their_head() {
    let quiet = || [Step::Wait(SECOND * 86_400), Step::data("x")];
    let upgrade = Response::builder()
        .status(101)
        .body(ScriptedBody::new(quiet()))
        .unwrap();
    let answer = call_for(layer(), SECOND, upgrade, Request::new(()))
        .await
        .unwrap();
    assert!(audit(answer.into_body()).await.error.is_none());

    let connect = Request::builder().method(Method::CONNECT).body(()).unwrap();
    let answer = call_for(layer(), SECOND, stream(quiet()), connect.clone())
        .await
        .unwrap();
    assert!(audit(answer.into_body()).await.error.is_none());

    // Their heads are.
    assert!(
        call_for(layer(), SECOND * 301, stream([]), connect)
            .await
            .is_err()
    );
}

// ===== the edges =====

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
