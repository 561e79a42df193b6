//! A body with one limit, for those who need no layer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_core::BoxError;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::body::StreamTimeoutBody;
use crate::limits::Limits;
use crate::stopwatch::Stopwatch;

pin_project! {
    /// Ends a body that gives no data for too long.
    ///
    /// The silence is that in which somebody waits: it begins with the first wait, any non-empty data
    /// frame breaks it, and the pauses of the reader do not count. An empty data frame is no data. Data
    /// that has arrived comes before the timer, and an elapsed limit is an error, never an end.
    ///
    /// # Errors
    /// Those of the inner body, as they are; and a [`Failure`](buttress_core::Failure) around
    /// [`IdleElapsed`](crate::IdleElapsed), once, at least `limit` after the last data and at most a
    /// quarter of it later (and the millisecond that is the grain of tokio's timers). The inner body is
    /// dropped before the error is handed out; after it comes `None` for ever.
    ///
    /// # Panics
    /// Where it waits outside of a tokio runtime whose time is enabled.
    ///
    /// # Cancel safety
    /// Dropped, it drops the inner body and the timer.
    ///
    /// # Examples
    /// ```
    /// use buttress_core::find;
    /// use buttress_timeout::{IdleElapsed, IdleTimeoutBody};
    /// use http_body_util::BodyExt;
    /// use std::time::Duration;
    /// # use buttress_testkit::body::{ScriptedBody, Step};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let stalled = ScriptedBody::new([Step::data("data: Hel"), Step::Stall]);
    /// let mut body = IdleTimeoutBody::new(stalled, Duration::from_secs(90));
    /// assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
    ///
    /// let error = body.frame().await.and_then(Result::err).ok_or("it does not go on")?;
    /// assert!(find::<IdleElapsed>(&*error).is_some());
    /// assert!(body.frame().await.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct IdleTimeoutBody<B> {
        #[pin]
        inner: StreamTimeoutBody<B>,
    }
}

impl<B> IdleTimeoutBody<B> {
    /// Data may be this long in coming. Zero: it must be there when it is asked for.
    #[must_use]
    pub fn new(inner: B, limit: Duration) -> Self {
        let limits = Limits {
            idle: limit,
            ..Limits::NONE
        };
        let stopwatch = Stopwatch::new(&limits, None).of_body(None);
        Self {
            inner: StreamTimeoutBody::new(inner, stopwatch),
        }
    }

    /// The inner body; `None` once it has ended.
    #[must_use]
    pub const fn get_ref(&self) -> Option<&B> {
        self.inner.get_ref()
    }
}

impl<B> Body for IdleTimeoutBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
