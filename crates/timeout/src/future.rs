//! The future that waits for the head.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_core::{BoxError, Deadline};
use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::body::StreamTimeoutBody;
use crate::layer::Settings;
use crate::progress::Progress;
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
        settings: Settings,
        deadline: Option<Deadline>,
        is_tunnel: bool,
        // Begins with the first wait; the body takes it along.
        stopwatch: Option<Stopwatch>,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) fn new(
        inner: F,
        settings: Settings,
        deadline: Option<Deadline>,
        is_tunnel: bool,
    ) -> Self {
        Self {
            inner: Some(inner),
            settings,
            deadline,
            is_tunnel,
            stopwatch: None,
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
        let begin = || Stopwatch::new(&this.settings.limits, *this.deadline);
        let inner = this.inner.as_mut().as_pin_mut().expect(POLLED_AGAIN);
        let answer = match inner.poll(cx) {
            Poll::Ready(Ok(answer)) => answer,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            Poll::Pending => {
                let failure = ready!(this.stopwatch.get_or_insert_with(begin).wait(cx));
                // Whoever keeps a future that is done keeps no call.
                this.inner.set(None);
                return Poll::Ready(Err(failure.into()));
            }
        };
        let (head, body) = answer.into_parts();
        let is_tunnel = *this.is_tunnel || head.status == StatusCode::SWITCHING_PROTOCOLS;
        let stopwatch = if is_tunnel {
            Stopwatch::off()
        } else {
            let progress = Progress::new(this.settings, &head.headers);
            let stopwatch = this.stopwatch.take().unwrap_or_else(begin);
            stopwatch.of_body(progress)
        };
        let body = StreamTimeoutBody::new(body, stopwatch);
        Poll::Ready(Ok(Response::from_parts(head, body)))
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
