//! A body whose beginning has been looked at.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::frame::{before, into_bytes};

/// A body that can be read ahead, and that then gives everything from the beginning.
///
/// What was read ahead is held, an end or an error included; it comes first, frame by frame as it came,
/// and the rest of the inner body follows. Nothing is held until [`poll_ahead`](Self::poll_ahead) is
/// called: until then the body costs a branch per frame.
///
/// # Cancel safety
/// Dropping it drops the inner body, which cancels the upstream's work on it.
pub struct PrefixBody<B: Body> {
    held: VecDeque<Frame<Bytes>>,
    held_bytes: u64,
    /// `None` once it has ended or failed.
    inner: Option<B>,
    /// The failure that was met while reading ahead.
    error: Option<B::Error>,
}

impl<B: Body + Unpin> PrefixBody<B> {
    /// Holds nothing yet.
    #[must_use]
    pub const fn new(inner: B) -> Self {
        Self {
            held: VecDeque::new(),
            held_bytes: 0,
            inner: Some(inner),
            error: None,
        }
    }

    /// Reads one frame ahead and holds it. `None` is the end.
    ///
    /// After the end, or an error, there is nothing more to read ahead: `None` again.
    pub fn poll_ahead(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<&Frame<Bytes>, &B::Error>>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        match ready!(Pin::new(inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let frame = into_bytes(frame);
                self.held_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.held.push_back(frame);
                Poll::Ready(self.held.back().map(Ok))
            }
            Some(Err(error)) => {
                self.inner = None;
                Poll::Ready(Some(Err(self.error.insert(error))))
            }
            None => {
                self.inner = None;
                Poll::Ready(None)
            }
        }
    }

    /// The frames that are held.
    pub fn held(&self) -> impl Iterator<Item = &Frame<Bytes>> {
        self.held.iter()
    }

    /// The data bytes that are held.
    #[must_use]
    pub const fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Whether there is certainly nothing more to read ahead.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }
}

// An error is moved, never pinned.
impl<B: Body + Unpin> Unpin for PrefixBody<B> {}

impl<B: Body + Unpin> Body for PrefixBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if let Some(frame) = this.held.pop_front() {
            this.held_bytes -= frame.data_ref().map_or(0, |data| data.len() as u64);
            return Poll::Ready(Some(Ok(frame)));
        }
        match &mut this.inner {
            Some(inner) => Pin::new(inner)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map(into_bytes))),
            None => Poll::Ready(this.error.take().map(Err)),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.error.is_none() && self.is_read()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => before(self.held_bytes, &inner.size_hint()),
            None if self.error.is_none() => SizeHint::with_exact(self.held_bytes),
            // It will break off: nobody shall take what is held for the whole.
            None => before(self.held_bytes, &SizeHint::default()),
        }
    }
}

impl<B: Body> fmt::Debug for PrefixBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixBody")
            .field("held_frames", &self.held.len())
            .field("held_bytes", &self.held_bytes)
            .finish_non_exhaustive()
    }
}
