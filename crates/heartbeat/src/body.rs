//! The body that puts heartbeats in.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_timer::Alarm;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::event;
use crate::frame::into_bytes;
use crate::injector::{Form, Injector};
use crate::pulse::Pulse;

pin_project! {
    /// A stream of events with a comment put in whenever nothing has been sent for a while.
    ///
    /// What the inner body has comes first, always. While it is pending, and once nothing has been sent for the
    /// interval, the comment goes out: where that is safe, else as soon as a frame has passed that makes it
    /// safe. There is never more than one, however long nobody has asked. Data, trailers, an error and the
    /// end pass as they are, and nothing comes behind any of the last three.
    ///
    /// The interval counts from the last byte that was sent, a heartbeat's included, and first from the moment
    /// when somebody waits. A heartbeat is at most a quarter of it late, and never early.
    ///
    /// The size is not known any more, but for its lower bound: a server that is told a size cuts the body
    /// there. So the head that goes with it must not tell a length or a digest;
    /// [`HeartbeatSse`](crate::HeartbeatSse) sees to that, and to the question whether the body is a stream of
    /// events at all.
    ///
    /// It yields [`Bytes`]: without a copy where the inner body does. It is `Unpin` and `Sync` where the inner
    /// body is.
    ///
    /// # Panics
    /// When polled outside of a tokio runtime whose time is enabled.
    ///
    /// # Cancel safety
    /// Dropping it drops the inner body, which cancels the upstream's work on it.
    ///
    /// # Examples
    /// ```
    /// use buttress_heartbeat::HeartbeatBody;
    /// use bytes::Bytes;
    /// use http_body_util::{BodyExt, Channel};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (mut upstream, body) = Channel::<Bytes>::new(1);
    /// upstream.send_data("data: a\n\n".into()).await?;
    ///
    /// let mut body = HeartbeatBody::new(body, Duration::from_secs(15));
    /// for expected in ["data: a\n\n", ": keepalive\n\n", ": keepalive\n\n"] {
    ///     let frame = body.frame().await.ok_or("the body has ended")??;
    ///     assert_eq!(frame.data_ref().ok_or("no data")?, expected);
    /// }
    /// # drop(upstream);
    /// # Ok(())
    /// # }
    /// ```
    pub struct HeartbeatBody<B> {
        #[pin]
        inner: B,
        mode: Mode,
    }
}

#[derive(Debug)]
enum Mode {
    /// Nothing is put in.
    Off,
    On(Beating),
    /// There is nothing more to come.
    Over,
}

#[derive(Debug)]
struct Beating {
    injector: Injector,
    pulse: Pulse,
}

impl<B> HeartbeatBody<B> {
    /// Puts heartbeats into `inner`, which must be a stream of events from its first byte, uncompressed.
    ///
    /// An interval below a millisecond is one of a millisecond.
    #[must_use]
    pub fn new(inner: B, interval: Duration) -> Self {
        Self::beating(inner, Form::Auto, Pulse::new(interval.max(MIN_INTERVAL)))
    }

    /// How heartbeats are written. Default: [`Form::Auto`]. Not for a body that has been polled.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        if let Mode::On(beating) = &mut self.mode {
            beating.injector = Injector::new(form);
        }
        self
    }

    /// Passes everything through, sizes included. It costs a branch per frame.
    #[must_use]
    pub const fn off(inner: B) -> Self {
        Self {
            inner,
            mode: Mode::Off,
        }
    }

    /// Begins with a heartbeat if the inner body has nothing to begin with.
    pub(crate) fn begun(inner: B, interval: Duration, form: Form, alarm: Alarm) -> Self {
        let pulse = Pulse::due(interval.max(MIN_INTERVAL), alarm);
        Self::beating(inner, form, pulse)
    }

    const fn beating(inner: B, form: Form, pulse: Pulse) -> Self {
        let injector = Injector::new(form);
        Self {
            inner,
            mode: Mode::On(Beating { injector, pulse }),
        }
    }
}

impl<B: Body> Body for HeartbeatBody<B>
where
    B::Data: 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    // A call of its own would cost more than what it does for most frames.
    #[inline(always)]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.as_mut().project();
        if let Mode::Over = this.mode {
            return Poll::Ready(None);
        }
        // Data alone are looked at here: whatever else comes is moved no more than once.
        let mut data = match this.inner.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => match frame.into_data() {
                Ok(data) => into_bytes(data),
                Err(frame) => return this.mode.other(Some(Ok(frame))),
            },
            Poll::Ready(other) => return this.mode.other(other),
            Poll::Pending => return this.mode.wait(cx),
        };
        if let Mode::On(beating) = this.mode {
            if !data.is_empty() {
                beating.follow(&mut data);
                if data.is_empty() {
                    return self.poll_again(cx);
                }
            }
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.mode, Mode::Over) || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.inner.size_hint();
        match &self.mode {
            Mode::Off => hint,
            Mode::Over => SizeHint::with_exact(0),
            Mode::On(beating) => {
                let mut at_least = SizeHint::new();
                let may_remove = beating.injector.may_remove();
                at_least.set_lower(hint.lower().saturating_sub(may_remove));
                at_least
            }
        }
    }
}

impl<B: Body> HeartbeatBody<B>
where
    B::Data: 'static,
{
    /// Nothing was left of a frame, which happens three times at most.
    #[cold]
    fn poll_again(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.poll_frame(cx)
    }
}

impl Mode {
    /// Passes on what is no data: trailers, an error or the end, behind which nothing comes, or what is not
    /// known here.
    #[cold]
    fn other<D, E>(
        &mut self,
        other: Option<Result<Frame<D>, E>>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>>
    where
        D: Buf + 'static,
    {
        let goes_on = matches!(&other, Some(Ok(frame)) if !frame.is_trailers());
        if let (Self::On(_), false) = (&self, goes_on) {
            *self = Self::Over;
        }
        Poll::Ready(other.map(|other| Ok(other?.map_data(into_bytes))))
    }

    /// The inner body has nothing.
    #[inline]
    fn wait<E>(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        if let Self::On(beating) = self {
            if beating.pulse.is_due(cx) {
                return beating.send();
            }
        }
        Poll::Pending
    }
}

impl Beating {
    /// Follows bytes that pass, and may keep back some: those of a byte order mark.
    #[inline]
    fn follow(&mut self, data: &mut Bytes) {
        self.injector.follow(data);
        self.pulse.touch();
    }

    /// A heartbeat is due: it goes out if that is safe.
    #[cold]
    fn send<E>(&mut self) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        match self.injector.comment() {
            Some(comment) => {
                self.pulse.sent();
                event::sent();
                Poll::Ready(Some(Ok(Frame::data(comment))))
            }
            None => Poll::Pending,
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for HeartbeatBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeartbeatBody")
            .field("inner", &self.inner)
            .field("mode", &self.mode)
            .finish()
    }
}

/// A timer is no finer, and a stream of nothing but heartbeats helps nobody.
const MIN_INTERVAL: Duration = Duration::from_millis(1);
