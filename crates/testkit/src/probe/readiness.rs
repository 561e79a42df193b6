use std::task::{Context, Poll};

use tower_service::Service;

/// Panics when it is called without having said that it is ready.
///
/// The law is Tower's: `call` only on the value whose `poll_ready` returned `Ready(Ok(()))`, and once
/// per such answer. `Buffer` and `ConcurrencyLimit` break in production when a layer forgets it; this
/// probe breaks in the test.
///
/// # Clone
///
/// A clone shares nothing and is never ready, whatever its original had promised.
///
/// # Examples
///
/// ```should_panic
/// use buttress_testkit::probe::{ReadinessProbe, Reply, ScriptedService};
/// use tower_service::Service;
///
/// let (inner, _handle) = ScriptedService::<(), (), ()>::new([Reply::Ok(())]);
/// let mut probe = ReadinessProbe::new(inner);
/// let _response = probe.call(());
/// ```
#[derive(Debug)]
pub struct ReadinessProbe<S> {
    inner: S,
    ready: bool,
}

impl<S> ReadinessProbe<S> {
    /// Watches over `inner`.
    pub const fn new(inner: S) -> Self {
        Self {
            inner,
            ready: false,
        }
    }

    /// Whether `call` is allowed now.
    pub const fn is_ready(&self) -> bool {
        self.ready
    }

    /// The watched service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, Req> Service<Req> for ReadinessProbe<S>
where
    S: Service<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let poll = self.inner.poll_ready(cx);
        self.ready = matches!(poll, Poll::Ready(Ok(())));
        poll
    }

    fn call(&mut self, req: Req) -> S::Future {
        assert!(
            self.ready,
            "called without a prior `Poll::Ready(Ok(()))` on this very value"
        );
        self.ready = false;
        self.inner.call(req)
    }
}

impl<S: Clone> Clone for ReadinessProbe<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone())
    }
}
