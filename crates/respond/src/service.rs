//! The service: a thin adapter between Tower and the answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_core::BoxError;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::RespondBody;
use crate::future::ResponseFuture;
use crate::layer::Settings;
use crate::problem::Problem;
use crate::protocol::Protocol;
use crate::render::render;

/// Answers for failures; made by [`RespondLayer`](crate::RespondLayer).
///
/// # Readiness
/// Ready when the inner service is, or has failed to become ready: then each call is answered with that
/// failure, and the inner service is neither asked nor called again.
///
/// # Clone
/// Each clone holds a clone of the inner service, whose readiness has not failed yet.
///
/// # Errors
/// None.
#[derive(Debug)]
pub struct Respond<S> {
    inner: S,
    settings: Arc<Settings>,
    /// What is told of the inner service's failure to become ready.
    broken: Option<Box<Problem>>,
}

impl<S> Respond<S> {
    pub(crate) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self {
            inner,
            settings,
            broken: None,
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

    /// The inner service, with its errors.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Q, B> Service<Request<Q>> for Respond<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
{
    type Response = Response<RespondBody<B>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.broken.is_none() {
            if let Err(error) = ready!(self.inner.poll_ready(cx)) {
                self.broken = Some(Box::new(self.settings.problem(&*error.into())));
            }
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let protocol = Protocol::of(request.headers());
        if let Some(problem) = &self.broken {
            return ResponseFuture::answered(render(problem, protocol));
        }
        let settings = Arc::clone(&self.settings);
        ResponseFuture::new(self.inner.call(request), settings, protocol)
    }
}

impl<S: Clone> Clone for Respond<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.settings))
    }
}
