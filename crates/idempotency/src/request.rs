//! The body of a request, as the inner service gets it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use buttress_body::PrefixBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::fingerprint::Hashing;
use crate::notes::Notes;

/// The body of a request, as the inner service gets it: unchanged, and hashed in passing if it has a key.
///
/// Data, trailers, the end and the size are those of the inner body.
pub struct RequestBody<Q: Body> {
    inner: PrefixBody<Q>,
    /// Boxed: most requests have no key, and every layer moves them.
    passing: Option<Box<Passing>>,
}

/// Its fingerprint, in the making.
struct Passing {
    /// `None` once it has been made.
    hashing: Option<Hashing>,
    /// All of it has passed, or there is nothing that could.
    is_read: bool,
    notes: Arc<Notes>,
    /// Wakes those who wait for the call.
    waker: Option<Waker>,
}

impl<Q: Body + Unpin> RequestBody<Q> {
    #[inline]
    pub(crate) const fn plain(inner: Q) -> Self {
        Self::read_ahead(PrefixBody::new(inner))
    }

    #[inline]
    pub(crate) const fn read_ahead(inner: PrefixBody<Q>) -> Self {
        Self {
            inner,
            passing: None,
        }
    }

    /// Hashed in passing, for those who have the notes.
    pub(crate) fn hashed(inner: PrefixBody<Q>, hashing: Hashing, notes: &Arc<Notes>) -> Self {
        let passing = Passing {
            is_read: inner.is_end_stream(),
            hashing: Some(hashing),
            notes: Arc::clone(notes),
            waker: None,
        };
        Self {
            inner,
            passing: Some(Box::new(passing)),
        }
    }
}

impl<Q: Body> RequestBody<Q> {
    /// Whom to wake when the fingerprint is known: that of an empty body is at once.
    pub(crate) fn tell(&mut self, waker: Waker) {
        if let Some(passing) = &mut self.passing {
            passing.waker = Some(waker);
            if passing.is_read {
                passing.done();
            }
        }
    }

    /// It is to be hashed by somebody else.
    pub(crate) fn take_hashing(&mut self) -> Option<Hashing> {
        self.passing.take()?.hashing.take()
    }
}

impl Passing {
    fn frame(&mut self, frame: &Frame<Bytes>, is_last: bool) {
        if let (Some(data), Some(hashing)) = (frame.data_ref(), &mut self.hashing) {
            hashing.data(data);
        }
        if is_last || frame.is_trailers() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.is_read = true;
        self.done();
    }

    /// Nothing more will pass: tells those who wait for the fingerprint.
    fn done(&mut self) {
        if let Some(hashing) = self.hashing.take() {
            let fingerprint = match self.is_read {
                true => hashing.end(),
                false => hashing.let_go(),
            };
            if self.notes.identify(fingerprint) {
                if let Some(waker) = self.waker.take() {
                    waker.wake();
                }
            }
        }
    }
}

impl<Q: Body + Unpin> Body for RequestBody<Q> {
    type Data = Bytes;
    type Error = Q::Error;

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Q::Error>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        if let Some(passing) = &mut this.passing {
            let is_last = this.inner.is_end_stream();
            match &frame {
                Some(Ok(frame)) => passing.frame(frame, is_last),
                // Nobody will ever know what it would have been.
                Some(Err(_)) => passing.hashing = None,
                None => passing.end(),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Nobody reads the rest.
impl Drop for Passing {
    fn drop(&mut self) {
        self.done();
    }
}

impl<Q: Body> fmt::Debug for RequestBody<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("is_hashed", &self.passing.is_some())
            .finish_non_exhaustive()
    }
}
