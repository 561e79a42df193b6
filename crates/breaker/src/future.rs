//! The future of a call that was let through, or refused.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use buttress_core::{BoxError, Classify, Report, Verdict, Watch};
use pin_project_lite::pin_project;

use crate::permit::Permit;

pin_project! {
    /// The future of a [`CircuitBreaker`](crate::CircuitBreaker) service.
    ///
    /// # Cancel safety
    /// Dropped before its end it gives its place back, a probe's included. The circuit takes that for a
    /// failure if the call has waited for longer than
    /// [`abandon_after`](crate::Policy::abandon_after), and otherwise for nothing. Dropped after its end
    /// it changes nothing: the response carries what is still to be reported.
    pub struct ResponseFuture<F, C> {
        #[pin]
        state: State<F, C>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, C> {
        Calling {
            #[pin]
            future: F,
            // Settled, or with the response, once the call has ended.
            permit: Permit,
            classify: C,
        },
        // `None` once it has been said.
        Refused { refusal: Option<BoxError> },
    }
}

impl<F, C> ResponseFuture<F, C> {
    #[inline]
    pub(crate) const fn new(future: F, permit: Permit, classify: C) -> Self {
        Self {
            state: State::Calling {
                future,
                permit,
                classify,
            },
        }
    }

    #[inline]
    pub(crate) const fn refused(refusal: BoxError) -> Self {
        Self {
            state: State::Refused {
                refusal: Some(refusal),
            },
        }
    }
}

impl<F, C, T, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
    E: Into<BoxError>,
{
    type Output = Result<<C::Watch as Watch<T>>::Watched<Permit>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Calling {
                future,
                permit,
                classify,
            } => match future.poll(cx) {
                // Taken apart here, and not by who is told of either: a response is large to hand about.
                Poll::Ready(Ok(response)) => {
                    Poll::Ready(Ok(settle(response, permit.take(), classify)))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(fail(error, permit.take(), classify))),
                Poll::Pending => {
                    permit.waiting();
                    Poll::Pending
                }
            },
            StateProj::Refused { refusal } => Poll::Ready(Err(refusal.take().expect(POLLED_AGAIN))),
        }
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

/// Tells the circuit what has become of the call, now or when its body has passed. If the classifier
/// panics, the permit is dropped.
#[inline]
fn settle<T, E, C>(
    mut response: T,
    mut permit: Permit,
    classify: &C,
) -> <C::Watch as Watch<T>>::Watched<Permit>
where
    C: Classify<T, E>,
{
    let outcome = match classify.classify(Ok(&response)) {
        Verdict::Watch(watch) if !permit.is_decided_at_head() => {
            permit.answered();
            return watch.attach(response, permit);
        }
        verdict => verdict.at_head(),
    };
    if outcome.is_success() {
        permit.succeed();
    } else {
        permit.report(outcome);
        classify.leave(&mut response, outcome);
    }
    C::Watch::pass(response)
}

/// As [`settle`], where there is no response.
#[inline(never)] // what is worth inlining is to succeed
fn fail<T, E, C>(error: E, permit: Permit, classify: &C) -> BoxError
where
    C: Classify<T, E>,
    E: Into<BoxError>,
{
    permit.report(classify.classify(Err(&error)).at_head());
    error.into()
}

impl<F, C> fmt::Debug for ResponseFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Calling { permit, .. } if !permit.is_settled() => "calling",
            State::Refused { refusal: Some(_) } => "refused",
            State::Calling { .. } | State::Refused { .. } => "over",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
