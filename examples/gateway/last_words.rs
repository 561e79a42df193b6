//! What came before an answer broke off still reaches the client.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::access::Course;

/// How long an error waits, so that what came before it is on the wire.
const FLUSH: Duration = Duration::from_millis(5);

/// A body whose error comes a moment after all else.
///
/// A server that sees a body fail lets go of whatever it has not written yet: the last text of a stream
/// and, if that was its first, the head with it. So the event that tells of an error may end a body as if all
/// were well; here what has broken off still breaks off, behind it.
#[derive(Debug)]
pub(crate) struct LastWords {
    inner: Body,
    course: Course,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    due: Pin<Box<Sleep>>,
    /// Taken when it is told.
    error: Option<axum::Error>,
}

impl LastWords {
    pub(crate) const fn new(inner: Body, course: Course) -> Self {
        Self {
            inner,
            course,
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
        let Self {
            inner,
            course,
            failure,
        } = &mut *self;
        let failure = match failure {
            Some(failure) => failure,
            None => match (ready!(Pin::new(inner).poll_frame(cx)), course.why_cut()) {
                (Some(Err(error)), _) => failure.insert(Failure::new(error)),
                (None, Some(why)) => {
                    let error = io::Error::other(why.to_owned());
                    failure.insert(Failure::new(axum::Error::new(error)))
                }
                (frame, _) => return Poll::Ready(frame),
            },
        };
        if failure.error.is_some() {
            ready!(failure.due.as_mut().poll(cx));
        }
        Poll::Ready(failure.error.take().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.course.why_cut().is_none() && self.failure.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Failure {
    fn new(error: axum::Error) -> Self {
        Self {
            due: Box::pin(sleep(FLUSH)),
            error: Some(error),
        }
    }
}
