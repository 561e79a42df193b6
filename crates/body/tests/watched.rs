//! When a watched body's outcome falls, and that it falls once.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use buttress_body::{Observe, WatchedBody};
use buttress_core::{Kind, Outcome, Reason, Report, Sign};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use http::HeaderMap;
use http_body::Body;

/// Takes `content` for content and `stop` for the terminator.
struct Words;

impl Observe for Words {
    fn data(&mut self, data: &[u8]) -> Sign {
        match data {
            b"content" => Sign::Content,
            b"stop" => Sign::Settled(Outcome::SUCCESS),
            b"error" => Sign::Settled(Outcome::new(Kind::Overloaded)),
            _ => Sign::Nothing,
        }
    }

    fn trailers(&mut self, trailers: &HeaderMap) -> Outcome {
        match trailers.get("grpc-status") {
            Some(status) if status == "0" => Outcome::SUCCESS,
            _ => Outcome::new(Kind::Throttled),
        }
    }

    fn end(&mut self) -> Outcome {
        Outcome::TRUNCATED
    }

    fn failed<E: 'static>(&mut self, _error: &E) -> Outcome {
        Outcome::new(Kind::Transient).because(Reason::Reset)
    }
}

/// Writes down what it hears.
#[derive(Default, Clone)]
struct Heard(Arc<Mutex<Vec<&'static str>>>);

struct Listener(Heard, bool);

impl Heard {
    fn note(&self, word: &'static str) {
        self.0.lock().unwrap().push(word);
    }
}

impl Report for Listener {
    fn waiting(&mut self) {
        self.0.note("waiting");
    }

    fn first_content(&mut self) {
        self.0.note("content");
    }

    fn report(mut self, outcome: Outcome) {
        self.1 = true;
        self.0.note(
            outcome
                .reason
                .map_or(outcome.kind.as_str(), |reason| reason.as_str()),
        );
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if !self.1 {
            self.0.note("abandoned");
        }
    }
}

fn watched(body: ScriptedBody) -> (WatchedBody<ScriptedBody, Words, Listener>, Heard) {
    let heard = Heard::default();
    let body = WatchedBody::new(body, Words, Listener(heard.clone(), false));
    (body, heard)
}

/// Reads all of it; what was heard.
async fn heard(steps: impl IntoIterator<Item = Step>) -> Vec<&'static str> {
    let (body, heard) = watched(ScriptedBody::new(steps).conservative_end());
    audit(body).await;
    let words = heard.0.lock().unwrap();
    words.clone()
}

#[tokio::test]
async fn the_outcome_falls_at_the_first_thing_that_settles_it_and_once() {
    let data = Step::data;
    assert_eq!(
        heard([data("content"), data("stop"), data("error")]).await,
        ["content", "success"]
    );
    assert_eq!(heard([data("error"), data("stop")]).await, ["overloaded"]);
    assert_eq!(
        heard([data("content"), data("x")]).await,
        ["content", "truncated"]
    );
    assert_eq!(
        heard([data("content"), Step::error("torn")]).await,
        ["content", "reset"]
    );
    assert_eq!(
        heard([data("stop"), Step::error("torn")]).await,
        ["success"]
    );
    assert_eq!(
        heard([data("x"), Step::trailer("grpc-status", "0")]).await,
        ["success"]
    );
    assert_eq!(
        heard([data("x"), Step::trailer("grpc-status", "8")]).await,
        ["throttled"]
    );
}

#[tokio::test]
async fn a_reader_that_stops_at_the_announced_end_still_settles_it() {
    // hyper polls no further once `is_end_stream` says so.
    let (mut body, heard) = watched(ScriptedBody::full("content"));
    drop(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await);
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!(*heard.0.lock().unwrap(), ["content", "truncated"]);
}

#[tokio::test]
async fn an_empty_body_is_settled_before_anybody_reads_it() {
    let (body, heard) = watched(ScriptedBody::new([]));
    assert_eq!(*heard.0.lock().unwrap(), ["truncated"]);
    drop(body);
    assert_eq!(heard.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_drop_before_the_outcome_is_an_abandoned_call_and_after_it_nothing() {
    let (body, heard) = watched(ScriptedBody::new([Step::data("x"), Step::Stall]));
    drop(body);
    assert_eq!(*heard.0.lock().unwrap(), ["abandoned"]);

    let (mut body, heard) = watched(ScriptedBody::new([Step::data("stop"), Step::Stall]));
    drop(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await);
    drop(body);
    assert_eq!(
        *heard.0.lock().unwrap(),
        ["success"],
        "SDKs close at the terminator"
    );
}

#[tokio::test]
async fn a_reader_that_waits_is_heard_of_until_the_outcome_is_settled() {
    let (data, pause) = (Step::data, || Step::Pending);
    assert_eq!(
        heard([pause(), data("content"), pause(), data("stop"), pause()]).await,
        ["waiting", "content", "waiting", "success"]
    );
}

#[tokio::test]
async fn everything_passes_as_it_is() {
    let (body, _heard) = watched(ScriptedBody::new([
        Step::data("content"),
        Step::Pending,
        Step::data(""),
        Step::data("x"),
        Step::trailer("grpc-status", "0"),
    ]));
    assert_eq!(body.size_hint().exact(), Some(8));
    let seen = audit(body).await;
    assert_eq!(seen.data, ["content", "", "x"]);
    assert!(seen.trailers.is_some());

    let body: WatchedBody<_, Words, Listener> =
        WatchedBody::unobserved(ScriptedBody::full("error"));
    assert_eq!(audit(body).await.bytes(), "error");
}
