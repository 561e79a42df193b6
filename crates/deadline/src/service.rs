//! The service: a thin adapter between Tower and the rule that says how long a call has.

use std::task::{Context, Poll};
use std::time::Duration;

use buttress_core::BoxError;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::DeadlineBody;
use crate::future::{ResponseFuture, is_connect};
use crate::portion::{Portion, TooLittle};
use crate::term::Term;

/// A service whose calls have only so much time: [`TimeoutBudget`](crate::TimeoutBudget) or
/// [`BudgetShare`](crate::BudgetShare), after the layer that made it.
///
/// # Readiness
/// Ready when the inner service is. The time begins with the call: waiting for readiness is not part of
/// it.
///
/// # Clone
/// Each clone holds a clone of the inner service, and there is nothing else.
///
/// # Errors
/// [`DeadlineExceeded`] or [`ShareExceeded`] in a [`Failure`], when the time is up, or was too little
/// before the inner service was called; otherwise those of the inner service.
///
/// [`DeadlineExceeded`]: crate::DeadlineExceeded
/// [`ShareExceeded`]: crate::ShareExceeded
/// [`Failure`]: buttress_core::Failure
#[derive(Debug, Clone, Copy)]
pub struct Timed<S, L> {
    inner: S,
    layer: L,
}

/// How long a call has.
pub(crate) trait Rule {
    /// What it gets of the time that remains by what others say, if they say anything.
    fn portion<Q>(
        &self,
        request: &Request<Q>,
        remaining: Option<Duration>,
    ) -> Result<Portion, TooLittle>;

    /// Tells the next hop.
    #[inline]
    fn tell(&self, _headers: &mut HeaderMap, _time: Duration) {}
}

impl<S, L> Timed<S, L> {
    pub(crate) const fn new(inner: S, layer: L) -> Self {
        Self { inner, layer }
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

    /// The inner service, with all the time that others leave it.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, L, Q, B> Service<Request<Q>> for Timed<S, L>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    L: Rule,
    B: Body,
{
    type Response = Response<DeadlineBody<B>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let term = match Term::begin(&self.layer, &mut request) {
            Ok(term) => term,
            Err(error) => return ResponseFuture::refused(error),
        };
        let connect = is_connect(request.method());
        let future = term.within(|| self.inner.call(request));
        ResponseFuture::new(future, term, connect)
    }
}
