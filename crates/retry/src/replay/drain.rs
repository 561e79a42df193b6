//! Reading off a body that nobody wants.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::Body;
use pin_project_lite::pin_project;

pin_project! {
    /// Reads a body to its end, or until it has proved too long, or has failed.
    ///
    /// On HTTP/1.1 a connection can be used again only once its response has been read.
    pub struct Drain<B> {
        #[pin]
        body: B,
        left: usize,
    }
}

impl<B: Body> Drain<B> {
    /// The most that is worth reading: beyond it a new connection is cheaper.
    const MAX_BYTES: usize = 64 * 1024;

    /// `None` if there is nothing to read, or certainly too much.
    pub(super) fn new(body: B) -> Option<Self> {
        if body.is_end_stream() || body.size_hint().lower() > Self::MAX_BYTES as u64 {
            return None;
        }
        Some(Self {
            body,
            left: Self::MAX_BYTES,
        })
    }
}

impl<B: Body> Future for Drain<B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        // Each round takes something off `left`, so that even a body of empty frames ends.
        while let Some(Ok(frame)) = ready!(this.body.as_mut().poll_frame(cx)) {
            let size = frame.data_ref().map_or(1, |data| data.remaining().max(1));
            match this.left.checked_sub(size) {
                Some(left) => *this.left = left,
                None => break,
            }
        }
        Poll::Ready(())
    }
}

impl<B> fmt::Debug for Drain<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
