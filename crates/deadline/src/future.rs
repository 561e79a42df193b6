//! The future that ends with its time.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_core::BoxError;
use http::{Method, Response, StatusCode};
use pin_project_lite::pin_project;

use crate::body::DeadlineBody;
use crate::term::Term;

pin_project! {
    /// The future of a [`TimeoutBudget`](crate::TimeoutBudget) or a [`BudgetShare`](crate::BudgetShare).
    ///
    /// # Cancel safety
    /// Dropping it drops the inner future, and the timer if there is one. At the deadline it drops the
    /// inner future itself, before it says so.
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling { #[pin] future: F, term: Term, connect: bool },
        // Not called at all, or at its end.
        Over { error: Option<BoxError> },
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) fn new(future: F, term: Term, connect: bool) -> Self {
        Self {
            state: State::Calling {
                future,
                term,
                connect,
            },
        }
    }

    #[cold]
    pub(crate) const fn refused(error: BoxError) -> Self {
        Self {
            state: State::Over { error: Some(error) },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<DeadlineBody<B>>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        match state.as_mut().project() {
            StateProj::Calling {
                future,
                term,
                connect,
            } => match term.within(|| future.poll(cx)) {
                Poll::Ready(Ok(response)) => {
                    let term = if is_tunnel(*connect, response.status()) {
                        Term::default()
                    } else {
                        mem::take(term)
                    };
                    Poll::Ready(Ok(response.map(|body| DeadlineBody::new(body, term))))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                Poll::Pending => {
                    let error = ready!(term.poll_over(cx));
                    state.set(State::Over { error: None }); // drops what is inside
                    Poll::Ready(Err(error))
                }
            },
            StateProj::Over { error } => Poll::Ready(Err(error.take().expect(POLLED_AGAIN))),
        }
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

/// Whether what follows is another protocol, which has no time of ours. Only the answer tells: a client
/// that asks for it, and does not get it, gets no more time by asking.
fn is_tunnel(connect: bool, status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || (connect && status.is_success())
}

/// What [`is_tunnel`] asks of the request.
#[inline]
pub(crate) fn is_connect(method: &Method) -> bool {
    *method == Method::CONNECT
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
