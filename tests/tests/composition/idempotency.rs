//! Where calls that are one stand, on either way. Each test is named after its arrow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use buttress::classify::Profile;
use buttress::core::{BoxError, Ratio};
use buttress::deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use buttress::fallback::{FallbackLayer, Http, Tier};
use buttress::heartbeat::HeartbeatSseLayer;
use buttress::idempotency::{IdempotencyKeyLayer, IdempotencyLayer};
use buttress::timeout::StreamTimeoutLayer;
use buttress_testkit::upstream::{Behaviour, Cut, Upstream};
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body::Body;
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::filter::FilterLayer;
use tower::util::MapRequestLayer;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{SECOND, always, chat, plain, read, retry, upstream};

const OPENAI: Profile = Profile::OPENAI;
const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";
const DONE: &[u8] = b"data: [DONE]\n\n";

/// Calls go on without those who began them.
#[allow(
    clippy::disallowed_methods,
    reason = "the executor is the application's"
)]
fn idempotency() -> IdempotencyLayer {
    IdempotencyLayer::new(OPENAI).executor(|call| drop(tokio::spawn(call)))
}

/// One caller's request, always the same one.
fn keyed() -> Request<Full<Bytes>> {
    let mut request = chat();
    let headers = request.headers_mut();
    headers.insert("authorization", HeaderValue::from_static("Bearer me"));
    headers.insert("idempotency-key", HeaderValue::from_static("k"));
    request
}

/// From a caller who waits so long.
fn patient(millis: &'static str) -> Request<Full<Bytes>> {
    let mut request = keyed();
    let millis = HeaderValue::from_static(millis);
    request.headers_mut().insert(EXPECTED, millis);
    request
}

/// Head in a second, and a chunk each further second.
fn slow() -> Behaviour {
    Behaviour::well().head_delay(SECOND).chunk_delay(SECOND)
}

/// What came of it: all of its stream, or nothing that is of use.
async fn ask<S, B>(service: S, request: Request<Full<Bytes>>) -> Option<Vec<u8>>
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>>,
    B: Body<Data = Bytes> + Unpin,
{
    let answer = service.oneshot(request).await.ok()?;
    let (_, body, whole) = read(answer).await;
    whole.then_some(body)
}

/// The key that each call had.
fn keys(upstream: &Upstream) -> Vec<String> {
    let calls = upstream.calls();
    let keys = calls.iter().map(|call| &call.headers["idempotency-key"]);
    keys.map(|key| key.to_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn idempotency_key_outside_retry_all_attempts_are_one_call() {
    let lost = || upstream([Behaviour::well().cut_before_head(Cut::Reset)]);
    let key = IdempotencyKeyLayer::new();

    let seen = lost();
    let stack = key.layer(retry(OPENAI).layer(seen.service()));
    assert_eq!(stack.oneshot(plain()).await.unwrap().status(), 200);
    let sent = keys(&seen);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);

    // The other way round the retry knows of no key, and where it may try again each attempt is a call of its own.
    let seen = lost();
    let stack = retry(OPENAI).layer(key.layer(seen.service()));
    assert!(stack.oneshot(plain()).await.is_err());
    let seen = upstream([Behaviour::status(500)]);
    let stack = retry(OPENAI).layer(key.layer(seen.service()));
    assert_eq!(stack.oneshot(plain()).await.unwrap().status(), 200);
    let sent = keys(&seen);
    assert_ne!(sent[0], sent[1]);
}

#[tokio::test(start_paused = true)]
async fn idempotency_key_outside_fallback_tiers_that_are_one_store_see_one_call() {
    let down = || always(Behaviour::status(500));
    let key = IdempotencyKeyLayer::new();

    let (a, b) = (down(), always(Behaviour::well()));
    let tier = Tier::upstream("b", b.service(), OPENAI);
    let fallback = FallbackLayer::<_, Http<_, _>>::http(OPENAI).tier(tier);
    let stack = key.layer(fallback.layer(a.service()));
    assert_eq!(stack.oneshot(plain()).await.unwrap().status(), 200);
    assert_eq!(keys(&a), keys(&b));

    // The other way round each tier is told of another call.
    let (a, b) = (down(), always(Behaviour::well()));
    let tier = Tier::upstream("b", key.layer(b.service()), OPENAI);
    let fallback = FallbackLayer::<_, Http<_, _>>::http(OPENAI).tier(tier);
    let stack = fallback.layer(key.layer(a.service()));
    assert_eq!(stack.oneshot(plain()).await.unwrap().status(), 200);
    assert_ne!(keys(&a), keys(&b));
}

#[tokio::test(start_paused = true)]
async fn authentication_outside_idempotency_a_key_is_no_pass() {
    fn guard<T>(
        revoked: &Arc<AtomicBool>,
    ) -> FilterLayer<impl Fn(T) -> Result<T, BoxError> + Clone + use<T>> {
        let revoked = Arc::clone(revoked);
        FilterLayer::new(move |request| match revoked.load(SeqCst) {
            false => Ok(request),
            true => Err("who is there?".into()),
        })
    }
    let revoked = Arc::new(AtomicBool::new(false));
    let seen = always(Behaviour::well());
    let outside = guard(&revoked).layer(idempotency().layer(seen.service()));
    let inside = idempotency().layer(guard(&revoked).layer(seen.service()));
    assert!(ask(outside.clone(), keyed()).await.is_some());
    assert!(ask(inside.clone(), keyed()).await.is_some());

    revoked.store(true, SeqCst);
    assert!(ask(outside, keyed()).await.is_none());
    assert!(ask(inside, keyed()).await.is_some(), "by heart");
}

#[tokio::test(start_paused = true)]
async fn heartbeat_outside_idempotency_each_caller_gets_his_own_and_none_is_kept() {
    let beats = |body: Vec<u8>| {
        let text = String::from_utf8(body).unwrap();
        text.matches(": keepalive").count()
    };
    let silent = || always(Behaviour::well().chunk_delay(SECOND * 20));
    let heartbeat = HeartbeatSseLayer::new();

    let outside = heartbeat.layer(idempotency().layer(silent().service()));
    let live = ask(outside.clone(), keyed()).await.unwrap();
    let kept = ask(outside, keyed()).await.unwrap();
    assert!(beats(live) > 0 && beats(kept) == 0);

    // The other way round the comments of one silence are everybody's for a day.
    let inside = idempotency().layer(heartbeat.layer(silent().service()));
    assert!(ask(inside.clone(), keyed()).await.is_some());
    assert!(beats(ask(inside, keyed()).await.unwrap()) > 0);
}

#[tokio::test(start_paused = true)]
async fn timeout_budget_outside_idempotency_one_callers_time_is_not_everybodys() {
    let budget = TimeoutBudgetLayer::new(SECOND * 600);

    let seen = upstream([slow()]);
    let stack = budget.layer(idempotency().layer(seen.service()));
    let hurried = ask(stack.clone(), patient("2500"));
    let (hurried, all) = tokio::join!(hurried, ask(stack, patient("60000")));
    assert!(hurried.is_none());
    assert!(all.unwrap().ends_with(DONE));
    assert_eq!(seen.counts().calls, 1);

    // The other way round the call ends when its first caller has no time left.
    let seen = upstream([slow()]);
    let stack = idempotency().layer(budget.layer(seen.service()));
    let hurried = ask(stack.clone(), patient("2500"));
    let (_, all) = tokio::join!(hurried, ask(stack, patient("60000")));
    assert!(all.is_none());
}

#[tokio::test(start_paused = true)]
async fn idempotency_outside_the_handler_whatever_that_does_is_done_once() {
    fn bill<T>(done: &Arc<AtomicUsize>) -> MapRequestLayer<impl Fn(T) -> T + Clone + use<T>> {
        let done = Arc::clone(done);
        MapRequestLayer::new(move |request| {
            done.fetch_add(1, SeqCst);
            request
        })
    }
    let done = Arc::new(AtomicUsize::new(0));
    let inside = idempotency().layer(bill(&done).layer(upstream([slow()]).service()));
    let (one, two) = tokio::join!(ask(inside.clone(), keyed()), ask(inside, keyed()));
    assert!(one.is_some() && one == two);
    assert_eq!(done.swap(0, SeqCst), 1);

    let outside = bill(&done).layer(idempotency().layer(upstream([slow()]).service()));
    let (one, two) = tokio::join!(ask(outside.clone(), keyed()), ask(outside, keyed()));
    assert!(one.is_some() && one == two);
    assert_eq!(done.swap(0, SeqCst), 2, "billed twice");
}

/// What is inside of a call that is everybody's has that call's time, whoever began it and whoever polls it.
#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_its_caller_has_limits_of_its_own() {
    let budget = TimeoutBudgetLayer::new(SECOND * 600);
    let run = idempotency().max_run(SECOND * 100);

    // The caller leaves after two seconds. A stream that stalls later on still ends by the limit of its own.
    let stalls = upstream([Behaviour::well()
        .chunk_delay(SECOND)
        .cut_after(3, Cut::Stall)]);
    let idle = StreamTimeoutLayer::llm(OPENAI).idle(SECOND * 10);
    let door = budget.layer(run.layer(idle.layer(stalls.service())));
    assert!(ask(door.clone(), patient("2000")).await.is_none());
    let start = Instant::now();
    assert!(ask(door, patient("60000")).await.is_none());
    let waited = start.elapsed();
    assert!((SECOND * 8..SECOND * 16).contains(&waited), "{waited:?}");

    // A limit of the caller's time was none that somebody outside would still enforce.
    let never = upstream([Behaviour::well().head_delay(SECOND * 3_600)]);
    let first = StreamTimeoutLayer::new().first_frame(SECOND * 10);
    let door = budget.layer(run.layer(first.layer(never.service())));
    assert!(ask(door, patient("2000")).await.is_none());
    sleep(SECOND * 9).await;
    assert_eq!(never.counts().abandoned, 1, "after ten seconds");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_its_caller_hands_on_the_time_that_it_has_itself() {
    let budget = TimeoutBudgetLayer::new(SECOND * 600);
    let run = || idempotency().max_run(SECOND * 100);
    for (share, told) in [
        (BudgetShareLayer::all(), "100000"),
        (BudgetShareLayer::fraction(Ratio::percent(50)), "50000"),
    ] {
        // By the extension of the request that is handed in …
        let share = share.announce(true);
        let seen = upstream([slow()]);
        let direct = budget.layer(run().layer(share.layer(seen.service())));
        goes_on(direct, &seen, told).await;

        // … and, without any, of one that a handler makes.
        let seen = upstream([slow()]);
        let client = share.layer(seen.service());
        let handler = service_fn(move |_| client.clone().oneshot(chat()));
        goes_on(budget.layer(run().layer(handler)), &seen, told).await;
    }
}

/// Although its caller leaves after two seconds.
async fn goes_on<S, B>(door: S, seen: &Upstream, told: &str)
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
{
    assert!(ask(door.clone(), patient("2000")).await.is_none());
    assert_eq!(seen.calls()[0].headers[EXPECTED], told);
    let all = ask(door, patient("60000")).await;
    assert!(all.is_some_and(|all| all.ends_with(DONE)));
    assert_eq!(seen.counts().calls, 1);
}
