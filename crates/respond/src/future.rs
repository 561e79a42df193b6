//! The future that answers in any case.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_core::{BoxError, Outcome};
use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::body::RespondBody;
use crate::layer::Settings;
use crate::manner::Manner;
use crate::protocol::Protocol;
use crate::render::{forbid_retry, render};

pin_project! {
    /// The future of a [`Respond`](crate::Respond) service.
    ///
    /// # Cancel safety
    /// Dropping it drops the inner future.
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling { #[pin] future: F, settings: Arc<Settings>, protocol: Protocol },
        // The inner service was not called.
        Answered { answer: Option<Box<Response<Bytes>>> },
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(crate) const fn new(future: F, settings: Arc<Settings>, protocol: Protocol) -> Self {
        Self {
            state: State::Calling {
                future,
                settings,
                protocol,
            },
        }
    }

    pub(crate) fn answered(answer: Response<Bytes>) -> Self {
        Self {
            state: State::Answered {
                answer: Some(Box::new(answer)),
            },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<RespondBody<B>>, Infallible>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.project().state.project() {
            StateProj::Calling {
                future,
                settings,
                protocol,
            } => match ready!(future.poll(cx)) {
                Ok(response) => pass(response, settings, *protocol),
                Err(error) => {
                    let problem = settings.problem(&*error.into());
                    render(&problem, *protocol).map(RespondBody::text)
                }
            },
            StateProj::Answered { answer } => {
                let answer = answer.take().expect(POLLED_AGAIN);
                answer.map(RespondBody::text)
            }
        }))
    }
}

const POLLED_AGAIN: &str = "a future is not polled again after it has given its result";

/// An answer of the inner service, which may still fail in its body.
#[inline]
fn pass<B: Body>(
    mut response: Response<B>,
    settings: &Arc<Settings>,
    protocol: Protocol,
) -> Response<RespondBody<B>> {
    if settings.after_retries {
        // Only a failure leaves one, be it under the status 200 of gRPC.
        let left = response.extensions().get::<Outcome>();
        if left.is_some_and(|outcome| outcome.kind.is_retryable()) {
            forbid_retry(response.headers_mut(), protocol);
        }
    }
    let manner = Manner::of(&response, settings, protocol);
    response.map(|body| RespondBody::passing(body, manner))
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
