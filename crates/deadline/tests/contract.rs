//! The laws of Tower: who is called when, and what is left when it is dropped.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_core::Ratio;
use buttress_deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use buttress_testkit::body::ScriptedBody;
use buttress_testkit::probe::{
    PollCounter, ReadinessProbe, Reply, ScriptedHandle, ScriptedService,
};
use http::{Request, Response};
use tokio::time::timeout;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);
const BUDGET: TimeoutBudgetLayer = TimeoutBudgetLayer::new(SECOND);
const SHARE: BudgetShareLayer = BudgetShareLayer::fraction(Ratio::percent(50));

type Handle = ScriptedHandle<Request<()>, Response<ScriptedBody>, Infallible>;
type Inner = ScriptedService<Request<()>, Response<ScriptedBody>, Infallible>;

fn inner(reply: fn() -> Reply<Response<ScriptedBody>, Infallible>) -> (Inner, Handle) {
    ScriptedService::from_fn(move |_, _| reply())
}

fn well() -> Reply<Response<ScriptedBody>, Infallible> {
    Reply::Ok(Response::new(ScriptedBody::full("well")))
}

#[tokio::test(start_paused = true)]
async fn what_was_readied_is_called_and_once() {
    let (inner, _) = inner(well);
    let (inner, polls) = PollCounter::new(ReadinessProbe::new(inner));
    let mut stack = ServiceBuilder::new()
        .layer(BUDGET)
        .layer(SHARE)
        .service(inner);
    for _ in 0..2 {
        let service = stack.ready().await.unwrap();
        service.call(Request::new(())).await.unwrap();
    }
    assert_eq!((polls.ready_polls(), polls.calls()), (2, 2));
    assert_eq!(polls.future_polls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_readiness_that_is_waited_for_takes_nothing_from_the_budget() {
    let (inner, handle) = inner(|| well().after(SECOND - Duration::from_millis(1)));
    handle.hold_readiness();
    let mut service = BUDGET.layer(inner);
    assert!(timeout(SECOND * 5, service.ready()).await.is_err());
    handle.grant_readiness();
    let answer = service.ready().await.unwrap().call(Request::new(()));
    assert!(answer.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn dropped_while_it_waits_a_call_is_gone() {
    let (inner, handle) = inner(|| Reply::Pending);
    let stack = BUDGET.layer(SHARE.layer(inner));
    let call = timeout(SECOND / 4, stack.oneshot(Request::new(())));
    assert!(call.await.is_err());
    assert_eq!((handle.in_flight(), handle.dropped()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn of_two_limits_the_nearer_ends_the_call_and_only_it() {
    let (inner, handle) = inner(|| Reply::Pending);
    let stack = BUDGET.layer(SHARE.layer(inner));
    let error = stack.oneshot(Request::new(())).await.unwrap_err();
    let text = buttress_core::chain(&*error).last().unwrap().to_string();
    assert_eq!(text, "the share of the time budget of 500ms ran out");
    assert_eq!(handle.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_budget_inside_of_an_enforced_one_arms_no_timer_of_its_own() {
    // The call is begun inside and taken outside, where nobody ends it: nor does the inner layer.
    let (inner, _) = inner(|| Reply::Pending);
    let inner = BUDGET.layer(inner);
    let taken = Arc::new(Mutex::new(None));
    let take = Arc::clone(&taken);
    let outer = BUDGET.layer(tower::service_fn(move |request: Request<()>| {
        *take.lock().unwrap() = Some(inner.clone().call(request));
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    outer.oneshot(Request::new(())).await.unwrap();
    let call = taken.lock().unwrap().take().unwrap();
    assert!(timeout(SECOND * 60, call).await.is_err());
}

#[test]
fn services_futures_and_bodies_can_be_sent_and_shared_and_none_is_boxed() {
    fn assert_send_sync<T: Send + Sync>(_: &T) {}
    fn assert_unpin<T: Unpin>() {}
    assert_unpin::<buttress_deadline::DeadlineBody<ScriptedBody>>();
    let mut service = BUDGET.layer(tower::service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    assert_send_sync(&service);
    let future = service.call(Request::new(()));
    assert_send_sync(&future);
    assert!(size_of_val(&future) <= 320, "{}", size_of_val(&future));
}
