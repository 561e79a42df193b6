//! The service: asks the circuit, and calls or refuses.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_core::{BoxError, Classify, Report, Watch};
use tower_service::Service;

use crate::error::CircuitOpen;
use crate::event;
use crate::future::ResponseFuture;
use crate::permit::Permit;
use crate::select::{Expect, HttpRequest, Select, Unkeyed};

/// Stops calling an upstream that keeps failing; made by [`CircuitBreakerLayer`](crate::CircuitBreakerLayer).
///
/// # Readiness
/// While its circuit is open the service is ready at once, without asking the inner service, and the next call
/// is refused: also if the circuit closes in between, then with no wait. Otherwise it is ready when the inner
/// service is; that a circuit opens meanwhile wakes nobody. The circuit is asked when the *call* is made, since
/// a probe's place should belong to somebody who uses it. A call that is refused then leaves the readiness of
/// the inner service unused: the next call uses it, and dropping the service gives it back.
///
/// With a circuit per key nobody can tell before the call whose circuit it will be: the service is ready when
/// the inner one is, always.
///
/// If the inner service fails to become ready, that counts like a call that fails (with a circuit per key
/// it counts nowhere), and the error is handed out.
///
/// What sheds load, or limits it in time, belongs outside of the breaker: errors of its own (`LoadShed`) inside
/// would count as failures of the upstream.
///
/// # Clone
/// Clones share the circuits, and each holds a clone of the inner service.
///
/// # Errors
/// [`CircuitOpen`] if the call is refused: the inner service was not called. Behind it, as its source, is
/// the [`Failure`](buttress_core::Failure) that other layers look for. Those of the inner service otherwise.
pub struct CircuitBreaker<S, C, K = Unkeyed, R = HttpRequest> {
    inner: S,
    classify: C,
    circuits: K,
    requests: R,
    /// How long the next call is told to wait: the service said that it was ready while the inner one may not
    /// be.
    refusal: Option<Duration>,
}

impl<S, C, K, R> CircuitBreaker<S, C, K, R> {
    pub(crate) const fn new(inner: S, classify: C, circuits: K, requests: R) -> Self {
        Self {
            inner,
            classify,
            circuits,
            requests,
            refusal: None,
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

    /// The inner service, without its circuit.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, C, K, R, Req> Service<Req> for CircuitBreaker<S, C, K, R>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    C: Classify<S::Response, S::Error> + Clone,
    K: Select<Req>,
    R: Expect<Req>,
{
    type Response = <C::Watch as Watch<S::Response>>::Watched<Permit>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, C>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.circuits.may_refuse() {
            if let Some(wait) = self.circuits.wait() {
                self.refusal = Some(wait);
                return Poll::Ready(Ok(()));
            }
        }
        match self.inner.poll_ready(cx) {
            // Who has been told that it is ready must not be told otherwise before the call.
            Poll::Pending if self.refusal.is_some() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                self.refusal = None;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                // Before there is a request, only a circuit for all of them can count it.
                if let Some(permit) = self.circuits.admit_any() {
                    permit.report(self.classify.classify(Err(&error)).at_head());
                }
                Poll::Ready(Err(error.into()))
            }
        }
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        if let Some(wait) = self.refusal {
            self.refusal = None;
            // It may have closed since, but the inner service has not been readied: the next call goes out.
            let is_open = self.circuits.may_refuse();
            let wait = if is_open { wait } else { Duration::ZERO };
            return ResponseFuture::refused(refused(self.circuits.refusal(wait)));
        }
        let mut permit = match self.circuits.admit(&request) {
            Ok(permit) => permit,
            Err(refusal) => return ResponseFuture::refused(refused(refusal)),
        };
        if !self.requests.expects_body(&request) {
            permit.decide_at_head();
        }
        ResponseFuture::new(self.inner.call(request), permit, self.classify.clone())
    }
}

#[cold]
fn refused(refusal: Box<CircuitOpen>) -> BoxError {
    event::rejected(&refusal);
    refusal
}

/// The clone is as good as new: nobody has promised it anything.
impl<S: Clone, C: Clone, K: Clone, R: Clone> Clone for CircuitBreaker<S, C, K, R> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            self.classify.clone(),
            self.circuits.clone(),
            self.requests.clone(),
        )
    }
}

impl<S: fmt::Debug, C, K: fmt::Debug, R> fmt::Debug for CircuitBreaker<S, C, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("inner", &self.inner)
            .field("circuits", &self.circuits)
            .finish_non_exhaustive()
    }
}
