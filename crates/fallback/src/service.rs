//! The service: a thin adapter between Tower and the future that asks the tiers.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_core::{BoxError, Classify, Outcome};
use tower_service::Service;

use crate::chain::Chain;
use crate::future::ResponseFuture;
use crate::layer::Settings;
use crate::traffic::Traffic;

/// Goes elsewhere when its inner service fails; made by [`FallbackLayer`](crate::FallbackLayer).
///
/// # Readiness
/// Ready when the primary is, whatever the tiers are. If the primary fails to become ready, that is a failure
/// as any other: the service is ready, the next call goes to the tiers, and a fresh clone takes the primary's
/// place.
///
/// # Clone
/// Clones share everything that the clones of the layer share, and each holds a clone of the primary.
///
/// # Errors
/// The primary's, if nobody else was asked; else a [`Failure`](buttress_core::Failure) of
/// [`AllTiersFailed`](crate::AllTiersFailed). A last result that is a response goes outward as it is.
pub struct Fallback<S, C, T: Traffic> {
    inner: S,
    /// The primary could not become ready for the next call.
    not_ready: Option<Box<(BoxError, Outcome)>>,
    settings: Arc<Settings<C, T>>,
}

impl<S, C, T: Traffic> Fallback<S, C, T> {
    pub(crate) const fn new(inner: S, settings: Arc<Settings<C, T>>) -> Self {
        Self {
            inner,
            not_ready: None,
            settings,
        }
    }

    /// The primary.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The primary.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The primary, alone.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, C, T> Service<T::Request> for Fallback<S, C, T>
where
    T: Traffic,
    S: Service<T::Sent, Response = T::Received> + Clone,
    S::Error: Into<BoxError>,
    C: Classify<T::Received, S::Error>,
{
    type Response = T::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, C, T>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.not_ready.is_none() {
            if let Err(error) = ready!(self.inner.poll_ready(cx)) {
                if self.settings.tiers.is_empty() {
                    return Poll::Ready(Err(error.into()));
                }
                let outcome = self.settings.classify.classify(Err(&error)).at_head();
                self.not_ready = Some(Box::new((error.into(), outcome)));
                // One that has failed to become ready must not be asked again.
                self.inner = self.inner.clone();
            }
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: T::Request) -> Self::Future {
        if self.settings.tiers.is_empty() {
            return ResponseFuture::new(self.inner.call(T::once(request)), None);
        }
        let (request, kept) = self.settings.traffic.keep(request);
        let chain = kept.map(|kept| Chain::new(Arc::clone(&self.settings), kept));
        if let Some(why) = self.not_ready.take() {
            let (error, outcome) = *why;
            return ResponseFuture::not_ready(error, outcome, chain);
        }
        ResponseFuture::new(self.inner.call(request), chain)
    }
}

impl<S: Clone, C, T: Traffic> Clone for Fallback<S, C, T> {
    /// What the original has become ready for, or failed to, stays with it.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.settings))
    }
}

impl<S, C, T: Traffic> fmt::Debug for Fallback<S, C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt_as("Fallback", f)
    }
}
