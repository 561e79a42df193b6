use std::{future::poll_fn, pin::Pin, task::Poll};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::Body;

/// What a body did from its first poll to its end, as [`audit`] saw it.
#[derive(Debug)]
pub struct Audit<E> {
    /// The data frames, in order, empty ones included.
    pub data: Vec<Bytes>,
    /// The trailers, if any came.
    pub trailers: Option<HeaderMap>,
    /// The error that ended the body, if one did.
    pub error: Option<E>,
    /// Whether `is_end_stream` said so before `None` was polled.
    pub announced_end: bool,
}

/// Reads `body` to its end and panics where it breaks the contract of a body.
///
/// - a body that says `is_end_stream` yields nothing but `None`;
/// - no data after trailers;
/// - what comes after each poll lies within the `size_hint` given before it;
/// - after `None`, and after an error, it yields `None` for ever.
///
/// Bounds of the size hint hold only for a body that ends without an error.
///
/// # Panics
///
/// If one of these is broken.
pub async fn audit<B>(body: B) -> Audit<B::Error>
where
    B: Body + Unpin,
{
    let mut body = body;
    let mut seen = Audit {
        data: Vec::new(),
        trailers: None,
        error: None,
        announced_end: false,
    };
    // (bytes read before the hint, the hint)
    let mut hints = Vec::new();
    let mut read = 0_u64;
    loop {
        let hint = body.size_hint();
        hints.push((read, hint.lower(), hint.upper()));
        seen.announced_end |= body.is_end_stream();
        let frame = match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            None => break,
            Some(Err(error)) => {
                seen.error = Some(error);
                break;
            }
            Some(Ok(frame)) => frame,
        };
        assert!(!seen.announced_end, "a frame after is_end_stream");
        assert!(seen.trailers.is_none(), "a frame after the trailers");
        match frame.into_data() {
            Ok(mut data) => {
                let bytes = data.copy_to_bytes(data.remaining());
                read += bytes.len() as u64;
                seen.data.push(bytes);
            }
            Err(frame) => seen.trailers = frame.into_trailers().ok(),
        }
    }
    if seen.error.is_none() {
        for (before, lower, upper) in hints {
            let rest = read - before;
            assert!(
                lower <= rest,
                "the size hint promised {lower} bytes, {rest} came"
            );
            assert!(
                upper.is_none_or(|upper| rest <= upper),
                "more bytes than {upper:?} came"
            );
        }
    }
    for _ in 0..3 {
        let again = poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await;
        assert!(
            matches!(again, Poll::Ready(None)),
            "not `None` after the end"
        );
    }
    seen
}

impl<E> Audit<E> {
    /// All data as one.
    pub fn bytes(&self) -> Bytes {
        self.data.concat().into()
    }
}
