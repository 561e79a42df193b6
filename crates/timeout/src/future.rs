//! The future that waits for the head.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_core::BoxError;
use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::body::StreamTimeoutBody;
use crate::progress::Content;
use crate::stopwatch::Stopwatch;

pin_project! {
    /// The future of a [`StreamTimeout`](crate::StreamTimeout) service.
    ///
    /// The head and its body are timed by one and the same timer, which the body takes along. Ready at
    /// its first poll it has read no clock: time then counts from the first wait of the body.
    ///
    /// # Panics
    /// Polled again after an elapsed limit. And where it waits outside of a tokio runtime whose time is
    /// enabled.
    ///
    /// # Cancel safety
    /// Dropped, it drops the inner call and the timer, and leaves nothing behind.
    pub struct ResponseFuture<F> {
        // `None` once a limit has elapsed.
        #[pin]
        inner: Option<F>,
        // The body takes it along.
        stopwatch: Option<Stopwatch>,
        content: Content,
        is_tunnel: bool,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) const fn new(
        inner: F,
        stopwatch: Stopwatch,
        content: Content,
        is_tunnel: bool,
    ) -> Self {
        Self {
            inner: Some(inner),
            stopwatch: Some(stopwatch),
            content,
            is_tunnel,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<StreamTimeoutBody<B>>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = this.inner.as_mut().as_pin_mut().expect(POLLED_AGAIN);
        let answer = match inner.poll(cx) {
            Poll::Ready(Ok(answer)) => answer,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            Poll::Pending => {
                let stopwatch = this.stopwatch.as_mut().expect(POLLED_AGAIN);
                let failure = ready!(stopwatch.wait(cx));
                // Whoever keeps a future that is done keeps no call.
                this.inner.set(None);
                return Poll::Ready(Err(failure.into()));
            }
        };
        let is_tunnel = *this.is_tunnel || answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let stopwatch = if is_tunnel {
            Stopwatch::off()
        } else {
            let progress = this.content.progress(answer.headers());
            let stopwatch = this.stopwatch.take().expect(POLLED_AGAIN);
            stopwatch.of_body(progress)
        };
        Poll::Ready(Ok(
            answer.map(|body| StreamTimeoutBody::new(body, stopwatch))
        ))
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
