//! A scripted body keeps the contract of a body, and the audit catches one that does not.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_testkit::body::{ScriptedBody, Step, audit};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio_test::{assert_pending, assert_ready, task};

fn poll(body: &mut ScriptedBody) -> Poll<Option<Result<Frame<Bytes>, String>>> {
    let polled = task::spawn(()).enter(|cx, _| Pin::new(body).poll_frame(cx));
    polled.map(|frame| frame.map(|frame| frame.map_err(|error| error.to_string())))
}

#[tokio::test]
async fn frames_come_as_scripted() {
    let seen = audit(ScriptedBody::new([
        Step::data("a"),
        Step::Pending,
        Step::data(""),
        Step::data("bc"),
        Step::trailer("grpc-status", "0"),
    ]))
    .await;
    assert_eq!(seen.data, ["a", "", "bc"]);
    assert_eq!(seen.bytes(), "abc");
    assert_eq!(seen.trailers.unwrap()["grpc-status"], "0");
    assert!(seen.error.is_none() && seen.announced_end);
}

#[tokio::test]
async fn an_error_ends_the_body_whatever_follows() {
    let body = ScriptedBody::new([Step::data("a"), Step::error("broken"), Step::data("never")]);
    assert_eq!(
        (body.size_hint().lower(), body.size_hint().upper()),
        (1, None)
    );
    let seen = audit(body).await;
    assert_eq!(seen.data, ["a"]);
    assert_eq!(seen.error.unwrap().to_string(), "broken");
}

#[test]
fn none_is_yielded_for_ever() {
    let mut body = ScriptedBody::new([]);
    for _ in 0..3 {
        assert!(assert_ready!(poll(&mut body)).is_none());
    }
}

#[test]
fn pending_wakes_its_task_and_a_stall_does_not() {
    let mut body = ScriptedBody::new([Step::Pending, Step::Stall]);
    let mut task = task::spawn(());
    assert_pending!(task.enter(|cx, _| Pin::new(&mut body).poll_frame(cx)));
    assert!(task.is_woken());
    let mut task = task::spawn(());
    for _ in 0..3 {
        assert_pending!(task.enter(|cx, _| Pin::new(&mut body).poll_frame(cx)));
    }
    assert!(!task.is_woken());
    assert!(!body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_wait_starts_when_it_is_reached() {
    let body = ScriptedBody::new([Step::data("a"), Step::Wait(Duration::from_secs(9))]);
    tokio::time::advance(Duration::from_secs(100)).await;
    let start = tokio::time::Instant::now();
    audit(body).await;
    assert_eq!(start.elapsed(), Duration::from_secs(9));
}

#[test]
fn the_end_and_the_size_are_known_unless_hidden() {
    let mut body = ScriptedBody::full("abc");
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(!body.is_end_stream());
    drop(assert_ready!(poll(&mut body)));
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.is_end_stream());

    let mut body = ScriptedBody::full("abc").conservative_end().unknown_size();
    assert_eq!(body.size_hint().exact(), None);
    drop(assert_ready!(poll(&mut body)));
    assert!(!body.is_end_stream());
    drop(assert_ready!(poll(&mut body)));
    assert!(body.is_end_stream());
}

#[test]
fn the_handle_tells_polls_end_and_drop() {
    let mut body = ScriptedBody::new([Step::data("a"), Step::Pending]);
    let handle = body.handle();
    drop(assert_ready!(poll(&mut body)));
    assert_pending!(poll(&mut body));
    assert_eq!(
        (handle.polls(), handle.ended(), handle.dropped()),
        (2, false, false)
    );
    drop(assert_ready!(poll(&mut body)));
    assert_eq!(
        (handle.polls(), handle.ended(), handle.dropped()),
        (3, true, false)
    );
    drop(body);
    assert!(handle.dropped());
}

#[test]
fn scripted_bodies_fit_every_client() {
    fn check<T: Send + Sync + Unpin + 'static>() {}
    check::<ScriptedBody>();
    check::<buttress_testkit::upstream::UpstreamBody>();
}

// ===== the audit =====

/// Yields these frames in turn, and says of itself what it likes.
struct Liar {
    frames: Vec<Option<&'static str>>,
    end: bool,
    size: (u64, Option<u64>),
}

impl Body for Liar {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = if self.frames.is_empty() {
            None
        } else {
            self.frames.remove(0)
        };
        Poll::Ready(frame.map(|data| Ok(Frame::data(data.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.end
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.size.0);
        if let Some(upper) = self.size.1 {
            hint.set_upper(upper);
        }
        hint
    }
}

fn liar<const N: usize>(frames: [Option<&'static str>; N]) -> Liar {
    Liar {
        frames: frames.into(),
        end: false,
        size: (0, None),
    }
}

#[tokio::test]
async fn the_audit_passes_a_body_that_says_nothing_of_itself() {
    assert_eq!(audit(liar([Some("a"), Some("b")])).await.bytes(), "ab");
}

#[tokio::test]
#[should_panic(expected = "a frame after is_end_stream")]
async fn the_audit_catches_a_false_end() {
    audit(Liar {
        end: true,
        ..liar([Some("a")])
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "the size hint promised 2 bytes, 1 came")]
async fn the_audit_catches_a_size_hint_that_promises_too_much() {
    audit(Liar {
        size: (2, Some(2)),
        ..liar([Some("a")])
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "more bytes than")]
async fn the_audit_catches_a_size_hint_that_promises_too_little() {
    audit(Liar {
        size: (0, Some(1)),
        ..liar([Some("ab")])
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "not `None` after the end")]
async fn the_audit_catches_a_frame_after_the_end() {
    audit(liar([Some("a"), None, Some("b")])).await;
}
