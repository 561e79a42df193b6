//! The body of an answer, timed.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_core::{BoxError, Failure};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::stopwatch::Stopwatch;

pin_project! {
    /// The body of an answer of [`StreamTimeout`](crate::StreamTimeout).
    ///
    /// Everything is forwarded as it is: data, trailers, the end and the size. The inner body is asked
    /// first; only where it makes its reader wait does anybody look at the time, and with every 256th frame,
    /// for `total`, unless that is the last. Once a limit has elapsed the inner body is dropped, there is one
    /// error, and then `None` for ever.
    ///
    /// # Errors
    /// Those of the inner body, as they are; and a [`Failure`](buttress_core::Failure) around
    /// [`FirstFrameElapsed`](crate::FirstFrameElapsed), [`IdleElapsed`](crate::IdleElapsed),
    /// [`ProgressElapsed`](crate::ProgressElapsed) or [`TotalElapsed`](crate::TotalElapsed).
    ///
    /// # Cancel safety
    /// Dropped, it drops the inner body and the timer.
    pub struct StreamTimeoutBody<B> {
        // `None` once it has ended.
        #[pin]
        inner: Option<B>,
        stopwatch: Stopwatch,
    }
}

impl<B> StreamTimeoutBody<B> {
    #[inline]
    pub(crate) const fn new(inner: B, stopwatch: Stopwatch) -> Self {
        Self {
            inner: Some(inner),
            stopwatch,
        }
    }

    #[inline(never)]
    fn wait<D>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<D>, BoxError>>> {
        let failure = ready!(self.as_mut().project().stopwatch.wait(cx));
        self.end(Some(failure.into()))
    }

    /// There is a frame, but the call may take too long all the same. The last frame is handed on anyway.
    #[cold]
    fn overrun(self: Pin<&mut Self>) -> Option<Failure>
    where
        B: Body,
    {
        let this = self.project();
        let is_last = this
            .inner
            .as_ref()
            .get_ref()
            .as_ref()
            .is_none_or(Body::is_end_stream);
        if is_last {
            None
        } else {
            this.stopwatch.overrun()
        }
    }

    /// What stood inside goes first: that is what cancels the upstream.
    #[inline(never)]
    fn end<D>(
        self: Pin<&mut Self>,
        error: Option<BoxError>,
    ) -> Poll<Option<Result<Frame<D>, BoxError>>> {
        let mut this = self.project();
        this.inner.set(None);
        *this.stopwatch = Stopwatch::off();
        Poll::Ready(error.map(Err))
    }

    /// The inner body; `None` once it has ended.
    #[must_use]
    pub const fn get_ref(&self) -> Option<&B> {
        self.inner.as_ref()
    }
}

impl<B> Body for StreamTimeoutBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    #[inline(always)]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.as_mut().project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let polled = inner.poll_frame(cx);
        // By reference: a frame is large, and would be moved once more.
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            if let Some(data) = frame.data_ref() {
                if this.stopwatch.data(data) {
                    if let Some(failure) = self.as_mut().overrun() {
                        return self.end(Some(failure.into()));
                    }
                }
            }
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Err(error))) => self.end(Some(error.into())),
            Poll::Ready(None) => self.end(None),
            Poll::Pending => self.wait(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ended = || SizeHint::with_exact(0);
        self.inner.as_ref().map_or_else(ended, Body::size_hint)
    }
}

impl<B: fmt::Debug> fmt::Debug for StreamTimeoutBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamTimeoutBody")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
