//! The service: a thin adapter between Tower and the stopwatch.

use std::task::{Context, Poll};

use buttress_core::{BoxError, Deadline};
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::StreamTimeoutBody;
use crate::future::ResponseFuture;
use crate::layer::Settings;
use crate::limits::StreamLimits;
use crate::progress::Content;
use crate::stopwatch::Stopwatch;

/// Ends calls and streams that wait for too long; made by
/// [`StreamTimeoutLayer`](crate::StreamTimeoutLayer).
///
/// A request may have limits of its own, as [`StreamLimits`] in its extensions. A limit that ends at or
/// after a [`Deadline`] there, which an outer layer enforces, arms no timer.
///
/// What is no stream of HTTP any more is not timed: the body of a 101, and of an answer to `CONNECT`.
///
/// # Readiness
/// Ready when the inner service is, however long that takes.
///
/// # Clone
/// Each clone holds a clone of the inner service, and there is nothing else.
///
/// # Errors
/// Those of the inner service, as they are; and a [`Failure`](buttress_core::Failure) around
/// [`FirstFrameElapsed`](crate::FirstFrameElapsed) or [`TotalElapsed`](crate::TotalElapsed). The inner
/// service was called, and nobody knows how far it got.
#[derive(Debug, Clone, Copy)]
pub struct StreamTimeout<S> {
    inner: S,
    settings: Settings,
}

impl<S> StreamTimeout<S> {
    pub(crate) const fn new(inner: S, settings: Settings) -> Self {
        Self { inner, settings }
    }

    /// The inner service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, untimed.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Q, B> Service<Request<Q>> for StreamTimeout<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response = Response<StreamTimeoutBody<B>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let Settings { mut limits, pings } = self.settings;
        let mut deadline = None;
        let extensions = request.extensions();
        if !extensions.is_empty() {
            if let Some(own) = extensions.get::<StreamLimits>() {
                limits = limits.overridden(own);
            }
            deadline = extensions.get::<Deadline>().copied();
        }
        let stopwatch = Stopwatch::new(&limits, deadline);
        let content = Content::new(limits.progress, pings);
        let is_tunnel = request.method() == Method::CONNECT;
        ResponseFuture::new(self.inner.call(request), stopwatch, content, is_tunnel)
    }
}
