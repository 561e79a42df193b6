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
    /// # Cancel safety
    /// Dropped, it drops the inner call and the timer, and leaves nothing behind.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // Taken by the body.
        stopwatch: Option<Stopwatch>,
        settings: Settings,
        is_tunnel: bool,
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
            inner,
            stopwatch: Some(Stopwatch::new(&settings.limits, deadline)),
            settings,
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
        let this = self.project();
        let Poll::Ready(answer) = this.inner.poll(cx) else {
            let stopwatch = this.stopwatch.as_mut().expect(POLLED_AGAIN);
            return Poll::Ready(Err(ready!(stopwatch.wait(cx)).into()));
        };
        let stopwatch = this.stopwatch.take().expect(POLLED_AGAIN);
        Poll::Ready(match answer {
            Ok(answer) => Ok(timed(answer, stopwatch, this.settings, *this.is_tunnel)),
            Err(error) => Err(error.into()),
        })
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

#[inline]
fn timed<B: Body>(
    answer: Response<B>,
    mut stopwatch: Stopwatch,
    settings: &Settings,
    is_tunnel: bool,
) -> Response<StreamTimeoutBody<B>> {
    if is_tunnel || answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return answer.map(|body| StreamTimeoutBody::new(body, Stopwatch::off()));
    }
    stopwatch.body_begins(Progress::new(settings, answer.headers()));
    answer.map(|body| StreamTimeoutBody::new(body, stopwatch))
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
