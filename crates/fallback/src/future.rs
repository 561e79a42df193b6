//! The future that asks the tiers.
//!
//! ```text
//!              failed, and somebody suits          failed, and somebody suits
//!  Primary ──────────────────────────────► Asking ──────────────────────────────┐
//!     │                                     │  ▲                                │
//!     └─ anything else: done                │  └────────────────────────────────┘
//!                                           └─ anything else: done
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_core::{BoxError, Classify, Outcome};
use pin_project_lite::pin_project;

use crate::chain::{Chain, Step};
use crate::tier::Asking;
use crate::traffic::Traffic;

pin_project! {
    /// The future of a [`Fallback`](crate::Fallback) service.
    ///
    /// # Cancel safety
    /// Dropped at any point, it drops the call that is under way, the primary's or a tier's, and the result of
    /// the one before. What was kept of the request is freed.
    pub struct ResponseFuture<F, C, T>
    where
        T: Traffic,
    {
        // `None` if nobody but the primary is asked, and after the end.
        chain: Option<Chain<C, T>>,
        #[pin]
        state: State<F, T::Response>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R> {
        Primary { #[pin] future: F },
        // The primary could not even become ready.
        NotReady { error: Option<(BoxError, Outcome)> },
        Asking { asking: Asking<R> },
    }
}

impl<F, C, T: Traffic> ResponseFuture<F, C, T> {
    /// A call that nobody but the primary is asked for.
    #[inline]
    pub(crate) const fn alone(future: F) -> Self {
        Self {
            chain: None,
            state: State::Primary { future },
        }
    }

    #[inline]
    pub(crate) const fn new(future: F, chain: Chain<C, T>) -> Self {
        Self {
            chain: Some(chain),
            state: State::Primary { future },
        }
    }

    /// A call for which the primary could not become ready.
    #[cold]
    pub(crate) const fn not_ready(
        error: BoxError,
        outcome: Outcome,
        chain: Option<Chain<C, T>>,
    ) -> Self {
        let error = Some((error, outcome));
        Self {
            chain,
            state: State::NotReady { error },
        }
    }
}

impl<F, C, T, E> Future for ResponseFuture<F, C, T>
where
    F: Future<Output = Result<T::Received, E>>,
    C: Classify<T::Received, E>,
    T: Traffic,
    E: Into<BoxError>,
{
    type Output = Result<T::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let step = match this.state.as_mut().project() {
                StateProj::Primary { future } => {
                    let result = ready!(future.poll(cx));
                    let Some(chain) = this.chain else {
                        return Poll::Ready(result.map(T::hand_on).map_err(Into::into));
                    };
                    let classify = &chain.settings().classify;
                    let verdict = classify.classify(result.as_ref());
                    match result {
                        Ok(response) if verdict.is_success() => {
                            let response = chain.primary_served(response);
                            *this.chain = None; // what was kept of the request is freed
                            return Poll::Ready(Ok(response));
                        }
                        result => chain.primary_failed(result, verdict.at_head()),
                    }
                }
                StateProj::NotReady { error } => {
                    let (error, outcome) = error.take().expect(POLLED_AGAIN);
                    match this.chain {
                        Some(chain) => chain.start(Err(error), outcome),
                        None => return Poll::Ready(Err(error)),
                    }
                }
                StateProj::Asking { asking } => {
                    let answer = ready!(asking.as_mut().poll(cx));
                    this.chain.as_mut().expect(POLLED_AGAIN).heard(answer)
                }
            };
            match step {
                // ## Primary, NotReady, Asking => Asking
                Step::Ask(asking) => this.state.set(State::Asking { asking }),
                Step::Done(result) => {
                    *this.chain = None;
                    return Poll::Ready(result);
                }
            }
        }
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

impl<F, C, T: Traffic> fmt::Debug for ResponseFuture<F, C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match &self.state {
            State::Primary { .. } => "primary",
            State::NotReady { .. } => "not ready",
            State::Asking { .. } => "tier",
        };
        f.debug_struct("ResponseFuture")
            .field("at", &at)
            .finish_non_exhaustive()
    }
}
