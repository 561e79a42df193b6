//! The time between two attempts.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
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
        // Boxed, since hardly any call comes to wait, and every future would have to hold its room.
        timer: Option<Pin<Box<Timer>>>,
    }
}

pin_project! {
    /// The one timer of a delay.
    struct Timer {
        #[pin]
        sleep: Sleep,
        end: Instant,
    }
}

/// The longest that is spent on reading off a response: beyond it a new connection is cheaper.
const MAX_DISCARD: Duration = Duration::from_millis(100);

impl<D> Pause<D> {
    /// `None` if there is nothing to wait for and nothing to read off.
    pub(crate) fn new(delay: Duration, discarding: Option<D>) -> Option<Self> {
        let timer = (!delay.is_zero()).then(|| {
            let start = Instant::now();
            let end = after(start, delay);
            let first = match discarding {
                Some(_) => after(start, delay.min(MAX_DISCARD)),
                None => end,
            };
            Box::pin(Timer {
                sleep: sleep_until(first),
                end,
            })
        });
        (timer.is_some() || discarding.is_some()).then_some(Self { discarding, timer })
    }
}

impl<D: Future<Output = ()>> Future for Pause<D> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(discarding) = this.discarding.as_mut().as_pin_mut() {
            let read = discarding.poll(cx).is_ready();
            if let Some(timer) = this.timer {
                let mut timer = timer.as_mut().project();
                if !read && timer.sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                timer.sleep.reset(*timer.end);
            }
            // Dropped before the rest of the wait: what could not be read off gives its connection back.
            this.discarding.set(None);
        }
        match this.timer {
            Some(timer) => timer.as_mut().project().sleep.poll(cx),
            None => Poll::Ready(()),
        }
    }
}

fn after(start: Instant, delay: Duration) -> Instant {
    start.checked_add(delay).unwrap_or_else(|| start + FAR_OFF)
}

/// Thirty years: far enough for everybody, near enough for every platform's clock.
const FAR_OFF: Duration = Duration::from_secs(86_400 * 365 * 30);
