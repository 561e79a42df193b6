//! The service: a thin adapter between Tower and the future that looks.

use std::task::{Context, Poll};

use buttress_body::PrefixBody;
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::future::ResponseFuture;
use crate::layer::{Hold, Settings};

/// Looks into answers; made by [`JudgeLayer`](crate::JudgeLayer).
///
/// # Readiness
/// Ready when the inner service is.
///
/// # Clone
/// Each clone holds a clone of the inner service, and there is nothing else.
///
/// # Errors
/// Those of the inner service, and none of its own. An error that ends a body while it is read ahead comes
/// in its place, behind what was read.
#[derive(Debug, Clone, Copy)]
pub struct Judge<S> {
    inner: S,
    settings: Settings,
}

impl<S> Judge<S> {
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

    /// The inner service, unjudged.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Q, B> Service<Request<Q>> for Judge<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    B: Body + Unpin,
    B::Error: 'static,
{
    type Response = Response<PrefixBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let mut settings = self.settings;
        if let Some(hold) = request.extensions().get::<Hold>() {
            settings.hold = *hold;
        }
        if request.method() == Method::HEAD {
            settings.hold = Hold::OFF; // whatever the head says, no body follows
        }
        ResponseFuture::new(self.inner.call(request), settings)
    }
}
