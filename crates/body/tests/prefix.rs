//! A body that was read ahead gives everything from the beginning.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::future::poll_fn;

use buttress_body::PrefixBody;
use buttress_testkit::body::{ScriptedBody, Step, audit};
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

fn hello() -> ScriptedBody {
    ScriptedBody::new([
        Step::data("he"),
        Step::Pending,
        Step::data("llo"),
        Step::trailer("x-sum", "7"),
    ])
}

/// Reads so many frames ahead; whether the end was met.
async fn ahead<B: Body + Unpin>(body: &mut PrefixBody<B>, frames: usize) -> bool {
    for _ in 0..frames {
        if poll_fn(|cx| body.poll_ahead(cx).map(|frame| frame.is_none())).await {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn what_was_read_ahead_comes_first_and_the_rest_follows() {
    for frames in 0..6 {
        let mut body = PrefixBody::new(hello());
        let met_the_end = ahead(&mut body, frames).await;
        assert_eq!(met_the_end, frames > 3);
        let seen = audit(body).await;
        assert_eq!(seen.data, ["he", "llo"], "{frames} ahead");
        assert_eq!(seen.trailers.unwrap()["x-sum"], "7");
    }
}

#[tokio::test]
async fn an_error_that_was_met_ahead_comes_in_its_place_and_once() {
    let mut body = PrefixBody::new(ScriptedBody::new([Step::data("he"), Step::error("torn")]));
    assert!(!ahead(&mut body, 2).await);
    assert!(ahead(&mut body, 1).await, "nothing more after it");
    assert_eq!(
        body.size_hint().upper(),
        None,
        "what is held is not the whole"
    );
    assert!(!body.is_end_stream());
    let seen = audit(body).await;
    assert_eq!(seen.bytes(), "he");
    assert_eq!(seen.error.unwrap().to_string(), "torn");
}

#[tokio::test]
async fn held_bytes_count_into_the_size() {
    let mut body = PrefixBody::new(hello());
    ahead(&mut body, 1).await;
    assert_eq!(body.held_bytes(), 2);
    assert_eq!(body.held().count(), 1);
    assert_eq!(body.size_hint().exact(), Some(5));
    // `audit` checks the size before each frame.
    audit(body).await;
}

#[tokio::test]
async fn the_inner_body_is_dropped_with_it_and_at_its_end() {
    let inner = hello();
    let fate = inner.handle();
    let mut body = PrefixBody::new(inner);
    ahead(&mut body, 1).await;
    assert!(!fate.dropped());
    drop(body);
    assert!(fate.dropped());

    let inner = hello();
    let fate = inner.handle();
    let mut body = PrefixBody::new(inner);
    ahead(&mut body, 9).await;
    assert!(fate.dropped(), "an upstream that has ended is let go of");
}

#[tokio::test]
async fn data_in_several_pieces_is_held_whole() {
    struct Chained(Option<bytes::buf::Chain<&'static [u8], &'static [u8]>>);
    impl Body for Chained {
        type Data = bytes::buf::Chain<&'static [u8], &'static [u8]>;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
            std::task::Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
        }
        fn size_hint(&self) -> SizeHint {
            SizeHint::default()
        }
    }
    let mut body = PrefixBody::new(Chained(Some(b"he".chain(&b"llo"[..]))));
    ahead(&mut body, 1).await;
    assert_eq!(body.held_bytes(), 5);
    assert_eq!(audit(body).await.bytes(), "hello");
}

#[tokio::test]
async fn empty_frames_count_for_the_memory_that_they_take() {
    let mut body = PrefixBody::new(ScriptedBody::new((0..10).map(|_| Step::data(""))));
    ahead(&mut body, 10).await;
    assert_eq!((body.held_bytes(), body.held_weight()), (0, 640));
    audit(body).await;
}

#[tokio::test]
async fn after_its_end_or_an_error_it_has_ended_whatever_the_inner_body_says() {
    /// Fails, ends, and begins again.
    struct Restless(u8);
    impl Body for Restless {
        type Data = bytes::Bytes;
        type Error = &'static str;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
            self.0 += 1;
            std::task::Poll::Ready(match self.0 % 2 {
                0 => None,
                _ => Some(Err("torn")),
            })
        }
    }
    // `audit` polls on after the error.
    assert_eq!(
        audit(PrefixBody::new(Restless(0))).await.error,
        Some("torn")
    );
    assert_eq!(audit(PrefixBody::new(Restless(1))).await.error, None);
}

proptest! {
    #[test]
    fn reading_ahead_anywhere_changes_nothing(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..12),
        frames in 0_usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let steps = chunks.iter().flat_map(|data| [Step::Pending, Step::data(data.clone())]);
            let mut body = PrefixBody::new(ScriptedBody::new(steps));
            ahead(&mut body, frames).await;
            let seen = audit(body).await;
            prop_assert_eq!(seen.bytes(), chunks.concat());
            prop_assert_eq!(seen.data.len(), chunks.len());
            Ok(())
        })?;
    }
}
