//! Limits of one request, and what is not timed.

use buttress_core::{Deadline, find};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_timeout::{FirstFrameElapsed, IdleElapsed, StreamLimits, TotalElapsed};
use http::{Method, Request, Response};
use tokio::time::{Instant, timeout};

use crate::calls::{MS, PING, SECOND, TEXT, call_for, failure, in_time, layer, stream};

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
