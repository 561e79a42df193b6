//! Around a handler, outermost first. Each test is named after its arrow.

use std::convert::Infallible;
use std::time::Duration;

use buttress::core::BoxError;
use buttress::deadline::{BudgetShareLayer, TimeoutBudgetLayer};
use buttress::heartbeat::{HeartbeatSseLayer, WantsStream};
use buttress::respond::RespondLayer;
use buttress::timeout::StreamTimeoutLayer;
use buttress_testkit::body::{ScriptedBody, Step};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_testkit::upstream::Behaviour;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, timeout};
use tower::util::MapResponseLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::{SECOND, always, plain, read};

type Answer = Response<ScriptedBody>;

const HOUR: Duration = Duration::from_secs(3_600);
const KEEPALIVE: &str = ": keepalive";

fn events(steps: impl IntoIterator<Item = Step>) -> Answer {
    let mut answer = Response::new(ScriptedBody::new(steps));
    let stream = HeaderValue::from_static("text/event-stream");
    answer.headers_mut().insert("content-type", stream);
    answer
}

/// A handler whose streams say one thing, and then nothing for long, and then fail.
fn falls_silent(
    silence: Duration,
) -> impl Service<Request<Full<Bytes>>, Response = Answer, Error = BoxError> + Clone {
    service_fn(move |_| async move {
        Ok(events([
            Step::data("data: a\n\n"),
            Step::Wait(silence),
            Step::error("gone"),
        ]))
    })
}

/// As far as the head goes.
fn compress<B>(mut answer: Response<B>) -> Response<B> {
    let gzip = HeaderValue::from_static("gzip");
    answer.headers_mut().insert("content-encoding", gzip);
    answer
}

async fn ask<S, B>(service: S) -> (String, bool)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: std::fmt::Debug>,
    B: Body<Data = Bytes> + Unpin,
{
    let response = service.oneshot(plain()).await.unwrap();
    let (_, body, whole) = read(response).await;
    (String::from_utf8(body).unwrap(), whole)
}

#[tokio::test(start_paused = true)]
async fn respond_outside_heartbeat_a_stream_that_fails_after_a_silence_says_so() {
    let door = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(HeartbeatSseLayer::new())
        .service(falls_silent(SECOND * 40));
    let (text, whole) = ask(door).await;
    assert_eq!(text.matches(KEEPALIVE).count(), 2, "{text}");
    let (_, end) = text.rsplit_once(KEEPALIVE).unwrap();
    assert!(end.contains("event: error\n"), "{text}");
    assert!(whole && end.ends_with("}\n\n"), "the event is its end");
}

#[tokio::test(start_paused = true)]
async fn respond_outside_authentication_who_is_refused_by_an_error_has_an_answer() {
    let guard = tower::filter::FilterLayer::new(|_: Request<Full<Bytes>>| {
        Err::<Request<Full<Bytes>>, BoxError>("who is there?".into())
    });
    let door = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(guard)
        .layer(HeartbeatSseLayer::new())
        .service(falls_silent(SECOND));
    let answer: Result<_, Infallible> = door.oneshot(plain()).await;
    let (head, body, _) = read(answer.unwrap()).await;
    assert_eq!(head.headers()["content-type"], "application/problem+json");
    assert!(!String::from_utf8(body).unwrap().contains("who is there?"));
}

#[tokio::test(start_paused = true)]
async fn compression_outside_heartbeat_nothing_is_put_into_compressed_bytes() {
    let heartbeat = HeartbeatSseLayer::new();
    let handler = falls_silent(SECOND * 40);

    let outside = MapResponseLayer::new(compress).layer(heartbeat.layer(handler.clone()));
    assert!(ask(outside).await.0.contains(KEEPALIVE));
    let inside = heartbeat.layer(MapResponseLayer::new(compress).layer(handler));
    assert!(!ask(inside).await.0.contains(KEEPALIVE));
}

#[tokio::test(start_paused = true)]
async fn heartbeat_outside_timeout_budget_the_time_that_is_up_is_told_in_the_stream() {
    let budget = TimeoutBudgetLayer::new(SECOND * 60);
    let heartbeat = HeartbeatSseLayer::new().eager(SECOND * 5, |_: &_| WantsStream::Yes);
    let never =
        || ScriptedService::<Request<_>, Answer, BoxError>::from_fn(|_, _| Reply::Pending).0;

    let start = Instant::now();
    let (text, whole) = ask(heartbeat.layer(budget.layer(never()))).await;
    assert!(
        text.contains(KEEPALIVE) && text.contains("event: error\n"),
        "{text}"
    );
    assert!(whole);
    assert!(
        start.elapsed() <= Duration::from_millis(60_050),
        "no heartbeat extends it"
    );

    // The other way round it breaks off in the middle of nothing.
    let (text, whole) = ask(budget.layer(heartbeat.layer(never()))).await;
    assert!(!text.contains("event: error"), "{text}");
    assert!(!whole);
}

#[tokio::test(start_paused = true)]
async fn heartbeat_outside_idle_limits_a_dead_upstream_is_found_out() {
    let heartbeat = HeartbeatSseLayer::new();
    let idle = StreamTimeoutLayer::new().idle(SECOND * 60).total(None);

    let start = Instant::now();
    let (text, whole) = ask(heartbeat.layer(idle.layer(falls_silent(HOUR)))).await;
    assert!(text.contains(KEEPALIVE) && !whole);
    assert!(
        start.elapsed() <= SECOND * 75 + SECOND,
        "{:?}",
        start.elapsed()
    );

    // The other way round our own heartbeats keep it alive.
    let inside = idle.layer(heartbeat.layer(falls_silent(HOUR)));
    let answer = inside.oneshot(plain()).await.unwrap();
    assert!(timeout(HOUR / 2, read(answer)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn timeout_budget_outside_the_handler_its_calls_inherit_the_time() {
    let upstream = always(Behaviour::well().head_delay(HOUR));
    let client = BudgetShareLayer::all()
        .announce(true)
        .layer(upstream.service());
    let handler = service_fn(move |_: Request<Full<Bytes>>| client.clone().oneshot(plain()));
    let door = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(HeartbeatSseLayer::new())
        .layer(TimeoutBudgetLayer::new(SECOND * 30))
        .service(handler);
    let mut request = plain();
    let two_seconds = HeaderValue::from_static("2S");
    request.headers_mut().insert("grpc-timeout", two_seconds);
    let answer = door.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 504);
    let told = &upstream.calls()[0].headers["x-envoy-expected-rq-timeout-ms"];
    assert_eq!(told, "2000");
    drop(answer.into_body().collect().await);
}
