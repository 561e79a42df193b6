//! The service: a thin adapter between Tower and the future that tries again.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_core::Classify;
use tower_service::Service;

use crate::budget::RetryBudget;
use crate::future::{ResponseFuture, Retrier};
use crate::layer::Settings;
use crate::replay::{Discard, Replay};
use crate::ticket::Shared;

/// Tries again what may end better; made by [`RetryLayer`](crate::RetryLayer).
///
/// # Readiness
/// Ready when the inner service is. Each further attempt readies the inner service again, and calls
/// what it has readied. That wait is bounded by nothing but the caller: the deadline is asked before a retry
/// is decided, and by then the last result has been let go of.
///
/// # Clone
/// Clones share everything that the clones of the layer share, and each holds a clone of the inner
/// service.
///
/// # Errors
/// Those of the inner service, and none of its own. An error of `poll_ready` before a further attempt is
/// handed out at once, since a service that failed to become ready must not be asked again.
#[derive(Clone)]
pub struct Retry<S, C, R> {
    inner: S,
    shared: Arc<Shared<C, R>>,
}

impl<S, C, R> Retry<S, C, R> {
    pub(crate) fn new(inner: S, settings: Arc<Settings<C, R>>) -> Self {
        Self {
            inner,
            shared: Arc::new(Shared::new(settings)),
        }
    }

    /// The budget, if there is one.
    #[must_use]
    pub fn budget(&self) -> Option<&RetryBudget> {
        self.shared.settings().budget.as_ref()
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

    /// The inner service, without the retries.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, C, R, Req> Service<Req> for Retry<S, C, R>
where
    S: Service<R::Request> + Clone,
    C: Classify<S::Response, S::Error>,
    R: Replay<Req> + Discard<S::Response>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, C, R, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let Settings { replay, policy, .. } = self.shared.settings();
        let (request, saved) = if policy.max_attempts == NonZeroU32::MIN {
            (replay.once(request), None)
        } else {
            replay.save(request)
        };
        let Some(saved) = saved else {
            return ResponseFuture::once(self.inner.call(request));
        };
        // The clone stays behind; what was readied is called, and called again.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let future = inner.call(request);
        let retrier = Retrier::new(inner, self.shared.ticket(), saved);
        ResponseFuture::new(future, retrier)
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for Retry<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("policy", &self.shared.settings().policy)
            .field("budget", &self.shared.settings().budget)
            .finish_non_exhaustive()
    }
}
