//! The whole time of a call: who says it, who sees it, and when it is up. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too; a task is spawned to see what it takes along"
)]

use std::convert::Infallible;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use buttress_core::{Acceptance, BoxError, Deadline, Failure, Outcome, find};
use buttress_deadline::{
    Budget, DeadlineBody, DeadlineExceeded, TimeoutBudgetLayer, TimeoutHeader, carry, current,
};
use buttress_testkit::probe::{Reply, ScriptedHandle, ScriptedService};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const LAYER: TimeoutBudgetLayer = TimeoutBudgetLayer::new(Duration::from_secs(10));

type Nothing = Empty<&'static [u8]>;
type Handle = ScriptedHandle<Request<()>, Response<Nothing>, Infallible>;

fn ok() -> Reply<Response<Nothing>, Infallible> {
    Reply::Ok(Response::default())
}

fn request(headers: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

async fn send(
    layer: TimeoutBudgetLayer,
    request: Request<()>,
    reply: Reply<Response<Nothing>, Infallible>,
) -> (Result<Response<DeadlineBody<Nothing>>, BoxError>, Handle) {
    let (inner, handle) = ScriptedService::new([reply]);
    (layer.layer(inner).oneshot(request).await, handle)
}

/// What the inner service is told that it has.
async fn time_of(layer: TimeoutBudgetLayer, request: Request<()>) -> Option<Duration> {
    let now = Instant::now().into_std();
    let (answer, handle) = send(layer, request, ok()).await;
    answer.unwrap();
    let seen = handle.take_requests().pop().unwrap();
    let deadline: Option<&Deadline> = seen.extensions().get();
    assert!(deadline.is_none_or(Deadline::is_enforced));
    deadline.map(|deadline| deadline.remaining(now))
}

fn exceeded(error: &BoxError) -> DeadlineExceeded {
    let failure: &Failure = find(&**error).unwrap();
    let error: &DeadlineExceeded = find(&**error).unwrap();
    let outcome = match error.floor() {
        Some(_) => Outcome::DEADLINE_EXCEEDED,
        None => Outcome::DEADLINE_EXCEEDED.accepted(Acceptance::Unknown), // it was sent
    };
    assert_eq!(failure.outcome(), outcome);
    assert_eq!(failure.limit(), Some(error.limit()));
    *error
}

// ===== who says it =====

#[tokio::test(start_paused = true)]
async fn the_least_of_all_that_is_said_wins() {
    let both = [
        ("grpc-timeout", "5S"),
        ("x-envoy-expected-rq-timeout-ms", "2000"),
    ];
    assert_eq!(time_of(LAYER, request(&both)).await, Some(SECOND * 2));
    assert_eq!(time_of(LAYER, request(&[])).await, Some(SECOND * 10));
}

#[tokio::test(start_paused = true)]
async fn a_client_can_shorten_its_time_and_never_extend_it() {
    let long = [
        ("grpc-timeout", "99999999H"),
        (
            "x-envoy-expected-rq-timeout-ms",
            "340282366920938463463374607431768211456",
        ),
        ("upgrade", "anything"),
    ];
    assert_eq!(time_of(LAYER, request(&long)).await, Some(SECOND * 10));
}

#[tokio::test(start_paused = true)]
async fn what_is_malformed_is_as_if_absent_and_each_line_counts() {
    let hostile = [
        ("grpc-timeout", "1S,2S"),
        ("grpc-timeout", "-1S"),
        ("grpc-timeout", ""),
        ("grpc-timeout", "4S"),
        ("grpc-timeout", "7S"),
        ("x-envoy-expected-rq-timeout-ms", "NaN"),
        ("x-envoy-expected-rq-timeout-ms", "1e1"),
        ("x-envoy-expected-rq-timeout-ms", "+1"),
    ];
    assert_eq!(time_of(LAYER, request(&hostile)).await, Some(SECOND * 4));
}

#[tokio::test(start_paused = true)]
async fn other_headers_are_read_only_where_they_are_asked_for() {
    let given = [
        ("x-stainless-read-timeout", "4"),
        ("x-stainless-timeout", "3.5"),
        ("x-envoy-upstream-rq-timeout-ms", "2000"),
        ("x-request-deadline", "2026-11-21T20:00:01Z"),
    ];
    let time = async |layer| time_of(layer, request(&given)).await.unwrap();
    assert_eq!(time(LAYER).await, SECOND * 10);
    let stainless = LAYER.read(TimeoutHeader::Stainless);
    assert_eq!(time(stainless).await, SECOND * 7 / 2);
    let envoy = stainless.read(TimeoutHeader::EnvoyUpstream);
    assert_eq!(time(envoy).await, SECOND * 2);

    // Eight in the evening.
    let clock = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_291_200);
    assert_eq!(time(envoy.wall_clock(clock)).await, SECOND);
    let none = [("grpc-timeout", "1S")];
    let deaf = LAYER.ignore(TimeoutHeader::Grpc);
    assert_eq!(time_of(deaf, request(&none)).await, Some(SECOND * 10));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_there_already_is_kept_and_one_that_is_later_is_not() {
    let told = |time| {
        let mut request = request(&[]);
        let deadline = Deadline::after(Instant::now().into_std(), time);
        request.extensions_mut().insert(deadline);
        request
    };
    assert_eq!(time_of(LAYER, told(SECOND * 3)).await, Some(SECOND * 3));
    assert_eq!(time_of(LAYER, told(SECOND * 30)).await, Some(SECOND * 10));
}

#[tokio::test(start_paused = true)]
async fn one_request_may_have_another_total_than_the_rest() {
    let mut long = request(&[("grpc-timeout", "20S")]);
    long.extensions_mut().insert(Budget(SECOND * 60));
    assert_eq!(time_of(LAYER, long).await, Some(SECOND * 20));
}

#[tokio::test(start_paused = true)]
async fn a_layer_without_a_limit_of_its_own_enforces_those_of_others() {
    let unlimited = TimeoutBudgetLayer::new(Duration::MAX);
    assert_eq!(time_of(unlimited, request(&[])).await, None);
    let told = request(&[("grpc-timeout", "1S")]);
    let (answer, _) = send(unlimited, told, Reply::Pending).await;
    assert_eq!(exceeded(&answer.unwrap_err()).limit(), SECOND);
}

#[test]
fn a_budget_of_nothing_is_refused_where_it_is_given() {
    let error = TimeoutBudgetLayer::try_new(Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "a time budget is longer than 0s");
    assert!(TimeoutBudgetLayer::try_new(SECOND).is_ok());
}

// ===== when it is up =====

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_in_time_is_given_up_with_all_work_below() {
    let start = Instant::now();
    let (answer, handle) = send(LAYER, request(&[("grpc-timeout", "2S")]), Reply::Pending).await;
    let error = exceeded(&answer.unwrap_err());
    assert_eq!((error.limit(), error.floor()), (SECOND * 2, None));
    let late = start.elapsed() - SECOND * 2;
    assert!(late <= Duration::from_millis(2), "{late:?}");
    assert_eq!((handle.dropped(), handle.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_any_time_is_not_made() {
    for (name, value) in [
        ("grpc-timeout", "0n"),
        ("x-envoy-expected-rq-timeout-ms", "0"),
    ] {
        let (answer, handle) = send(LAYER, request(&[(name, value)]), ok()).await;
        let error = exceeded(&answer.unwrap_err());
        assert_eq!(error.limit(), Duration::ZERO);
        assert!(error.floor().is_some());
        assert_eq!(handle.calls(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_at_the_last_moment_comes_before_the_timer() {
    let (answer, _) = send(LAYER, request(&[]), ok().after(SECOND * 10)).await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_inner_service_pass_as_they_are() {
    let inner = service_fn(|_: Request<()>| async {
        Err::<Response<Nothing>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    let error = LAYER.layer(inner).oneshot(request(&[])).await.unwrap_err();
    assert!(error.downcast_ref::<std::io::Error>().is_some());
}

// ===== who sees it =====

/// What is current in a handler, before and after it has waited.
async fn handler(_: Request<()>) -> Result<Response<Nothing>, BoxError> {
    let before = current().ok_or("nothing is current")?;
    sleep(Duration::from_millis(1)).await;
    if current() != Some(before) {
        return Err("something else is current".into());
    }
    Ok(Response::default())
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_its_own_deadline_and_nobody_else_does() {
    let service = LAYER.layer(service_fn(handler));
    let (one, two) = tokio::join!(
        service.oneshot(request(&[("grpc-timeout", "1S")])),
        service.oneshot(request(&[("grpc-timeout", "2S")])),
    );
    one.and(two).unwrap();
    assert_eq!(current(), None);
}

#[tokio::test(start_paused = true)]
async fn a_request_made_in_a_handler_has_the_handlers_deadline() {
    let outbound = |request: Request<()>| {
        let (inner, handle) = ScriptedService::new([ok()]);
        let layer = TimeoutBudgetLayer::new(SECOND * 30);
        async move {
            layer.layer(inner).oneshot(request).await.unwrap();
            let seen = handle.take_requests().pop().unwrap();
            seen.extensions().get::<Deadline>().copied().unwrap()
        }
    };
    let handler = service_fn(move |_: Request<()>| async move {
        let here = outbound(Request::new(())).await;
        let spawned = tokio::spawn(carry(outbound(Request::new(()))));
        let lost = tokio::spawn(outbound(Request::new(())));
        let (spawned, lost) = (spawned.await.unwrap(), lost.await.unwrap());
        assert_eq!(Some(here), current());
        assert_eq!(here, spawned);
        assert!(lost.instant() > here.instant() + SECOND * 19);
        Ok::<_, BoxError>(Response::<Nothing>::default())
    });
    LAYER.layer(handler).oneshot(request(&[])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_carried_into_a_task_ends_with_the_deadline_it_came_with() {
    let (tell, told) = mpsc::channel();
    let handler = service_fn(move |_: Request<()>| {
        let call = send(
            TimeoutBudgetLayer::new(SECOND * 30),
            request(&[]),
            Reply::Pending,
        );
        let sent = tell.send(tokio::spawn(carry(call)));
        async move { sent.map(|()| Response::<Nothing>::default()) }
    });
    let start = Instant::now();
    LAYER.layer(handler).oneshot(request(&[])).await.unwrap();
    // The handler is gone long before its task is.
    let (answer, _) = told.recv().unwrap().await.unwrap();
    assert_eq!(exceeded(&answer.unwrap_err()).limit(), SECOND * 10);
    assert!(start.elapsed() - SECOND * 10 <= Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_leaves_nothing_behind_on_its_thread() {
    let inner = service_fn(|_: Request<()>| async {
        assert!(current().is_none(), "this handler panics");
        Ok::<_, BoxError>(Response::<Nothing>::default())
    });
    let call = tokio::spawn(LAYER.layer(inner).oneshot(request(&[])));
    assert!(call.await.is_err_and(|error| error.is_panic()));
    assert_eq!(current(), None);
}

#[tokio::test(start_paused = true)]
async fn an_extension_later_than_the_current_deadline_extends_nothing() {
    let now = Instant::now().into_std();
    let (inner, handle) = ScriptedService::<_, _, Infallible>::new([ok()]);
    let inner = TimeoutBudgetLayer::new(SECOND * 100).layer(inner);
    let handler = service_fn(move |mut request: Request<()>| {
        let later = Deadline::after(now, SECOND * 60).enforced();
        request.extensions_mut().insert(later);
        inner.clone().oneshot(request)
    });
    let outer = TimeoutBudgetLayer::new(SECOND * 2).layer(handler);
    outer.oneshot(Request::new(())).await.unwrap();
    let seen = handle.take_requests().pop().unwrap();
    let deadline: &Deadline = seen.extensions().get().unwrap();
    assert_eq!(deadline.remaining(now), SECOND * 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_said_to_enforce_a_deadline_must_still_be_there() {
    // As of a request that was kept, or sent on by a task that outlives the call it came with.
    let mut request = Request::new(());
    let stale = Deadline::after(Instant::now().into_std(), SECOND * 2).enforced();
    request.extensions_mut().insert(stale);
    let start = Instant::now();
    let (answer, _) = send(TimeoutBudgetLayer::new(SECOND * 9), request, Reply::Pending).await;
    exceeded(&answer.unwrap_err());
    assert!(start.elapsed() - SECOND * 2 <= Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn a_zero_that_stands_for_no_limit_is_none() {
    let layer = TimeoutBudgetLayer::new(SECOND * 2)
        .read(TimeoutHeader::EnvoyUpstream)
        .read(TimeoutHeader::Stainless);
    for name in ["x-envoy-upstream-rq-timeout-ms", "x-stainless-timeout"] {
        let request = Request::get("/").header(name, "0").body(()).unwrap();
        assert_eq!(time_of(layer, request).await, Some(SECOND * 2), "{name}");
    }
}
