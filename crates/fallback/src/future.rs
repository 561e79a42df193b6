//! The future that asks the tiers.
//!
//! ```text
//!              failed, and somebody suits           failed, and somebody suits
//!  Primary ──────────────────────────────► Asking ──────────────────────────────┐
//!     │                                     │  ▲                                │
//!     │                                     │  └────────────────────────────────┘
//!     └─ anything else: done                └─ anything else: Done
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_core::{BoxError, Classify, Outcome};
use pin_project_lite::pin_project;

use crate::chain::{Chain, Course, Step};
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
        #[pin]
        state: State<F, C, T>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, C, T>
    where
        T: Traffic,
    {
        Primary {
            #[pin]
            future: F,
            // `None` if nobody but the primary is asked.
            chain: Option<Chain<C, T>>,
        },
        // In one box: most calls never come here, and all are moved the more often the larger they are.
        Further { further: Box<Further<C, T>> },
    }
}

/// What comes after the primary.
enum Further<C, T: Traffic> {
    Asking {
        chain: Chain<C, T>,
        // Taken between two tiers.
        course: Option<Box<Course<T::Response>>>,
        asking: Asking<T::Response>,
    },
    Done(Option<Result<T::Response, BoxError>>),
}

// ===== impl ResponseFuture =====

impl<F, C, T: Traffic> ResponseFuture<F, C, T> {
    #[inline]
    pub(crate) const fn new(future: F, chain: Option<Chain<C, T>>) -> Self {
        Self {
            state: State::Primary { future, chain },
        }
    }

    /// A call for which the primary could not become ready.
    #[cold]
    pub(crate) fn not_ready(error: BoxError, outcome: Outcome, chain: Option<Chain<C, T>>) -> Self {
        let further = match chain {
            Some(chain) => match chain.start(Err(error), outcome) {
                Step::Ask(course, asking) => Further::asking(chain, course, asking),
                Step::Done(result) => Further::Done(Some(result)),
            },
            None => Further::Done(Some(Err(error))),
        };
        Self {
            state: State::Further {
                further: Box::new(further),
            },
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
        let mut state = self.project().state;
        if let StateProj::Primary { future, chain } = state.as_mut().project() {
            let result = ready!(future.poll(cx));
            // What was kept of the request is freed when nobody else can be asked any more.
            let Some(chain) = chain.take() else {
                return Poll::Ready(result.map(T::hand_on).map_err(Into::into));
            };
            let classify = &chain.settings().classify;
            let verdict = classify.classify(result.as_ref());
            let failed = match result {
                Ok(response) if verdict.is_success() => {
                    return Poll::Ready(Ok(chain.primary_served(response)));
                }
                failed => failed,
            };
            match chain.primary_failed(failed, verdict.at_head()) {
                Step::Done(result) => return Poll::Ready(result),
                // ## Primary => Asking
                Step::Ask(course, asking) => {
                    let further = Box::new(Further::asking(chain, course, asking));
                    state.set(State::Further { further });
                }
            }
        }
        match state.project() {
            StateProj::Further { further } => further.poll(cx),
            StateProj::Primary { .. } => unreachable!("the primary is done"),
        }
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

// ===== impl Further =====

impl<C, T: Traffic> Further<C, T> {
    fn asking(
        chain: Chain<C, T>,
        course: Box<Course<T::Response>>,
        asking: Asking<T::Response>,
    ) -> Self {
        Self::Asking {
            chain,
            course: Some(course),
            asking,
        }
    }

    /// Asks one after the other. Apart from the rest, so that the way of those who succeed at once stays short.
    #[inline(never)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T::Response, BoxError>> {
        while let Self::Asking {
            chain,
            course,
            asking,
        } = self
        {
            let answer = ready!(asking.as_mut().poll(cx));
            let before = course.take().expect(POLLED_AGAIN);
            match chain.heard(before, answer) {
                Step::Ask(next, other) => (*course, *asking) = (Some(next), other),
                // ## Asking => Done
                Step::Done(result) => *self = Self::Done(Some(result)),
            }
        }
        match self {
            Self::Done(result) => Poll::Ready(result.take().expect(POLLED_AGAIN)),
            Self::Asking { .. } => unreachable!("nobody is asked any more"),
        }
    }
}

impl<F, C, T: Traffic> fmt::Debug for ResponseFuture<F, C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match &self.state {
            State::Primary { .. } => "primary",
            State::Further { .. } => "tier",
        };
        f.debug_struct("ResponseFuture")
            .field("at", &at)
            .finish_non_exhaustive()
    }
}
