//! Whose payload is whose: what is compared, with what, and who is told. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and an executor spawns"
)]

mod kit;

use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{BoxError, find};
use buttress_idempotency::{CallInFlight, IdempotencyLayer, KeyReused, RequestBody, RunElapsed};
use buttress_testkit::body::{ScriptedBody, Step};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

use kit::wire::Wire;
use kit::{Answer, Upstream, ask, is_replay, keyed, read};

fn layer() -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP)
}

fn post<Q>(path: &str, body: Q) -> Request<Q> {
    let request = Request::post(path).header("authorization", "Bearer me");
    request.header("idempotency-key", "k").body(body).unwrap()
}

fn full(body: &'static str) -> Full<Bytes> {
    Full::from(body)
}

fn steps(steps: impl IntoIterator<Item = Step>) -> Request<ScriptedBody> {
    post("/", ScriptedBody::new(steps))
}

fn is<E: std::error::Error + 'static, T>(result: &Result<T, BoxError>) -> bool {
    let error = result.as_ref().err();
    error.is_some_and(|error| find::<E>(&**error).is_some())
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_compared_too_where_the_store_is_shared() {
    let upstream = Upstream::saying("done");
    let service = layer().store(Wire::new()).layer(upstream.service());
    let empty = |path| post(path, full(""));
    ask(&service, empty("/cancel/1")).await.unwrap();
    assert!(is_replay(
        &ask(&service, empty("/cancel/1")).await.unwrap().0
    ));
    let another = ask(&service, empty("/cancel/2")).await;
    assert!(is::<KeyReused, _>(&another), "{another:?}");
    let full = ask(&service, post("/cancel/1", full("all"))).await;
    assert!(is::<KeyReused, _>(&full), "{full:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_body_is_another_than_an_empty_one() {
    let upstream = Upstream::saying("paid 10");
    let service = layer().store(Wire::new()).layer(upstream.service());
    ask(&service, post("/pay", full("10"))).await.unwrap();
    let empty = ask(&service, post("/pay", full(""))).await;
    assert!(is::<KeyReused, _>(&empty), "{empty:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_payload_does_not_refuse_the_right_one_beside_it() {
    let (store, upstream) = (Wire::new(), Upstream::saying("a"));
    let service = layer().store(store).layer(upstream.service());
    ask(&service, keyed("k", "p")).await.unwrap();
    let (wrong, right) = tokio::join!(
        ask(&service, keyed("k", "q")),
        ask(&service, keyed("k", "p"))
    );
    assert!(is::<KeyReused, _>(&wrong), "{wrong:?}");
    assert!(is_replay(&right.unwrap().0));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_payloads_under_one_key_the_first_is_made() {
    let (store, upstream) = (Wire::new(), Upstream::saying("a"));
    let one = layer().store(store.clone()).layer(upstream.service());
    let other = layer().store(store).layer(upstream.service());
    let (first, second, third) = tokio::join!(
        ask(&one, keyed("k", "p")),
        ask(&one, keyed("k", "q")),
        ask(&other, keyed("k", "q"))
    );
    assert_eq!(first.unwrap().1, "a");
    assert!(is::<KeyReused, _>(&second) && is::<KeyReused, _>(&third));
    assert_eq!((upstream.calls(), upstream.seen(0)), (1, "p".into()));
}

/// Reads so many bytes, and lets go of the rest, as clients do that know the length.
fn reads(
    len: usize,
) -> impl tower::Service<
    Request<RequestBody<ScriptedBody>>,
    Response = Response<Full<Bytes>>,
    Error = BoxError,
    Future: Send,
> + Clone {
    service_fn(move |request: Request<RequestBody<_>>| async move {
        let (mut body, mut said) = (request.into_body(), Vec::new());
        while said.len() < len {
            let frame = body.frame().await.unwrap()?;
            said.extend_from_slice(&frame.into_data().unwrap());
        }
        drop(body);
        sleep(Duration::from_secs(1)).await;
        Ok(Response::new(Full::from(said)))
    })
}

/// It does not know its end before it has come.
fn pieces(body: &'static str) -> ScriptedBody {
    let piece = |piece: &'static [u8]| Step::data(Bytes::from_static(piece));
    ScriptedBody::new(body.as_bytes().chunks(4).map(piece)).conservative_end()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_by_its_length_is_compared() {
    let service = layer().layer(reads(8));
    let sized = |body: &'static str| {
        let mut request = post("/pay", pieces(body));
        request.headers_mut().insert("content-length", 8.into());
        request
    };
    assert_eq!(
        ask(&service, sized("10 to A.")).await.unwrap().1,
        "10 to A."
    );
    assert!(is_replay(
        &ask(&service, sized("10 to A.")).await.unwrap().0
    ));
    let another = ask(&service, sized("99 to B.")).await;
    assert!(is::<KeyReused, _>(&another), "{another:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_read_in_part_is_nobody_elses_and_not_kept() {
    let service = layer().layer(reads(4));
    let (first, second) = tokio::join!(
        ask(&service, post("/pay", pieces("10 to A."))),
        ask(&service, post("/pay", pieces("10 to B.")))
    );
    assert_eq!(first.unwrap().1, "10 t");
    assert!(is::<CallInFlight, _>(&second), "{second:?}");
    let again = ask(&service, post("/pay", pieces("10 to A."))).await;
    assert!(!is_replay(&again.unwrap().0));
}

#[tokio::test(start_paused = true)]
async fn of_a_body_that_is_too_long_to_be_held_the_last_byte_counts_too() {
    let service = layer().layer(Upstream::saying("a").service());
    let large = |last: &'static str| {
        let mebibytes = (0..2).map(|_| Step::data(Bytes::from(vec![0; 1 << 20])));
        steps(mebibytes.chain([Step::data(last)]))
    };
    ask(&service, large("1")).await.unwrap();
    assert!(is_replay(&ask(&service, large("1")).await.unwrap().0));
    assert!(is::<KeyReused, _>(&ask(&service, large("2")).await));
}

#[tokio::test(start_paused = true)]
async fn the_leaders_upload_breaks_and_those_who_have_sent_all_go_on() {
    let upstream = Upstream::saying("a");
    let service = layer().layer(upstream.service());
    let broken = [
        Step::data("p"),
        Step::Wait(Duration::from_secs(1)),
        Step::error("reset by peer"),
    ];
    let whole = || steps([Step::data("p"), Step::data("q")]);
    let (leader, one, other) = tokio::join!(
        ask(&service, steps(broken)),
        ask(&service, whole()),
        ask(&service, whole())
    );
    assert!(leader.is_err());
    assert_eq!((one.unwrap().1, other.unwrap().1), ("a".into(), "a".into()));
    assert_eq!(upstream.seen(0), "pq");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_to_be_held_comes_again_when_the_leaders_upload_breaks() {
    let service = layer().layer(Upstream::saying("a").service());
    let broken = [
        Step::Wait(Duration::from_secs(1)),
        Step::error("reset by peer"),
    ];
    let long = steps([Step::data(Bytes::from(vec![0; 2 << 20])), Step::data("q")]);
    let (leader, waiter) = tokio::join!(ask(&service, steps(broken)), ask(&service, long));
    assert!(leader.is_err());
    assert!(is::<CallInFlight, _>(&waiter), "{waiter:?}");
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_that_uploads_slowly_neither_drives_nor_stops_the_call() {
    let upstream = Upstream::new(|_| {
        let pause = Step::Wait(Duration::from_secs(1));
        Answer::new([Step::data("a"), pause, Step::data("b")])
    });
    let layer = layer().executor(|future| drop(tokio::spawn(future)));
    let service = layer.layer(upstream.service());
    let first = service.clone().oneshot(steps([Step::data("p")])).await;
    let slow = steps([Step::data("p"), Step::Wait(Duration::from_secs(86_400))]);
    let slow = tokio::spawn({
        let service = service.clone();
        async move { ask(&service, slow).await }
    });
    sleep(Duration::from_millis(10)).await;
    drop(first);
    sleep(Duration::from_secs(2)).await;
    assert!(is_replay(
        &ask(&service, steps([Step::data("p")])).await.unwrap().0
    ));
    // Nor is it waited for without end.
    assert!(is::<RunElapsed, _>(&slow.await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_of_an_empty_request_does_not_wait_until_nobody_holds_that_any_more() {
    let service = IdempotencyLayer::new(Profile::HTTP).layer(service_fn(
        |request: Request<RequestBody<Full<Bytes>>>| async move {
            let steps = [
                Step::data("a"),
                Step::Wait(Duration::from_secs(10)),
                Step::data("b"),
            ];
            let body = ScriptedBody::new(steps).map_frame(move |frame| {
                let _held = &request;
                frame
            });
            Ok::<_, BoxError>(Response::new(body))
        },
    ));
    let first = service.clone().oneshot(keyed("k", "")).await.unwrap();
    let start = Instant::now();
    let second = service.oneshot(keyed("k", "")).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    let (first, second) = tokio::join!(read(first), read(second));
    assert_eq!((&*first, &*second), (&b"ab"[..], &b"ab"[..]));
}
