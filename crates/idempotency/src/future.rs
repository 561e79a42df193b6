//! The future of a call: made, joined, replayed, or refused.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_core::BoxError;
use bytes::Buf;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::answer::{self, Kept};
use crate::body::IdempotencyBody;
use crate::call_id::CallId;
use crate::error::KeyReused;
use crate::event;
use crate::fingerprint::{Hashing, Shown};
use crate::stored::Stored;
use crate::subscriber::Subscriber;

pin_project! {
    /// The future of an [`Idempotency`](crate::Idempotency) service.
    ///
    /// # Cancel safety
    /// Dropped, it leaves the call to the others who wait for it. What becomes of a call that everybody has left is told
    /// in [`IdempotencyLayer`](crate::IdempotencyLayer).
    pub struct ResponseFuture<F, Q> {
        #[pin]
        state: State<F, Q>,
    }
}

pin_project! {
    /// ```text
    ///                ┌──────────────────────► Plain
    ///  Deciding ─────┼────────► Waiting
    ///                └─────┐       ▲
    ///             ┌────► Replaying │
    ///  Checking ──┴───► Comparing ─┘
    /// ```
    #[project = StateProj]
    enum State<F, Q> {
        // Not deduplicated.
        Plain { #[pin] future: F },
        // The body of a duplicate is hashed. Boxed: most requests are none, and every layer moves them.
        Checking { body: Q, hashing: Option<Box<Hashing>>, found: Option<Found> },
        // The first's payload is waited for.
        Comparing { subscriber: Option<Subscriber>, shown: Box<Shown> },
        // The head is waited for.
        Waiting { subscriber: Option<Subscriber> },
        Replaying { call: CallId, kept: Arc<Stored> },
        // The body is held until its fingerprint is known.
        Deciding { deciding: Pin<Box<dyn Future<Output = Decided<F>> + Send>> },
        Refused { refusal: Option<BoxError> },
    }
}

/// What a duplicate has found.
pub(crate) enum Found {
    Running(Subscriber),
    Kept(CallId, Arc<Stored>),
}

/// What came of a request that is known by its fingerprint.
pub(crate) enum Decided<F> {
    Plain(F),
    Found(Found),
    Refused(BoxError),
}

impl<F, Q> ResponseFuture<F, Q> {
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

    pub(crate) fn deciding(deciding: impl Future<Output = Decided<F>> + Send + 'static) -> Self {
        Self {
            state: State::Deciding {
                deciding: Box::pin(deciding),
            },
        }
    }

    /// A duplicate: its body is hashed before it gets anything. `None` trusts it.
    pub(crate) fn duplicate(body: Q, hashing: Option<Hashing>, found: Found) -> Self {
        let state = match hashing {
            None => {
                if let Found::Running(subscriber) = &found {
                    event::joined(subscriber.call());
                }
                State::found(found)
            }
            Some(hashing) => State::Checking {
                body,
                hashing: Some(Box::new(hashing)),
                found: Some(found),
            },
        };
        Self { state }
    }
}

impl<F, Q> State<F, Q> {
    fn found(found: Found) -> Self {
        match found {
            Found::Running(subscriber) => Self::Waiting {
                subscriber: Some(subscriber),
            },
            Found::Kept(call, kept) => Self::Replaying { call, kept },
        }
    }
}

impl<F, Q, B, E> Future for ResponseFuture<F, Q>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    Q: Body + Unpin,
    Q::Error: Into<BoxError>,
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

fn poll_deduplicated<F, Q, B, E>(
    mut state: Pin<&mut State<F, Q>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<IdempotencyBody<B>>, BoxError>>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    Q: Body + Unpin,
    Q::Error: Into<BoxError>,
{
    loop {
        let next = match state.as_mut().project() {
            StateProj::Plain { future } => {
                let response = ready!(future.poll(cx)).map_err(Into::into)?;
                return Poll::Ready(Ok(response.map(IdempotencyBody::plain)));
            }
            StateProj::Checking {
                body,
                hashing,
                found,
            } => {
                let shown = ready!(poll_shown(body, hashing, cx))?;
                match found.take().expect(POLLED_AGAIN) {
                    // ## Checking => Comparing
                    Found::Running(subscriber) => State::Comparing {
                        subscriber: Some(subscriber),
                        shown: Box::new(shown),
                    },
                    // ## Checking => Replaying
                    Found::Kept(_, kept) if !kept.fingerprint().fits(&shown) => {
                        event::refused("another payload");
                        return Poll::Ready(Err(KeyReused::refuse()));
                    }
                    found @ Found::Kept(..) => State::found(found),
                }
            }
            StateProj::Comparing { subscriber, shown } => {
                let waiting = subscriber.as_mut().expect(POLLED_AGAIN);
                if let Err(refusal) = ready!(waiting.poll_same(cx, shown)) {
                    event::refused("another payload");
                    *subscriber = None;
                    return Poll::Ready(Err(refusal));
                }
                event::joined(waiting.call());
                // ## Comparing => Waiting
                State::Waiting {
                    subscriber: subscriber.take(),
                }
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
            StateProj::Deciding { deciding } => match ready!(deciding.as_mut().poll(cx)) {
                Decided::Plain(future) => State::Plain { future },
                Decided::Found(found) => State::found(found),
                Decided::Refused(refusal) => return Poll::Ready(Err(refusal)),
            },
            StateProj::Refused { refusal } => {
                return Poll::Ready(Err(refusal.take().expect(POLLED_AGAIN)));
            }
        };
        state.set(next);
    }
}

/// Reads the body of a duplicate to its end. Nobody else will.
fn poll_shown<Q>(
    body: &mut Q,
    hashing: &mut Option<Box<Hashing>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Shown, BoxError>>
where
    Q: Body + Unpin,
    Q::Error: Into<BoxError>,
{
    while !body.is_end_stream() {
        match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let (Ok(mut data), Some(hashing)) = (frame.into_data(), hashing.as_mut()) {
                    while data.has_remaining() {
                        let chunk = data.chunk();
                        let len = chunk.len();
                        hashing.data(chunk);
                        data.advance(len);
                    }
                }
            }
            Some(Err(error)) => return Poll::Ready(Err(error.into())),
            None => break,
        }
    }
    Poll::Ready(Ok(hashing.take().expect(POLLED_AGAIN).show()))
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

impl<F, Q> fmt::Debug for ResponseFuture<F, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Plain { .. } => "plain",
            State::Checking { .. } => "checking",
            State::Comparing { .. } => "comparing",
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
