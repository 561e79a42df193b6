//! The service: tells a first call from its duplicates.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_core::{BoxError, Classify, Watch};
use http::header::UPGRADE;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::attempt::{Make, make};
use crate::body::IdempotencyBody;
use crate::dedupe::Dedupe;
use crate::error::KeyMissing;
use crate::future::ResponseFuture;
use crate::notes::Judgement;
use crate::request::RequestBody;
use crate::state::{Duplicates, State};

/// Makes a call once, however often it is asked for; made by [`IdempotencyLayer`](crate::IdempotencyLayer).
///
/// # Readiness
/// Ready when the inner service is. A duplicate leaves that readiness unused: the next call uses it, and dropping
/// the service gives it back.
///
/// # Clone
/// Clones share the calls that are under way, and the store; each holds a clone of the inner service.
///
/// # Errors
/// In a [`Failure`](buttress_core::Failure) each, and the inner service was not called:
/// [`KeyMissing`](crate::KeyMissing), [`MalformedKey`](crate::MalformedKey), [`KeyReused`](crate::KeyReused),
/// [`CallInFlight`](crate::CallInFlight). In a [`Failure`](buttress_core::Failure), for all who wait:
/// [`RunElapsed`](crate::RunElapsed). Those of the inner service otherwise, as the source of a
/// [`SharedError`](buttress_body::SharedError) if the call was one that can be joined.
pub struct Idempotency<S, C> {
    inner: S,
    classify: C,
    state: Arc<State>,
}

impl<S, C> Idempotency<S, C> {
    pub(crate) const fn new(inner: S, classify: C, state: Arc<State>) -> Self {
        Self {
            inner,
            classify,
            state,
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

    /// The inner service, which calls as often as it is asked.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, C, Q, B, W> Service<Request<Q>> for Idempotency<S, C>
where
    S: Service<Request<RequestBody<Q>>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    Q: Body + Send + Unpin + 'static,
    Q::Error: Into<BoxError> + Send,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
    C: Classify<Response<B>, S::Error> + Clone + Send + 'static,
    C::Watch: Watch<Response<B>, Watched<Judgement> = Response<W>>,
    W: Body + Send + 'static,
    W::Error: Into<BoxError>,
{
    type Response = Response<IdempotencyBody<B>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let settings = &self.state.settings;
        let has_key = request.headers().contains_key(&settings.header);
        if !has_key && !settings.required && settings.fingerprints.is_none() {
            return self.plain(request);
        }
        self.look_closer(request, has_key, make::<S, Q, C, B, W>)
    }
}

impl<S, C> Idempotency<S, C> {
    #[inline]
    fn plain<Q>(&mut self, request: Request<Q>) -> ResponseFuture<S::Future>
    where
        S: Service<Request<RequestBody<Q>>>,
        Q: Body + Unpin,
    {
        ResponseFuture::plain(self.inner.call(request.map(RequestBody::plain)))
    }

    #[inline(never)]
    fn look_closer<Q>(
        &mut self,
        request: Request<Q>,
        has_key: bool,
        make: Make<S, Q, C>,
    ) -> ResponseFuture<S::Future>
    where
        S: Service<Request<RequestBody<Q>>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        Q: Body + Send + Unpin + 'static,
        Q::Error: Into<BoxError> + Send,
        C: Clone + Send + 'static,
    {
        let settings = &self.state.settings;
        let duplicates = request.extensions().get().copied();
        let duplicates = duplicates.unwrap_or(settings.duplicates);
        let is_ours = settings.methods.contains(request.method())
            && !request.headers().contains_key(UPGRADE)
            && duplicates != Duplicates::Repeat;
        if !is_ours {
            return self.plain(request);
        }
        if !has_key && settings.required {
            return ResponseFuture::refused(KeyMissing::refuse());
        }
        let dedupe = Dedupe {
            service: &mut self.inner,
            classify: &self.classify,
            state: &self.state,
            duplicates,
            make,
        };
        if has_key {
            dedupe.by_key(request)
        } else {
            dedupe.by_fingerprint(request)
        }
    }
}

impl<S: Clone, C: Clone> Clone for Idempotency<S, C> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            self.classify.clone(),
            Arc::clone(&self.state),
        )
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Idempotency<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency")
            .field("inner", &self.inner)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
