//! The vectors about bodies, every one of them asserted for what times a body, or listed as the business
//! of what puts something into one. Time is paused.
#![allow(
    clippy::unwrap_used,
    reason = "a vector that cannot be read is a failed test"
)]

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use buttress::core::{BoxError, find};
use buttress::timeout::{IdleElapsed, IdleTimeoutBody, StreamTimeoutLayer};
use buttress_testkit::body::{Audit, ScriptedBody, Step, audit};
use buttress_tests::vectors;
use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(20);

/// What is said of heartbeats alone.
const HEARTBEATS: [&str; 2] = [
    "is-end-stream-false-while-heartbeats-possible",
    "no-heartbeat-after-none",
];

/// The steps of a vector's inner body, in its own words.
fn steps(vector: &Value) -> Vec<Step> {
    let words = vector["inner"].as_array().unwrap();
    let step = |word: &Value| match word.as_str().unwrap() {
        "None" => None,
        "Err" => Some(Step::Error(Box::new(Torn))),
        "Pending > limit" => Some(Step::Wait(LIMIT * 2)),
        "trailers" | "trailers{grpc-status:0}" => Some(Step::trailer("grpc-status", "0")),
        data => Some(Step::data(data.replace("\\n", "\n"))),
    };
    words.iter().filter_map(step).collect()
}

/// An error of the inner body that somebody outside looks for.
#[derive(Debug)]
struct Torn;

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("torn")
    }
}

impl std::error::Error for Torn {}

fn timed(vector: &Value) -> IdleTimeoutBody<ScriptedBody> {
    let body = ScriptedBody::new(steps(vector)).conservative_end();
    IdleTimeoutBody::new(body, LIMIT)
}

/// A timer that was armed before changes nothing about what follows the end: `audit` asks three times.
async fn seen(vector: &Value) -> Audit<BoxError> {
    let mut waited = vec![Step::data("x"), Step::Pending];
    waited.extend(steps(vector));
    let mut body = IdleTimeoutBody::new(ScriptedBody::new(waited).conservative_end(), LIMIT);
    assert!(body.frame().await.unwrap().is_ok());
    let seen = audit(body).await;
    advance(LIMIT * 10).await;
    seen
}

#[tokio::test(start_paused = true)]
async fn body_contract() {
    let mut listed = BTreeSet::from(HEARTBEATS);
    for vector in vectors("body_contract") {
        let name = vector["name"].as_str().unwrap();
        match name {
            "poll-after-none" => after_the_end(timed(&vector)).await,
            "no-heartbeat-after-trailers" | "trailers-forwarded" => {
                let seen = seen(&vector).await;
                assert_eq!(
                    (seen.data.len(), seen.error.is_some()),
                    (1, false),
                    "{name}"
                );
                assert_eq!(seen.trailers.unwrap()["grpc-status"], "0", "{name}");
            }
            "no-heartbeat-after-error" => {
                let seen = seen(&vector).await;
                assert_eq!(seen.data, ["data: a\n\n"]);
                assert!(seen.error.unwrap().is::<Torn>());
            }
            "size-hint-timeout-body" => {
                let body = IdleTimeoutBody::new(ScriptedBody::full("nine byte"), LIMIT);
                let (hint, expected) = (body.size_hint(), &vector["expect"]);
                assert_eq!(hint.lower(), expected["lower"]);
                assert_eq!(hint.upper().unwrap(), expected["upper"]);
            }
            "empty-data-frame" => {
                assert_eq!(
                    seen(&vector).await.data,
                    ["", "data: a\n\n", ""],
                    "passed on"
                );
                empty_frames_are_no_data().await;
            }
            "non-contiguous-buf" => all_pieces_are_looked_at().await,
            "backpressure" => a_reader_that_was_away_is_no_stall().await,
            "timer-starts-late" => a_body_that_waits_to_be_read_has_no_timer().await,
            // All of this file runs on paused time.
            "paused-clock" | "idle-timeout-resets-on-data-only" => {
                let inner = serde_json::json!({"inner": ["data", "Pending > limit"]});
                let start = Instant::now();
                let seen = audit(timed(&inner)).await;
                assert!(find::<IdleElapsed>(&*seen.error.unwrap()).is_some());
                assert!(start.elapsed() >= LIMIT && start.elapsed() <= LIMIT + LIMIT / 4);
            }
            "drop-propagates" => {
                let inner = ScriptedBody::new([Step::Stall]);
                let handle = inner.handle();
                drop(IdleTimeoutBody::new(inner, LIMIT));
                assert!(handle.dropped());
            }
            "error-type" => {
                let inner = serde_json::json!({"inner": ["Err"]});
                let error: BoxError = audit(timed(&inner)).await.error.unwrap();
                assert!(find::<Torn>(&*error).is_some());
            }
            name => assert!(listed.remove(name), "{name} is neither asserted nor listed"),
        }
    }
    assert!(listed.is_empty(), "no such vectors: {listed:?}");
}

async fn after_the_end(mut body: IdleTimeoutBody<ScriptedBody>) {
    assert!(body.frame().await.unwrap().is_ok());
    for _ in 0..3 {
        assert!(body.frame().await.is_none());
        advance(LIMIT * 10).await;
    }
}

async fn empty_frames_are_no_data() {
    let empty = (0..60).flat_map(|_| [Step::Wait(SECOND), Step::data("")]);
    let body = IdleTimeoutBody::new(ScriptedBody::new(empty), LIMIT);
    assert!(audit(body).await.error.is_some());
}

/// `chunk` shows the comment alone; what is behind it is progress.
async fn all_pieces_are_looked_at() {
    let client = service_fn(|_: Request<()>| {
        let steps = (0..60).flat_map(|_| [Step::Wait(SECOND), Step::data("x")]);
        let pieces = |_: Bytes| Bytes::from(": comment\n\nda").chain(Bytes::from("ta: x\n\n"));
        let body = ScriptedBody::new(steps).map_frame(move |frame| frame.map_data(pieces));
        let answer = Response::builder()
            .header("content-type", "text/event-stream")
            .body(body);
        std::future::ready(answer.map_err(BoxError::from))
    });
    let layer = StreamTimeoutLayer::new().progress(LIMIT);
    let answer = layer.layer(client).oneshot(Request::new(())).await.unwrap();
    assert!(answer.into_body().collect().await.is_ok());
}

async fn a_reader_that_was_away_is_no_stall() {
    let steps = [
        Step::data("a"),
        Step::Pending,
        Step::data("b"),
        Step::Wait(SECOND),
        Step::data("c"),
    ];
    let mut body = IdleTimeoutBody::new(ScriptedBody::new(steps), LIMIT);
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        read.extend(frame.unwrap().into_data().unwrap());
        advance(LIMIT * 10).await;
    }
    assert_eq!(read, b"abc");
}

async fn a_body_that_waits_to_be_read_has_no_timer() {
    let steps = [Step::Wait(LIMIT - SECOND), Step::data("x")];
    let mut body = IdleTimeoutBody::new(ScriptedBody::new(steps), LIMIT);
    advance(LIMIT * 10).await;
    let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
    assert!(frame.unwrap().is_ok());
}
