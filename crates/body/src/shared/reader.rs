//! Those who read a shared body.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_core::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::error::{FellBehind, SharedError};
use super::run::Run;
use super::tape::{Ending, Read};

/// One reader of a [`Shared`](super::Shared) body.
pub struct SharedBody<B> {
    run: Arc<Run<B>>,
    seat: usize,
    reader: usize,
    /// Payload that it has been given.
    bytes: u64,
    is_over: bool,
}

/// Reads a [`Shared`](super::Shared) body to its end, for nobody in particular.
///
/// It holds nothing back, so that it can stand in for readers who have left.
#[must_use = "futures do nothing unless polled"]
pub struct Finish<B> {
    run: Arc<Run<B>>,
    seat: usize,
}

// ===== impl SharedBody =====

impl<B> SharedBody<B> {
    pub(super) fn join(run: &Arc<Run<B>>) -> Option<Self> {
        let reader = run.tape().join()?;
        Some(Self {
            seat: run.bell.take_seat(),
            run: Arc::clone(run),
            reader,
            bytes: 0,
            is_over: false,
        })
    }
}

impl<B> SharedBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// Drives the body without reading it, until `done` finds what it looks for. `None` if the body has ended
    /// before that.
    ///
    /// `done` is asked again whenever the body has moved on, and must not block.
    pub fn poll_until<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut done: impl FnMut() -> Option<T>,
    ) -> Poll<Option<T>> {
        let mut waits = false;
        for _ in 0..AT_ONCE {
            if let Some(found) = done() {
                return Poll::Ready(Some(found));
            }
            if self.run.tape().ending().is_some() {
                return Poll::Ready(done()); // it may have come at the very end
            }
            if !waits {
                // As when it is read: to be heard of later first, and then another look.
                self.run.bell.wait(self.seat, cx.waker());
                waits = true;
            } else if !self.run.drive(self.seat) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<B> Body for SharedBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let mut waits = false;
        for _ in 0..AT_ONCE {
            match self.run.read(self.reader) {
                Read::Chunk(chunk) => {
                    self.bytes += chunk.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(chunk))));
                }
                Read::Trailers(trailers) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Read::End(Ending::Complete) => {
                    self.is_over = true;
                    return Poll::Ready(None);
                }
                Read::End(Ending::Failed(error)) => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(SharedError::new(error).into())));
                }
                Read::FellBehind => {
                    self.is_over = true;
                    let error = FellBehind::new(self.run.max_bytes).refuse();
                    return Poll::Ready(Some(Err(error)));
                }
                // To be heard of later: what comes from here on wakes this task. What has come before
                // is read in the next turn.
                Read::Nothing if !waits => {
                    self.run.bell.wait(self.seat, cx.waker());
                    waits = true;
                }
                Read::Nothing => {
                    if !self.run.drive(self.seat) {
                        return Poll::Pending;
                    }
                }
            }
        }
        // It goes on with what is of no use, such as empty frames: others want to do something, too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.run.tape().is_read(self.reader)
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() {
            return SizeHint::with_exact(0);
        }
        let mut left = SizeHint::new();
        left.set_lower(self.run.size.lower().saturating_sub(self.bytes));
        if let Some(upper) = self.run.size.upper() {
            left.set_upper(upper.saturating_sub(self.bytes));
        }
        left
    }
}

impl<B> Drop for SharedBody<B> {
    fn drop(&mut self) {
        self.run.bell.leave_seat(self.seat);
        if self.run.tape().leave(self.reader) {
            self.run.bell.ring(None); // there is room
        }
    }
}

impl<B> fmt::Debug for SharedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.run.describe("SharedBody", f)
    }
}

// ===== impl Finish =====

impl<B> Finish<B> {
    pub(super) fn new(run: &Arc<Run<B>>) -> Self {
        Self {
            seat: run.bell.take_seat(),
            run: Arc::clone(run),
        }
    }
}

impl<B> Future for Finish<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.run.bell.wait(self.seat, cx.waker());
        for _ in 0..AT_ONCE {
            if self.run.tape().ending().is_some() {
                return Poll::Ready(());
            }
            if !self.run.drive(self.seat) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<B> Drop for Finish<B> {
    fn drop(&mut self) {
        self.run.bell.leave_seat(self.seat);
    }
}

impl<B> fmt::Debug for Finish<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.run.describe("Finish", f)
    }
}

/// How often a source that is always ready is asked before others in the same task have their turn.
const AT_ONCE: usize = 32;
