//! A body that ends with its time.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_core::BoxError;
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::term::Term;

pin_project! {
    /// A response body that ends with the time of its call.
    ///
    /// What has arrived is handed on first, however late it is asked for: 16 frames at most after the time is up,
    /// so that no reader is too slow to meet the end of a stream that has none. Then, or as soon as there is
    /// nothing to hand on: an error ([`DeadlineExceeded`] or [`ShareExceeded`] in
    /// a [`Failure`]), the inner body is dropped, and then `None`. Frames, the end and the size are forwarded
    /// as they are.
    ///
    /// # Cancel safety
    /// Dropping it drops the inner body, and the timer if there is one.
    ///
    /// [`DeadlineExceeded`]: crate::DeadlineExceeded
    /// [`ShareExceeded`]: crate::ShareExceeded
    /// [`Failure`]: buttress_core::Failure
    pub struct DeadlineBody<B> {
        // `None` once it has ended, of itself or with its time.
        #[pin]
        inner: Option<B>,
        term: Term,
    }
}

impl<B> DeadlineBody<B> {
    pub(crate) const fn new(inner: B, term: Term) -> Self {
        Self {
            inner: Some(inner),
            term,
        }
    }
}

impl<B> Body for DeadlineBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        match this.term.within(|| inner.poll_frame(cx)) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    if data.has_remaining() {
                        this.term.has_begun();
                    }
                    let inner = this.inner.as_ref().get_ref();
                    let is_last = || inner.as_ref().is_none_or(Body::is_end_stream);
                    if let Some(error) = this.term.too_late(cx, is_last) {
                        this.inner.set(None);
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(ended) => {
                this.inner.set(None);
                Poll::Ready(ended.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let error = ready!(this.term.poll_over(cx));
                this.inner.set(None); // the upstream sees the cancellation
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: fmt::Debug> fmt::Debug for DeadlineBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineBody")
            .field("inner", &self.inner)
            .field("term", &self.term)
            .finish()
    }
}
