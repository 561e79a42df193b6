//! The body of whoever served the call.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use buttress_core::BoxError;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::last_good::Recorder;

pin_project! {
    /// The body of the primary, of a tier, or one that we have in memory.
    ///
    /// Data, trailers, the end and the size pass as they are. The primary's is not boxed. A tier's is: its type
    /// is not known here, and it is there only when something has failed.
    ///
    /// # Cancel safety
    /// Dropping it drops the inner body, which cancels the upstream's work on it. An answer that was being kept
    /// is not.
    pub struct FallbackBody<B> {
        #[pin]
        inner: Inner<B>,
        // Boxed: most answers are not kept.
        recorder: Option<Box<Recorder>>,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<B> {
        Primary { #[pin] body: B },
        Tier { body: Boxed },
        Whole { bytes: Option<Bytes> },
    }
}

/// The lock is only for `Sync`, which many bodies are not: a `&mut` goes around it.
type Boxed = Mutex<Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>>;

impl<B> FallbackBody<B> {
    /// The body of the primary.
    #[inline]
    pub(crate) const fn primary(body: B) -> Self {
        Self::new(Inner::Primary { body })
    }

    /// The body of a tier.
    pub(crate) fn tier<T>(body: T) -> Self
    where
        T: Body + Send + 'static,
        T::Error: Into<BoxError>,
    {
        Self::new(Inner::Tier {
            body: Mutex::new(Box::pin(Plain { body })),
        })
    }

    /// A body that is in memory.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self::new(Inner::Whole { bytes })
    }

    const fn new(inner: Inner<B>) -> Self {
        Self {
            inner,
            recorder: None,
        }
    }
}

impl<B> FallbackBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// Keeps a copy of what passes.
    pub(crate) fn record(&mut self, mut recorder: Recorder) {
        if self.inner.is_end_stream() {
            return recorder.end(); // nobody asks for nothing
        }
        self.recorder = Some(Box::new(recorder));
    }
}

impl<B> Body for FallbackBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        if let Some(recorder) = this.recorder {
            match &frame {
                Some(Ok(frame)) => recorder.frame(frame),
                Some(Err(_)) => recorder.give_up(),
                None => recorder.end(),
            }
            // hyper polls no further than that.
            if this.inner.is_end_stream() {
                recorder.end();
            }
            if recorder.is_done() {
                *this.recorder = None;
            }
        }
        if let Some(Err(_)) = frame {
            // What failed is let go of, and not asked again.
            this.inner.set(Inner::Whole { bytes: None });
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Primary { body } => body.size_hint(),
            Inner::Tier { body } => lock(body).size_hint(),
            Inner::Whole { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

impl<B> Inner<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project() {
            InnerProj::Primary { body } => poll_bytes(body, cx),
            InnerProj::Tier { body } => {
                let body = body.get_mut().unwrap_or_else(PoisonError::into_inner);
                body.as_mut().poll_frame(cx)
            }
            InnerProj::Whole { bytes } => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Primary { body } => body.is_end_stream(),
            Self::Tier { body } => lock(body).is_end_stream(),
            Self::Whole { bytes } => bytes.is_none(),
        }
    }
}

impl<B> fmt::Debug for FallbackBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match &self.inner {
            Inner::Primary { .. } => "primary",
            Inner::Tier { .. } => "tier",
            Inner::Whole { .. } => "memory",
        };
        f.debug_struct("FallbackBody")
            .field("of", &of)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A body whose data and errors are of the common kind.
    struct Plain<B> {
        #[pin]
        body: B,
    }
}

impl<B> Body for Plain<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        poll_bytes(self.project().body, cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Shares the chunk where it already is `Bytes`.
fn poll_bytes<B>(
    body: Pin<&mut B>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    body.poll_frame(cx).map(|frame| {
        frame.map(|frame| {
            frame
                .map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                .map_err(Into::into)
        })
    })
}

// A body that panicked has left its own state behind, not ours.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
