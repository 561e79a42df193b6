//! The time between two attempts.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// Waits out a delay, of which the beginning is used to read off the response that is not wanted.
    ///
    /// A zero delay arms no timer; of the response it reads only what is there already.
    pub(crate) struct Pause<D> {
        #[pin]
        discarding: Option<D>,
        #[pin]
        sleep: Option<Sleep>,
        start: Instant,
        delay: Duration,
    }
}

/// The longest that is spent on reading off a response: beyond it a new connection is cheaper.
const MAX_DISCARD: Duration = Duration::from_millis(100);

impl<D> Pause<D> {
    pub(crate) const fn new(start: Instant, delay: Duration, discarding: Option<D>) -> Self {
        Self {
            discarding,
            sleep: None,
            start,
            delay,
        }
    }
}

impl<D: Future<Output = ()>> Future for Pause<D> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(discarding) = this.discarding.as_mut().as_pin_mut() {
            let over = discarding.poll(cx).is_ready() || this.delay.is_zero() || {
                let limit = MAX_DISCARD.min(*this.delay);
                sleep_to(this.sleep.as_mut(), after(*this.start, limit), cx).is_ready()
            };
            if !over {
                return Poll::Pending;
            }
            // Dropped before the rest of the wait: what could not be read off gives its connection back.
            this.discarding.set(None);
        }
        if this.delay.is_zero() {
            return Poll::Ready(());
        }
        sleep_to(this.sleep.as_mut(), after(*this.start, *this.delay), cx)
    }
}

/// Sleeps until `end`, with the one timer that there is.
fn sleep_to(mut sleep: Pin<&mut Option<Sleep>>, end: Instant, cx: &mut Context<'_>) -> Poll<()> {
    match sleep.as_mut().as_pin_mut() {
        None => sleep.set(Some(sleep_until(end))),
        Some(sleep) if sleep.deadline() != end => sleep.reset(end),
        Some(_) => {}
    }
    ready!(
        sleep
            .as_pin_mut()
            .map_or(Poll::Ready(()), |sleep| sleep.poll(cx))
    );
    Poll::Ready(())
}

fn after(start: Instant, delay: Duration) -> Instant {
    start.checked_add(delay).unwrap_or_else(|| start + FAR_OFF)
}

/// Thirty years: far enough for everybody, near enough for every platform's clock.
const FAR_OFF: Duration = Duration::from_secs(86_400 * 365 * 30);
