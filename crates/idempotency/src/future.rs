//! The future of a call: made, joined, replayed, or refused.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_core::BoxError;
use http::Response;
use pin_project_lite::pin_project;

use crate::answer::{self, Kept};
use crate::body::IdempotencyBody;
use crate::call_id::CallId;
use crate::event;
use crate::stored::Stored;
use crate::subscriber::Subscriber;

pin_project! {
    /// The future of an [`Idempotency`](crate::Idempotency) service.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the call to the others who wait for it. What becomes of a call that everybody has left is told
    /// in [`IdempotencyLayer`](crate::IdempotencyLayer).
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    /// ```text
    ///              ┌───► Plain
    ///  Deciding ───┼───► Waiting
    ///              └───► Replaying
    /// ```
    #[project = StateProj]
    enum State<F> {
        // Not deduplicated.
        Plain { #[pin] future: F },
        // The body is read first. Boxed: most requests are no duplicates, and every layer moves them.
        Deciding { deciding: Deciding<F> },
        // The head is waited for.
        Waiting { subscriber: Option<Subscriber> },
        Replaying { call: CallId, kept: Arc<Stored> },
        Refused { refusal: Option<BoxError> },
    }
}

type Deciding<F> = Pin<Box<dyn Future<Output = Result<Decided<F>, BoxError>> + Send>>;

/// What came of a request whose body had to be read first.
pub(crate) enum Decided<F> {
    Plain(F),
    Waiting(Subscriber),
    Kept(CallId, Arc<Stored>),
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) const fn plain(future: F) -> Self {
        Self {
            state: State::Plain { future },
        }
    }

    pub(crate) const fn refused(refusal: BoxError) -> Self {
        Self {
            state: State::Refused {
                refusal: Some(refusal),
            },
        }
    }

    pub(crate) const fn waiting(subscriber: Subscriber) -> Self {
        Self {
            state: State::Waiting {
                subscriber: Some(subscriber),
            },
        }
    }

    pub(crate) const fn replaying(call: CallId, kept: Arc<Stored>) -> Self {
        Self {
            state: State::Replaying { call, kept },
        }
    }

    pub(crate) fn deciding(
        deciding: impl Future<Output = Result<Decided<F>, BoxError>> + Send + 'static,
    ) -> Self {
        Self {
            state: State::Deciding {
                deciding: Box::pin(deciding),
            },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<IdempotencyBody<B>>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProj::Plain { future } = state.as_mut().project() {
            let response = ready!(future.poll(cx)).map_err(Into::into)?;
            return Poll::Ready(Ok(response.map(IdempotencyBody::plain)));
        }
        poll_deduplicated(state, cx)
    }
}

fn poll_deduplicated<F, B, E>(
    mut state: Pin<&mut State<F>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<IdempotencyBody<B>>, BoxError>>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    loop {
        let next = match state.as_mut().project() {
            StateProj::Plain { future } => {
                let response = ready!(future.poll(cx)).map_err(Into::into)?;
                return Poll::Ready(Ok(response.map(IdempotencyBody::plain)));
            }
            StateProj::Waiting { subscriber } => {
                let waiting = subscriber.as_mut().expect(POLLED_AGAIN);
                let head = ready!(waiting.poll_head(cx));
                let subscriber = subscriber.take().expect(POLLED_AGAIN);
                return Poll::Ready(
                    head.map(|head| head.map(|()| IdempotencyBody::shared(subscriber))),
                );
            }
            StateProj::Replaying { call, kept } => {
                event::replayed(call);
                let body = IdempotencyBody::kept(Kept::new(kept));
                return Poll::Ready(Ok(Response::from_parts(answer::head(kept), body)));
            }
            StateProj::Deciding { deciding } => match ready!(deciding.as_mut().poll(cx))? {
                Decided::Plain(future) => State::Plain { future },
                Decided::Waiting(subscriber) => State::Waiting {
                    subscriber: Some(subscriber),
                },
                Decided::Kept(call, kept) => State::Replaying { call, kept },
            },
            StateProj::Refused { refusal } => {
                return Poll::Ready(Err(refusal.take().expect(POLLED_AGAIN)));
            }
        };
        state.set(next);
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Plain { .. } => "plain",
            State::Waiting { .. } => "waiting",
            State::Replaying { .. } => "replaying",
            State::Deciding { .. } => "deciding",
            State::Refused { .. } => "refused",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
