//! The time between two attempts.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

/// A wait, or none. Boxed, since hardly any call comes to wait, and every future would have to hold its room.
pub(crate) struct Pause<D> {
    waiting: Option<Pin<Box<Waiting<D>>>>,
}

pin_project! {
    /// Waits out a delay, of which the beginning is used to read off the response that is not wanted.
    struct Waiting<D> {
        #[pin]
        discarding: Option<D>,
        #[pin]
        sleep: Sleep,
        end: Instant,
    }
}

/// The longest that is spent on reading off a response: beyond it a new connection is cheaper.
const MAX_DISCARD: Duration = Duration::from_millis(100);

impl<D> Pause<D> {
    pub(crate) const NONE: Self = Self { waiting: None };
}

impl<D: Future<Output = ()>> Pause<D> {
    /// If the delay is zero, no timer is armed, and of the response only that is read which is there already.
    #[inline]
    pub(crate) fn start(delay: Duration, discarding: Option<D>, cx: &mut Context<'_>) -> Self {
        if !delay.is_zero() {
            let waiting = Some(Waiting::start(delay, discarding));
            return Self { waiting };
        }
        if let Some(discarding) = discarding {
            let _is_read = pin!(discarding).poll(cx);
        }
        Self { waiting: None }
    }

    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        Poll::Ready(())
    }
}

impl<D> Drop for Pause<D> {
    #[inline]
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            drop_waiting(waiting);
        }
    }
}

/// Apart from the rest, so that the way of those who never wait stays short.
#[cold]
fn drop_waiting<D>(waiting: Pin<Box<Waiting<D>>>) {
    drop(waiting);
}

impl<D> Waiting<D> {
    #[inline(never)]
    fn start(delay: Duration, discarding: Option<D>) -> Pin<Box<Self>> {
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

impl<D: Future<Output = ()>> Future for Waiting<D> {
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
