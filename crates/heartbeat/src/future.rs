//! The future that waits for the head.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::body::HeartbeatBody;
use crate::gate::prepare;
use crate::layer::Settings;

pin_project! {
    /// The future of a [`HeartbeatSse`](crate::HeartbeatSse) service.
    ///
    /// # Cancel safety
    /// Dropping it drops the inner future.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        settings: Settings,
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) const fn new(inner: F, settings: Settings) -> Self {
        Self { inner, settings }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<HeartbeatBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(this.settings.apply(response)))
    }
}

impl Settings {
    /// Lets heartbeats into an answer, if that is possible.
    #[inline]
    pub(crate) fn apply<B: Body>(&self, mut response: Response<B>) -> Response<HeartbeatBody<B>> {
        let interval = match self.heartbeat.0 {
            Some(interval) if self.admits(&response) => interval,
            _ => return response.map(HeartbeatBody::off),
        };
        prepare(response.headers_mut());
        response.map(|body| HeartbeatBody::new(body, interval).form(self.form))
    }

    fn admits<B: Body>(&self, response: &Response<B>) -> bool {
        self.gate.admits(response.status(), response.headers()) && !response.body().is_end_stream()
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
