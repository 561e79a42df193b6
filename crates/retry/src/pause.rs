//! The time between two attempts.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// Waits out a delay, of which the beginning is used to read off the response that is not wanted.
    pub(crate) struct Pause<D> {
        #[pin]
        discarding: Option<D>,
        #[pin]
        sleep: Sleep,
        end: Instant,
    }
}

/// The longest that is spent on reading off a response: beyond it a new connection is cheaper.
const MAX_DISCARD: Duration = Duration::from_millis(100);

impl<D: Future<Output = ()>> Pause<D> {
    /// `None` if the delay is zero: no timer is armed, and of the response only that is read which is
    /// there already.
    ///
    /// Boxed, since hardly any call comes to wait, and every future would have to hold its room.
    #[inline]
    pub(crate) fn start(
        delay: Duration,
        discarding: Option<D>,
        cx: &mut Context<'_>,
    ) -> Option<Pin<Box<Self>>> {
        if !delay.is_zero() {
            return Some(Self::boxed(delay, discarding));
        }
        if let Some(discarding) = discarding {
            let _is_read = pin!(discarding).poll(cx);
        }
        None
    }

    #[inline(never)]
    fn boxed(delay: Duration, discarding: Option<D>) -> Pin<Box<Self>> {
        let start = Instant::now();
        let end = after(start, delay);
        let first = match discarding {
            Some(_) => after(start, delay.min(MAX_DISCARD)),
            None => end,
        };
        Box::pin(Self {
            discarding,
            sleep: sleep_until(first),
            end,
        })
    }
}

impl<D: Future<Output = ()>> Future for Pause<D> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(discarding) = this.discarding.as_mut().as_pin_mut() {
            let read = discarding.poll(cx).is_ready();
            if !read && this.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.sleep.as_mut().reset(*this.end);
            // Dropped before the rest of the wait: what could not be read off gives its connection back.
            this.discarding.set(None);
        }
        this.sleep.poll(cx)
    }
}

fn after(start: Instant, delay: Duration) -> Instant {
    start.checked_add(delay).unwrap_or_else(|| start + FAR_OFF)
}

/// Thirty years: far enough for everybody, near enough for every platform's clock.
const FAR_OFF: Duration = Duration::from_secs(86_400 * 365 * 30);
