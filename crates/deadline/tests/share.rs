//! One stage's part of the time. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::time::Duration;

use buttress_core::{Acceptance, BoxError, Deadline, Failure, Kind, Outcome, Ratio, find};
use buttress_deadline::{
    BudgetShareLayer, DeadlineBody, DeadlineExceeded, Share, ShareExceeded, TimeoutBudgetLayer,
};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedHandle, ScriptedService};
use http::{HeaderMap, Request, Response};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);
const THIRD: Ratio = Ratio::basis_points(3_000);

type Answer = Reply<Response<ScriptedBody>, Infallible>;
type Handle = ScriptedHandle<Request<()>, Response<ScriptedBody>, Infallible>;

fn ok(steps: impl IntoIterator<Item = Step>) -> Answer {
    Reply::Ok(Response::new(ScriptedBody::new(steps)))
}

/// A request that has ten seconds, which nobody enforces.
fn request() -> Request<()> {
    with(SECOND * 10)
}

fn with(time: Duration) -> Request<()> {
    let mut request = Request::new(());
    let deadline = Deadline::after(Instant::now().into_std(), time);
    request.extensions_mut().insert(deadline);
    request
}

async fn send(
    layer: BudgetShareLayer,
    request: Request<()>,
    reply: Answer,
) -> (
    Result<Response<DeadlineBody<ScriptedBody>>, BoxError>,
    Handle,
) {
    let (inner, handle) = ScriptedService::new([reply]);
    (layer.layer(inner).oneshot(request).await, handle)
}

fn outcome(error: &BoxError) -> Outcome {
    find::<Failure>(&**error).unwrap().outcome()
}

/// What is left for what is inside.
async fn left(layer: BudgetShareLayer, request: Request<()>) -> Option<Duration> {
    let (answer, handle) = send(layer, request, ok([])).await;
    answer.unwrap();
    let seen = handle.take_requests().pop().unwrap();
    let deadline: Option<&Deadline> = seen.extensions().get();
    deadline.map(|deadline| deadline.remaining(Instant::now().into_std()))
}

// ===== how much =====

#[tokio::test(start_paused = true)]
async fn a_stage_gets_its_share_of_what_remains() {
    let third = BudgetShareLayer::fraction(THIRD);
    assert_eq!(left(third, request()).await, Some(SECOND * 3));
    let limited = third.at_most(SECOND);
    assert_eq!(left(limited, request()).await, Some(SECOND));
    assert_eq!(left(limited, Request::new(())).await, Some(SECOND));
    assert_eq!(left(third, Request::new(())).await, None);
    let all = BudgetShareLayer::all();
    assert_eq!(left(all, request()).await, Some(SECOND * 10));
}

#[tokio::test(start_paused = true)]
async fn one_request_may_have_another_share_than_the_rest() {
    let mut request = request();
    request
        .extensions_mut()
        .insert(Share::ALL.at_most(SECOND * 9));
    let layer = BudgetShareLayer::fraction(THIRD);
    assert_eq!(left(layer, request).await, Some(SECOND * 9));
}

// ===== when it is up =====

#[tokio::test(start_paused = true)]
async fn a_share_that_ran_out_leaves_time_for_another_stage() {
    let start = Instant::now();
    let layer = BudgetShareLayer::fraction(THIRD);
    let (answer, handle) = send(layer, request(), Reply::Pending).await;
    let error = answer.unwrap_err();
    assert_eq!(outcome(&error), Outcome::SHARE_EXCEEDED);
    assert!(outcome(&error).is_retryable());
    let exceeded: &ShareExceeded = find(&*error).unwrap();
    assert_eq!((exceeded.limit(), exceeded.floor()), (SECOND * 3, None));
    assert!(start.elapsed() - SECOND * 3 <= Duration::from_millis(2));
    assert_eq!(handle.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_that_remains_ran_out_for_everybody() {
    let (answer, _) = send(BudgetShareLayer::all(), request(), Reply::Pending).await;
    let error = answer.unwrap_err();
    assert_eq!(
        outcome(&error),
        Outcome::DEADLINE_EXCEEDED.accepted(Acceptance::Unknown)
    );
    assert!(find::<DeadlineExceeded>(&*error).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_share_bounds_the_stream_too() {
    let layer = BudgetShareLayer::fraction(THIRD);
    let steps = [Step::data("one"), Step::Stall];
    let (answer, _) = send(layer, request(), ok(steps)).await;
    let start = Instant::now();
    let seen = audit(answer.unwrap().into_body()).await;
    assert_eq!(seen.bytes(), "one");
    assert_eq!(outcome(&seen.error.unwrap()), Outcome::SHARE_EXCEEDED);
    assert!(start.elapsed() - SECOND * 3 <= Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn below_its_floor_a_stage_is_not_started_and_says_with_how_much() {
    let layer = BudgetShareLayer::fraction(THIRD).floor(SECOND * 2);
    let (answer, handle) = send(layer, with(SECOND * 5), ok([])).await;
    let error = answer.unwrap_err();
    assert_eq!(outcome(&error), Outcome::SHARE_TOO_SHORT);
    assert_eq!(outcome(&error).kind, Kind::Unavailable);
    let refused: &ShareExceeded = find(&*error).unwrap();
    assert_eq!(refused.limit(), SECOND * 3 / 2);
    assert_eq!(refused.floor(), Some(SECOND * 2));

    let (answer, other) = send(layer, with(SECOND), ok([])).await;
    let error = answer.unwrap_err();
    assert_eq!(
        outcome(&error),
        Outcome::SHARE_TOO_SHORT,
        "another may take less"
    );
    assert_eq!((handle.calls(), other.calls()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn with_nothing_left_nothing_is_called() {
    let nothing = with(Duration::from_micros(999));
    let (answer, handle) = send(BudgetShareLayer::all(), nothing, ok([])).await;
    assert_eq!(outcome(&answer.unwrap_err()), Outcome::DEADLINE_EXCEEDED);
    assert_eq!(handle.calls(), 0);
}

// ===== an attempt's share =====

#[tokio::test(start_paused = true)]
async fn an_attempt_that_says_nothing_in_its_share_leaves_time_for_another() {
    let layer = BudgetShareLayer::all().attempt_share(Ratio::percent(40));
    for reply in [Reply::Pending, ok([Step::data(""), Step::Stall])] {
        let start = Instant::now();
        let (answer, _) = send(layer, request(), reply).await;
        let error = match answer {
            Err(error) => error,
            Ok(response) => audit(response.into_body()).await.error.unwrap(),
        };
        assert_eq!(outcome(&error), Outcome::SHARE_EXCEEDED);
        let exceeded: &ShareExceeded = find(&*error).unwrap();
        assert_eq!(exceeded.limit(), SECOND * 4);
        assert!(start.elapsed() - SECOND * 4 <= Duration::from_millis(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_committed_stream_keeps_the_rest_of_the_time() {
    let layer = BudgetShareLayer::all().attempt_share(Ratio::percent(40));
    let steps = [
        Step::Wait(SECOND * 3),
        Step::data("one"),
        Step::Wait(SECOND * 6),
        Step::data("two"),
        Step::Stall,
    ];
    let start = Instant::now();
    let (answer, _) = send(layer, request(), ok(steps)).await;
    let seen = audit(answer.unwrap().into_body()).await;
    assert_eq!(seen.bytes(), "onetwo");
    assert_eq!(
        outcome(&seen.error.unwrap()),
        Outcome::DEADLINE_EXCEEDED.accepted(Acceptance::Unknown)
    );
    assert!(start.elapsed() - SECOND * 10 <= Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn a_committed_stream_that_somebody_outside_ends_is_left_to_him() {
    let share = BudgetShareLayer::all().attempt_share(Ratio::percent(40));
    let steps = [Step::data("one"), Step::Wait(SECOND * 9), Step::data("two")];
    let (inner, _) = ScriptedService::<_, _, Infallible>::new([ok(steps)]);
    let stack = TimeoutBudgetLayer::new(SECOND * 10).layer(share.layer(inner));
    let response = stack.oneshot(Request::new(())).await.unwrap();
    let seen = audit(response.into_body()).await;
    assert_eq!(seen.bytes(), "onetwo");
    assert!(seen.error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_share_longer_than_the_clock_can_say_is_very_long_in_all_its_parts() {
    let endless = Duration::MAX - Duration::from_nanos(1);
    let layer = BudgetShareLayer::all().at_most(endless);
    let layer = layer.attempt_share(Ratio::basis_points(1));
    let steps = [Step::Wait(SECOND * 86_400), Step::data("late")];
    let (answer, _) = send(layer, Request::new(()), ok(steps)).await;
    let seen = audit(answer.unwrap().into_body()).await;
    assert_eq!(seen.bytes(), "late");
    assert!(seen.error.is_none());
}

// ===== what the upstream is told =====

async fn told(layer: BudgetShareLayer, request: Request<()>) -> HeaderMap {
    let (answer, handle) = send(layer, request, ok([])).await;
    answer.unwrap();
    let seen = handle.take_requests().pop().unwrap();
    seen.headers().clone()
}

#[tokio::test(start_paused = true)]
async fn the_upstream_is_told_what_is_left_and_never_more() {
    let layer = BudgetShareLayer::fraction(THIRD);
    let mut grpc = with(Duration::from_nanos(10_000_000_009));
    let headers = grpc.headers_mut();
    headers.insert("content-type", "application/grpc".parse().unwrap());
    headers.insert("grpc-timeout", "1H".parse().unwrap());
    let headers = told(layer, grpc).await;
    assert_eq!(headers["grpc-timeout"], "3000000u");

    assert!(told(layer, request()).await.is_empty());
    let headers = told(layer.announce(true), request()).await;
    assert_eq!(headers["x-envoy-expected-rq-timeout-ms"], "3000");
    assert_eq!(headers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_any_limit_nothing_is_said_and_nothing_is_taken_back() {
    let mut request = Request::new(());
    request
        .headers_mut()
        .insert("grpc-timeout", "1H".parse().unwrap());
    let headers = told(BudgetShareLayer::all().announce(true), request).await;
    assert_eq!(headers["grpc-timeout"], "1H");
    assert_eq!(headers.len(), 1);
}
