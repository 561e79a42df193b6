//! The service: a thin adapter between Tower and the share.

use std::task::{Context, Poll};

use buttress_core::{BoxError, Deadline};
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::layer::Settings;
use super::portion::{Portion, Share, TooLittle};
use crate::body::DeadlineBody;
use crate::current::least;
use crate::future::{ResponseFuture, is_connect};
use crate::tell::tell;
use crate::term::{Limit, Term, Whose};

/// Gives a stage its share of the time; made by [`BudgetShareLayer`](crate::BudgetShareLayer).
///
/// # Readiness
/// Ready when the inner service is. The share begins with the call.
///
/// # Clone
/// Each clone holds a clone of the inner service, and there is nothing else.
///
/// # Errors
/// [`ShareExceeded`] or [`DeadlineExceeded`] in a [`Failure`], when that time is up, or was too little
/// before the inner service was called; otherwise those of the inner service.
///
/// [`DeadlineExceeded`]: crate::DeadlineExceeded
/// [`ShareExceeded`]: crate::ShareExceeded
/// [`Failure`]: buttress_core::Failure
#[derive(Debug, Clone, Copy)]
pub struct BudgetShare<S> {
    inner: S,
    settings: Settings,
}

impl<S> BudgetShare<S> {
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

    /// The inner service, with all the time of its call.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Q, B> Service<Request<Q>> for BudgetShare<S>
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
    /// Takes the share, tells the request, and says what we have to do about it.
    #[inline]
    fn begin<Q>(&self, request: &mut Request<Q>) -> Result<Term, BoxError> {
        let now = Instant::now().into_std();
        let told = request.extensions().get::<Deadline>().copied();
        let outer = least(told);
        let share = request.extensions().get::<Share>().unwrap_or(&self.share);
        let portion = share.of(outer.map(|outer| outer.remaining(now)));
        let Portion { time, whose, first } = portion.map_err(refuse)?;
        let Some(time) = time else {
            return Ok(Term::default());
        };
        let (deadline, end) = match (whose, outer) {
            // All that remains ends with the deadline that is there.
            (Whose::Budget, Some(outer)) => (outer, (!outer.is_enforced()).then_some(outer)),
            _ => {
                let end = Deadline::after(now, time);
                (end, Some(end))
            }
        };
        tell(request.headers_mut(), time, self.announce);
        let mut term = Term::seen(deadline.enforced());
        term.tell(request.extensions_mut(), told);
        if let Some(end) = end {
            term = term.ends(Limit::new(end, time, whose));
        }
        if let Some(first) = first {
            let begins = Deadline::after(now, first);
            term = term.begins(Limit::new(begins, first, Whose::Share));
        }
        Ok(term)
    }
}

#[cold]
fn refuse(TooLittle { whose, left, floor }: TooLittle) -> BoxError {
    whose.refuse(left, floor)
}
