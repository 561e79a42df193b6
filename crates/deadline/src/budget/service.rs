//! The service: when the call ends, by all that is said.

use std::task::{Context, Poll};
use std::time::Duration;

use buttress_core::{BoxError, Deadline};
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::layer::Settings;
use crate::body::DeadlineBody;
use crate::current::least;
use crate::future::{ResponseFuture, is_connect};
use crate::term::{Limit, Term, Whose};

/// Gives a call a time budget; made by [`TimeoutBudgetLayer`](crate::TimeoutBudgetLayer).
///
/// # Readiness
/// Ready when the inner service is. The budget begins with the call: waiting for readiness is not part of
/// it.
///
/// # Clone
/// Each clone holds a clone of the inner service, and there is nothing else.
///
/// # Errors
/// [`DeadlineExceeded`](crate::DeadlineExceeded) in a [`Failure`](buttress_core::Failure), when the time is
/// up, or was before the inner service was called; otherwise those of the inner service.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutBudget<S> {
    inner: S,
    settings: Settings,
}

/// The time that one call has in place of the layer's own total: put it into the extensions of its
/// request.
///
/// It replaces the total only: a client's header, and a deadline that is there already, still shorten it.
///
/// ```
/// use buttress_deadline::Budget;
/// use std::time::Duration;
///
/// let mut request = http::Request::post("/v1/batches").body(())?;
/// request.extensions_mut().insert(Budget(Duration::from_secs(600)));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(pub Duration);

impl<S> TimeoutBudget<S> {
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

    /// The inner service, unbounded.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Q, B> Service<Request<Q>> for TimeoutBudget<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Into<BoxError>,
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
        let term = match self.settings.begin(&mut request) {
            Ok(term) => term,
            Err(error) => return ResponseFuture::refused(error),
        };
        let connect = is_connect(request.method());
        let future = term.within(|| self.inner.call(request));
        ResponseFuture::new(future, term, connect)
    }
}

impl Settings {
    /// Finds out when the call ends, tells the request, and says what we have to do about it.
    #[inline]
    fn begin<Q>(&self, request: &mut Request<Q>) -> Result<Term, BoxError> {
        let now = Instant::now().into_std();
        let total = request
            .extensions()
            .get::<Budget>()
            .map_or(self.total, |Budget(total)| *total);
        let heard = self.hints.read(request.headers());
        let given = heard.map_or(total, |heard| heard.min(total));
        let told = request.extensions().get::<Deadline>().copied();

        let (deadline, time) = match least(told) {
            Some(outer) if outer.remaining(now) <= given => (outer, outer.remaining(now)),
            None if given == Duration::MAX => return Ok(Term::default()),
            _ => (Deadline::after(now, given), given),
        };
        if time.is_zero() {
            return Err(Whose::Budget.refuse(time, Duration::ZERO));
        }
        let term = Term::seen(deadline.enforced());
        term.tell(request.extensions_mut(), told);
        if deadline.is_enforced() {
            return Ok(term); // by somebody outside
        }
        Ok(term.ends(Limit::new(deadline, time, Whose::Budget)))
    }
}
