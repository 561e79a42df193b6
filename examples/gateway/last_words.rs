//! What came before an answer broke off still reaches the client.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// How long an error waits, so that what came before it is on the wire.
const FLUSH: Duration = Duration::from_millis(5);

/// A body whose error comes a moment after all else.
///
/// A server that sees a body fail lets go of whatever it has not written yet: the last text of a stream
/// and, if that was its first, the head with it.
#[derive(Debug)]
pub(crate) struct LastWords {
    inner: Body,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    due: Pin<Box<Sleep>>,
    /// Taken when it is told.
    error: Option<axum::Error>,
}

impl LastWords {
    pub(crate) const fn new(inner: Body) -> Self {
        Self {
            inner,
            failure: None,
        }
    }
}

impl http_body::Body for LastWords {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { inner, failure } = &mut *self;
        let failure = match failure {
            Some(failure) => failure,
            None => match ready!(Pin::new(inner).poll_frame(cx)) {
                Some(Err(error)) => failure.insert(Failure {
                    due: Box::pin(sleep(FLUSH)),
                    error: Some(error),
                }),
                frame => return Poll::Ready(frame),
            },
        };
        if failure.error.is_some() {
            ready!(failure.due.as_mut().poll(cx));
        }
        Poll::Ready(failure.error.take().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.failure.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
