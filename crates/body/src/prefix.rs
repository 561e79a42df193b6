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
    /// `None` once it has ended or failed.
    inner: Option<B>,
    /// Boxed: most bodies are not read ahead, and every layer moves them.
    ahead: Option<Box<Ahead<B::Error>>>,
}

/// What was read ahead and not handed out yet.
struct Ahead<E> {
    frames: VecDeque<Frame<Bytes>>,
    bytes: u64,
    /// What the frames count for against a limit.
    weight: u64,
    /// The failure that was met, behind the frames.
    error: Option<E>,
}

impl<B: Body + Unpin> PrefixBody<B> {
    /// Holds nothing yet.
    #[must_use]
    #[inline]
    pub const fn new(inner: B) -> Self {
        Self {
            inner: Some(inner),
            ahead: None,
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
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        let ahead = self.ahead.get_or_insert_default();
        match frame {
            Some(Ok(frame)) => {
                let frame = into_bytes(frame);
                ahead.bytes += size(&frame);
                ahead.weight += size(&frame).max(MIN_FRAME);
                ahead.frames.push_back(frame);
                Poll::Ready(ahead.frames.back().map(Ok))
            }
            Some(Err(error)) => {
                self.inner = None;
                Poll::Ready(Some(Err(ahead.error.insert(error))))
            }
            None => {
                self.inner = None;
                Poll::Ready(None)
            }
        }
    }

    /// The frames that are held.
    pub fn held(&self) -> impl Iterator<Item = &Frame<Bytes>> {
        self.ahead.iter().flat_map(|ahead| &ahead.frames)
    }

    /// The data bytes that are held.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.ahead.as_ref().map_or(0, |ahead| ahead.bytes)
    }

    /// What they count for against a limit: their bytes, but at least 64 for each frame, since a frame is
    /// memory even if it is empty.
    #[must_use]
    pub fn held_weight(&self) -> u64 {
        self.ahead.as_ref().map_or(0, |ahead| ahead.weight)
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
        if let Some(ahead) = &mut this.ahead {
            if let Some(frame) = ahead.frames.pop_front() {
                ahead.bytes -= size(&frame);
                ahead.weight -= size(&frame).max(MIN_FRAME);
                return Poll::Ready(Some(Ok(frame)));
            }
            if let Some(error) = ahead.error.take() {
                return Poll::Ready(Some(Err(error)));
            }
            this.ahead = None;
        }
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            this.inner = None;
        }
        Poll::Ready(frame.map(|frame| frame.map(into_bytes)))
    }

    fn is_end_stream(&self) -> bool {
        let nothing_held = |ahead: &Ahead<_>| ahead.frames.is_empty() && ahead.error.is_none();
        self.ahead.as_deref().is_none_or(nothing_held) && self.is_read()
    }

    fn size_hint(&self) -> SizeHint {
        let failed = |ahead: &Ahead<_>| ahead.error.is_some();
        let rest = match &self.inner {
            Some(inner) => inner.size_hint(),
            // It will break off: nobody shall take what is held for the whole.
            None if self.ahead.as_deref().is_some_and(failed) => SizeHint::default(),
            None => SizeHint::with_exact(0),
        };
        before(self.held_bytes(), &rest)
    }
}

impl<E> Default for Ahead<E> {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            weight: 0,
            error: None,
        }
    }
}

/// The least a frame counts for: its place in the list is memory, too.
const MIN_FRAME: u64 = 64;

fn size(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}

impl<B: Body> fmt::Debug for PrefixBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ahead = self.ahead.as_deref();
        f.debug_struct("PrefixBody")
            .field("held_frames", &ahead.map_or(0, |ahead| ahead.frames.len()))
            .field("held_bytes", &ahead.map_or(0, |ahead| ahead.bytes))
            .finish_non_exhaustive()
    }
}
