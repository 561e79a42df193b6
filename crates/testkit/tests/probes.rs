//! The probes see what a layer does to a service.

use std::{future::Future, task::Poll, time::Duration};

use buttress_testkit::probe::{
    PollCounter, ReadinessProbe, Reply, ScriptedHandle, ScriptedService,
};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower_service::Service;

type Scripted = ScriptedService<&'static str, u32, &'static str>;
type Handle = ScriptedHandle<&'static str, u32, &'static str>;

fn scripted<const N: usize>(replies: [Reply<u32, &'static str>; N]) -> (Scripted, Handle) {
    ScriptedService::new(replies)
}

fn poll_ready<S: Service<&'static str>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    task::spawn(()).enter(|cx, _| service.poll_ready(cx))
}

#[test]
#[should_panic(expected = "called without a prior")]
fn an_unready_probe_panics_when_called() {
    let mut probe = ReadinessProbe::new(scripted([Reply::Ok(1)]).0);
    drop(probe.call("too early"));
}

#[test]
#[should_panic(expected = "called without a prior")]
fn one_readiness_is_good_for_one_call() {
    let mut probe = ReadinessProbe::new(scripted([Reply::Ok(1), Reply::Ok(2)]).0);
    assert_ready_ok!(poll_ready(&mut probe));
    drop(probe.call("first"));
    drop(probe.call("second"));
}

#[test]
#[should_panic(expected = "called without a prior")]
fn readiness_is_lost_on_clone() {
    let mut probe = ReadinessProbe::new(scripted([Reply::Ok(1)]).0);
    assert_ready_ok!(poll_ready(&mut probe));
    drop(probe.clone().call("on the clone"));
}

#[test]
fn the_original_stays_ready_when_it_is_cloned() {
    let (inner, handle) = scripted([Reply::Ok(1)]);
    let mut probe = ReadinessProbe::new(inner);
    assert_ready_ok!(poll_ready(&mut probe));
    assert!(!probe.clone().is_ready());
    assert_ready_ok!(task::spawn(probe.call("on the original")).poll());
    assert_eq!(handle.take_requests(), ["on the original"]);
}

#[test]
fn pending_and_failed_readiness_do_not_make_a_probe_ready() {
    let (inner, handle) = scripted([]);
    let mut probe = ReadinessProbe::new(inner);
    handle.hold_readiness();
    assert_pending!(poll_ready(&mut probe));
    assert!(!probe.is_ready());
    handle.fail_readiness("closed");
    assert_eq!(assert_ready_err!(poll_ready(&mut probe)), "closed");
    assert!(!probe.is_ready());
}

#[test]
fn granted_readiness_wakes_who_waits() {
    let (mut service, handle) = scripted([]);
    handle.hold_readiness();
    let mut waiting = task::spawn(());
    assert_pending!(waiting.enter(|cx, _| service.poll_ready(cx)));
    assert!(!waiting.is_woken());
    handle.grant_readiness();
    assert!(waiting.is_woken());
    assert_ready_ok!(waiting.enter(|cx, _| service.poll_ready(cx)));
}

#[test]
fn replies_come_in_the_order_of_the_script() {
    let (mut service, handle) = scripted([Reply::Ok(1), Reply::Err("no")]);
    handle.push(Reply::Ok(3));
    assert_eq!(assert_ready_ok!(task::spawn(service.call("a")).poll()), 1);
    assert_eq!(
        assert_ready_err!(task::spawn(service.clone().call("b")).poll()),
        "no"
    );
    assert_eq!(assert_ready_ok!(task::spawn(service.call("c")).poll()), 3);
    assert_eq!(handle.calls(), 3);
    assert_eq!(handle.take_requests(), ["a", "b", "c"]);
    assert!(handle.take_requests().is_empty());
}

#[test]
#[should_panic(expected = "call 1 has no scripted reply")]
fn a_call_that_the_script_does_not_know_panics() {
    let (mut service, _) = scripted([Reply::Ok(1)]);
    drop(service.call("known"));
    drop(service.call("unknown"));
}

#[test]
fn a_closure_decides_by_number_and_request() {
    let (mut service, handle) = ScriptedService::<&str, String, ()>::from_fn(|call, request| {
        if call == 0 {
            Reply::Err(())
        } else {
            Reply::Ok(format!("{call}: {request}"))
        }
    });
    assert_ready_err!(task::spawn(service.call("a")).poll());
    assert_eq!(
        assert_ready_ok!(task::spawn(service.call("b")).poll()),
        "1: b"
    );
    assert!(handle.take_requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_comes_on_time() {
    let late = Reply::Ok(1)
        .after(Duration::from_secs(2))
        .after(Duration::from_secs(3));
    let (mut service, handle) = scripted([late, Reply::Ok(2).after(Duration::ZERO)]);
    let start = tokio::time::Instant::now();
    let call = service.call("a");
    assert_eq!(handle.in_flight(), 1);
    assert_eq!(call.await, Ok(1));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(handle.in_flight(), 0);
    // Without a wait there is no timer either.
    assert_eq!(assert_ready_ok!(task::spawn(service.call("b")).poll()), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reply_may_be_any_future() {
    let (mut service, _) = scripted([Reply::future(async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err("after a while")
    })]);
    let mut call = task::spawn(service.call("a"));
    assert_pending!(call.poll());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(call.is_woken());
    assert_eq!(assert_ready_err!(call.poll()), "after a while");
}

#[test]
fn dropped_calls_are_counted() {
    let (mut service, handle) = scripted([Reply::Pending, Reply::Ok(1), Reply::Ok(2)]);
    let mut pending = task::spawn(service.call("a"));
    assert_pending!(pending.poll());
    drop(pending);
    drop(service.call("never polled"));
    assert_ready_ok!(task::spawn(service.call("done")).poll());
    assert_eq!(
        (handle.calls(), handle.dropped(), handle.in_flight()),
        (3, 2, 0)
    );
}

#[test]
fn a_poll_counter_counts_every_poll_and_every_end() {
    let (inner, _) = scripted([Reply::Ok(1), Reply::Pending]);
    let (mut service, polls) = PollCounter::new(inner);
    assert_ready_ok!(poll_ready(&mut service));
    assert_ready_ok!(poll_ready(&mut service.clone()));
    assert_eq!(polls.ready_polls(), 2);

    assert_ready_ok!(task::spawn(service.call("a")).poll());
    let mut pending = task::spawn(service.clone().call("b"));
    assert_pending!(pending.poll());
    assert_pending!(pending.poll());
    assert_eq!(
        (polls.calls(), polls.future_polls(), polls.finished()),
        (2, 3, 1)
    );
    assert_eq!(polls.dropped(), 0);
    drop(pending);
    assert_eq!((polls.finished(), polls.dropped()), (1, 1));
}

#[test]
fn the_futures_are_send_and_unpin() {
    fn check<F: Future + Send + Unpin>(_: F) {}
    let (service, _) = scripted([Reply::Ok(1)]);
    check(PollCounter::new(service).0.call("a"));
}
