//! The vectors about bodies, every one of them asserted for what puts something into one, or listed as the
//! business of what times a body. Time is paused.
#![allow(
    clippy::unwrap_used,
    reason = "a vector that cannot be read is a failed test"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use buttress_heartbeat::HeartbeatBody;
use buttress_testkit::body::{Audit, ScriptedBody, Step, audit};
use buttress_tests::vectors;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::{Instant, advance};

const INTERVAL: Duration = Duration::from_secs(15);
const BEAT: &str = ": keepalive\n\n";

/// What is said of bodies that are timed alone.
const TIMED: [&str; 2] = ["size-hint-timeout-body", "idle-timeout-resets-on-data-only"];

type BoxError = Box<dyn Error + Send + Sync>;
type Beating = HeartbeatBody<ScriptedBody>;

/// The steps of a vector's inner body, in its own words.
fn steps(vector: &Value) -> Vec<Step> {
    let words = vector["inner"].as_array().unwrap();
    let step = |word: &Value| match word.as_str().unwrap() {
        "None" => None,
        "Err" => Some(Step::Error(torn().into())),
        "trailers" | "trailers{grpc-status:0}" => Some(Step::trailer("grpc-status", "0")),
        data => Some(Step::data(data.replace("\\n", "\n"))),
    };
    words.iter().filter_map(step).collect()
}

fn torn() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

fn beating(steps: impl IntoIterator<Item = Step>) -> Beating {
    HeartbeatBody::new(ScriptedBody::new(steps).conservative_end(), INTERVAL)
}

/// What comes of a vector's body, and that nothing comes afterwards: `audit` asks three times.
async fn seen(vector: &Value) -> Audit<BoxError> {
    let mut body = beating(steps(vector));
    let seen = audit(&mut body).await;
    advance(INTERVAL * 10).await;
    assert!(body.frame().await.is_none());
    seen
}

fn poll<B: Body + Unpin>(body: &mut B) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn body_contract() {
    let mut listed = BTreeSet::from(TIMED);
    for vector in vectors("body_contract") {
        let name = vector["name"].as_str().unwrap();
        match name {
            "poll-after-none" => assert_eq!(seen(&vector).await.data, ["data"]),
            "no-heartbeat-after-none" => {
                assert_eq!(seen(&vector).await.data, ["data: a\n\n"]);
            }
            "no-heartbeat-after-trailers" | "trailers-forwarded" => {
                let seen = seen(&vector).await;
                assert_eq!((seen.data.len(), seen.error.is_none()), (1, true), "{name}");
                assert_eq!(seen.trailers.unwrap()["grpc-status"], "0", "{name}");
            }
            "no-heartbeat-after-error" => {
                let seen = seen(&vector).await;
                assert_eq!(seen.data, ["data: a\n\n"]);
                assert!(seen.error.is_some());
            }
            "is-end-stream-false-while-heartbeats-possible" => {
                assert_eq!(vector["inner_is_end_stream"], beating([]).is_end_stream());
                assert_eq!(vector["expect"], beating([]).is_end_stream());
            }
            "empty-data-frame" => {
                assert_eq!(
                    seen(&vector).await.data,
                    ["", "data: a\n\n", ""],
                    "passed on"
                );
            }
            "non-contiguous-buf" => all_pieces_are_followed().await,
            "backpressure" => one_heartbeat_for_a_reader_that_was_away().await,
            "timer-starts-late" => a_body_that_waits_to_be_read_has_no_timer().await,
            "paused-clock" => {
                let start = Instant::now();
                let seen = audit(beating([Step::Wait(INTERVAL * 7 / 2)])).await;
                assert_eq!((seen.data.len(), start.elapsed()), (3, INTERVAL * 7 / 2));
            }
            "drop-propagates" => {
                let inner = ScriptedBody::new([Step::Stall]);
                let handle = inner.handle();
                drop(HeartbeatBody::new(inner, INTERVAL));
                assert!(handle.dropped());
            }
            "error-type" => {
                let error = audit(beating([Step::Error(torn().into())])).await.error;
                assert!(error.unwrap().is::<io::Error>(), "the inner error itself");
            }
            name => assert!(listed.remove(name), "{name} is neither asserted nor listed"),
        }
    }
    assert!(listed.is_empty(), "no such vectors: {listed:?}");
}

/// `chunk` shows the end of an event alone; what is behind it is the middle of another.
async fn all_pieces_are_followed() {
    let pieces = |_: Bytes| Bytes::from("data: a\n\n").chain(Bytes::from("data"));
    let inner = ScriptedBody::new([Step::data("x"), Step::Stall]);
    let inner = inner.map_frame(move |frame| frame.map_data(pieces));
    let mut body = HeartbeatBody::new(inner, INTERVAL);
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(frame, "data: a\n\ndata");
    assert!(
        tokio::time::timeout(INTERVAL * 10, body.frame())
            .await
            .is_err()
    );
}

async fn one_heartbeat_for_a_reader_that_was_away() {
    let mut body = beating([
        Step::data("data: a\n\n"),
        Step::Wait(INTERVAL * 20),
        Step::data("data: b\n\n"),
    ]);
    let _first = body.frame().await;
    assert!(poll(&mut body).is_pending());
    advance(INTERVAL * 10).await;
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        BEAT
    );
    assert!(poll(&mut body).is_pending(), "no queue of them");
    advance(INTERVAL * 10).await;
    let next = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(next, "data: b\n\n", "what is ready goes first");
}

async fn a_body_that_waits_to_be_read_has_no_timer() {
    let mut body = beating([
        Step::Wait(INTERVAL - Duration::from_secs(1)),
        Step::data("x"),
    ]);
    advance(INTERVAL * 10).await;
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "x"
    );
}
