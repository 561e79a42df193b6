//! The service: a thin adapter between Tower and the future that opens the gate.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::HeartbeatBody;
use crate::future::ResponseFuture;
use crate::gate::is_bodiless;
use crate::layer::{AfterHead, Heartbeat, Settings};

/// Keeps streams of events alive; made by [`HeartbeatSseLayer`](crate::HeartbeatSseLayer).
///
/// # Readiness
/// Ready when the inner service is.
///
/// # Clone
/// Each clone holds a clone of the inner service, and there is nothing else.
///
/// # Errors
/// Those of the inner service, and none of its own. Where the head has gone out
/// [early](crate::HeartbeatSseLayer::eager), an error of the inner service has become an event of the stream.
///
/// # Cancel safety
/// Dropping the future or the body drops what the inner service was doing at once.
#[derive(Debug, Clone, Copy)]
pub struct HeartbeatSse<S, M = AfterHead> {
    pub(crate) inner: S,
    pub(crate) settings: Settings,
    pub(crate) mode: M,
}

impl<S, M> HeartbeatSse<S, M> {
    pub(crate) const fn new(inner: S, settings: Settings, mode: M) -> Self {
        Self {
            inner,
            settings,
            mode,
        }
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

    /// The inner service, without heartbeats.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Q, B> Service<Request<Q>> for HeartbeatSse<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<HeartbeatBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let settings = self.settings.for_request(&request);
        ResponseFuture::new(self.inner.call(request), settings)
    }
}

impl Settings {
    #[inline]
    pub(crate) fn for_request<Q>(mut self, request: &Request<Q>) -> Self {
        if is_bodiless(request.method()) {
            self.heartbeat = Heartbeat::OFF;
        } else if let Some(heartbeat) = request.extensions().get() {
            self.heartbeat = *heartbeat;
        }
        self
    }
}
