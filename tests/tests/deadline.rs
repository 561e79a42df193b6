//! One time budget across everything: a door, a handler, retries, attempts. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too; callers run side by side"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::{Backoff, BoxError, Jitter, Ratio};
use buttress::deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use buttress::judge::JudgeLayer;
use buttress::respond::RespondLayer;
use buttress::retry::RetryLayer;
use buttress_testkit::body::{ScriptedBody, Step};
use buttress_testkit::probe::{Reply, ScriptedHandle, ScriptedService};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);
const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";

type Answer = Response<ScriptedBody>;
type Script = fn(usize) -> Reply<Answer, BoxError>;
type Told = Arc<Mutex<Vec<Duration>>>;
type Upstream<Q> = (
    ScriptedService<Request<Q>, Answer, BoxError>,
    ScriptedHandle<Request<Q>, Answer, BoxError>,
);

fn failed() -> Reply<Answer, BoxError> {
    let answer = Response::builder().status(503);
    Reply::Ok(answer.body(ScriptedBody::full("overloaded")).unwrap())
}

fn well() -> Reply<Answer, BoxError> {
    Reply::Ok(Response::new(ScriptedBody::full("well")))
}

/// An upstream that plays a script, and writes down how long it is told that it has.
fn upstream<Q: Send + 'static>(script: Script) -> (Upstream<Q>, Told) {
    let told = Told::default();
    let upstream = ScriptedService::from_fn({
        let told = Arc::clone(&told);
        move |call, request: Request<Q>| {
            let header = request.headers()[EXPECTED].to_str().unwrap();
            let time = Duration::from_millis(header.parse().unwrap());
            told.lock().unwrap().push(time);
            script(call)
        }
    });
    (upstream, told)
}

/// A door with a limit of thirty seconds; behind it a handler that calls an upstream and knows nothing of
/// time: a total of a minute, three attempts, a pause of 200 ms between them.
fn gateway(
    share: BudgetShareLayer,
    script: Script,
) -> (
    BoxCloneService<Request<()>, Response<Bytes>, BoxError>,
    impl Fn() -> (usize, Vec<Duration>),
) {
    let ((upstream, handle), told) = upstream(script);
    let client = ServiceBuilder::new()
        .layer(TimeoutBudgetLayer::new(Duration::from_secs(60)))
        .layer(
            RetryLayer::http(Profile::HTTP)
                .backoff(Backoff::constant(MS * 200).jitter(Jitter::None))
                .min_attempt(MS * 100),
        )
        .layer(share.announce(true))
        .layer(JudgeLayer::new(Profile::HTTP))
        .service(upstream)
        .boxed_clone();
    let handler = service_fn(move |_: Request<()>| {
        let client = client.clone();
        async move { client.oneshot(Request::new(Empty::<Bytes>::new())).await }
    });
    let door = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(TimeoutBudgetLayer::new(Duration::from_secs(30)))
        .service(handler)
        .boxed_clone();
    let whole = service_fn(move |request| {
        let door = door.clone();
        async move {
            let Ok(response) = door.oneshot(request).await;
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Ok::<_, BoxError>(Response::from_parts(head, body))
        }
    });
    let seen = move || (handle.calls(), told.lock().unwrap().clone());
    (BoxCloneService::new(whole), seen)
}

/// A client that waits so long, and says so.
fn waits(time: Duration) -> Request<()> {
    let request = Request::get("/").header(EXPECTED, time.as_millis().to_string());
    request.body(()).unwrap()
}

fn problem(response: &Response<Bytes>) -> Value {
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_two_seconds_never_waits_longer_and_each_attempt_is_told_less() {
    let (gateway, seen) = gateway(BudgetShareLayer::all(), |call| match call {
        0 => failed().after(MS * 900),
        _ => Reply::Pending,
    });
    let start = Instant::now();
    let response = gateway.oneshot(waits(MS * 2_000)).await.unwrap();
    assert!(start.elapsed() <= MS * 2_050, "{:?}", start.elapsed());
    assert_eq!(response.status(), 504);
    assert_eq!(problem(&response)["budget_ms"], 2_000);
    let (calls, told) = seen();
    assert_eq!(calls, 2);
    assert_eq!(told[0], MS * 2_000);
    assert!(told[1] <= MS * 900 && told[1] > MS * 890, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn whatever_the_attempts_do_the_client_has_its_answer_in_time() {
    let seed = 0x5eed_u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut chance = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for _ in 0..200 {
        let mut ratio = || Ratio::basis_points(u16::try_from(chance(10_001)).unwrap());
        let share = BudgetShareLayer::fraction(ratio()).attempt_share(ratio());
        let (gateway, seen) = gateway(share, |call| match call % 4 {
            0 => failed().after(MS * 300),
            1 => Reply::Err("reset".into()).after(MS * 150),
            2 => Reply::Pending,
            _ => well().after(MS * 700),
        });
        let time = MS * u32::try_from(chance(3_000)).unwrap();
        let start = Instant::now();
        gateway.oneshot(waits(time)).await.unwrap();
        let late = start.elapsed().saturating_sub(time);
        assert!(late <= MS * 50, "{late:?} late");
        let (_, told) = seen();
        assert!(told.iter().all(|told| *told <= time));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_cannot_extend_the_time_of_the_house() {
    let (gateway, seen) = gateway(BudgetShareLayer::all(), |_| Reply::Pending);
    let start = Instant::now();
    let response = gateway.oneshot(waits(MS * 3_600_000)).await.unwrap();
    assert_eq!(response.status(), 504);
    assert!(start.elapsed() <= MS * 30_050);
    assert_eq!(seen().1, [MS * 30_000]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_cannot_fit_gives_the_last_answer_and_no_timeout() {
    let (gateway, seen) = gateway(BudgetShareLayer::all(), |_| failed().after(MS * 800));
    let start = Instant::now();
    let response = gateway.oneshot(waits(MS * 1_050)).await.unwrap();
    assert_eq!(
        (response.status(), &response.body()[..]),
        (StatusCode::SERVICE_UNAVAILABLE, &b"overloaded"[..])
    );
    assert!(
        start.elapsed() < MS * 805,
        "it does not wait for what would not help"
    );
    assert_eq!(seen().0, 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_used_up_its_share_is_followed_by_another() {
    // 3 s; then half of 2.8 s that are left: a third begins with 1.4 s, and answers.
    let share = BudgetShareLayer::fraction(Ratio::percent(50));
    let (gateway, seen) = gateway(share, |call| match call {
        0 | 1 => Reply::Pending,
        _ => well(),
    });
    let response = gateway.oneshot(waits(MS * 6_000)).await.unwrap();
    assert_eq!(response.status(), 200);
    let (calls, told) = seen();
    assert_eq!(calls, 3);
    assert_eq!(told[0], MS * 3_000);
    assert!(told.windows(2).all(|pair| pair[1] < pair[0]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_attempts_share_cuts_no_answer_that_has_begun() {
    let share = BudgetShareLayer::all().attempt_share(Ratio::percent(30));
    let (gateway, seen) = gateway(share, |call| match call {
        0 => Reply::Pending,
        _ => {
            let steps = [
                Step::data("long "),
                Step::Wait(MS * 3_000),
                Step::data("answer"),
            ];
            Reply::Ok(Response::new(ScriptedBody::new(steps)))
        }
    });
    let response = gateway.oneshot(waits(MS * 6_000)).await.unwrap();
    assert_eq!(response.body(), "long answer");
    assert_eq!(seen().0, 2);
}

#[tokio::test(start_paused = true)]
async fn with_no_time_left_there_is_no_call() {
    let (gateway, seen) = gateway(BudgetShareLayer::all(), |_| well());
    let response = gateway.oneshot(waits(Duration::ZERO)).await.unwrap();
    assert_eq!(problem(&response)["reason"], "deadline");
    assert_eq!(seen().0, 0);
}

#[tokio::test(start_paused = true)]
async fn callers_side_by_side_have_their_own_time_each() {
    let (gateway, seen) = gateway(BudgetShareLayer::all(), |_| Reply::Pending);
    let calls = (1..=50_u32).map(|n| {
        let gateway = gateway.clone();
        tokio::spawn(async move {
            sleep(MS * (n % 7)).await;
            let start = Instant::now();
            let response = gateway.oneshot(waits(MS * 100 * n)).await.unwrap();
            assert_eq!(problem(&response)["budget_ms"], 100 * n);
            assert!(start.elapsed() <= MS * (100 * n + 50));
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(seen().0, 50);
}
