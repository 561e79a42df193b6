//! A body that is read as it passes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use buttress_core::{Outcome, Report, Sign};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::frame::into_bytes;

/// Reads a body as it passes, and knows when its outcome is settled.
///
/// Pure: bytes in, signs out. Not asked again once it has settled.
pub trait Observe {
    /// What a piece of data says. Pieces may be cut anywhere.
    fn data(&mut self, data: &[u8]) -> Sign;

    /// What the trailers say; nothing follows them.
    fn trailers(&mut self, trailers: &HeaderMap) -> Outcome;

    /// The body has ended without trailers.
    fn end(&mut self) -> Outcome;

    /// The body has failed.
    fn failed<E: 'static>(&mut self, error: &E) -> Outcome;
}

pin_project! {
    /// A body whose outcome an observer `O` finds and a report `R` hears.
    ///
    /// The outcome falls at the first of: what settles the observer, trailers, an error, the end, or a
    /// data frame after which the inner body says that it has ended (hyper polls no further). After that
    /// frames pass unobserved. Everything is forwarded as it is: data, trailers, the end and the size.
    ///
    /// # Cancel safety
    /// Dropped before the outcome is settled it drops the report unreported: the caller went away.
    pub struct WatchedBody<B, O, R> {
        #[pin]
        inner: B,
        // `None` once the outcome has been reported.
        watch: Option<Watch<O, R>>,
    }
}

struct Watch<O, R> {
    observer: O,
    report: R,
}

impl<B: Body, O: Observe, R: Report> WatchedBody<B, O, R> {
    /// Watches over `inner`. A body that is empty from the start has its outcome at once.
    #[must_use]
    pub fn new(inner: B, observer: O, report: R) -> Self {
        let mut watch = Some(Watch { observer, report });
        if inner.is_end_stream() {
            settle(&mut watch, O::end);
        }
        Self { inner, watch }
    }

    /// Passes everything through unobserved.
    #[must_use]
    pub const fn unobserved(inner: B) -> Self {
        Self { inner, watch: None }
    }
}

impl<B, O, R> Body for WatchedBody<B, O, R>
where
    B: Body,
    B::Error: 'static,
    O: Observe,
    R: Report,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Poll::Ready(frame) = this.inner.as_mut().poll_frame(cx) else {
            if let Some(watch) = this.watch {
                watch.report.waiting();
            }
            return Poll::Pending;
        };
        let frame = frame.map(|frame| frame.map(into_bytes));
        if let Some(watch) = this.watch {
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        match watch.observer.data(data) {
                            Sign::Nothing => {}
                            Sign::Content => watch.report.first_content(),
                            Sign::Settled(outcome) => settle(this.watch, |_| outcome),
                        }
                        if this.inner.is_end_stream() {
                            settle(this.watch, O::end);
                        }
                    } else if let Some(trailers) = frame.trailers_ref() {
                        settle(this.watch, |observer| observer.trailers(trailers));
                    }
                }
                Some(Err(error)) => settle(this.watch, |observer| observer.failed(error)),
                None => settle(this.watch, O::end),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug, O, R> fmt::Debug for WatchedBody<B, O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedBody")
            .field("inner", &self.inner)
            .field("settled", &self.watch.is_none())
            .finish_non_exhaustive()
    }
}

/// Reports the outcome, unless that has been done.
fn settle<O, R: Report>(watch: &mut Option<Watch<O, R>>, outcome: impl FnOnce(&mut O) -> Outcome) {
    if let Some(Watch {
        mut observer,
        report,
    }) = watch.take()
    {
        report.report(outcome(&mut observer));
    }
}
