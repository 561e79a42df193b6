//! One timer, made when it is first needed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is made at its first use and moved in place from then on.
///
/// It rings once each time it is set. Eight bytes, `Unpin` and `Sync`, until it is set for the first time;
/// then it also has a box on the heap, which it keeps until it is dropped.
///
/// # Panics
/// [`set`](Self::set) does outside of a tokio runtime whose time is enabled, and
/// [`poll`](Self::poll) once that runtime has shut down.
///
/// # Cancel safety
/// Dropping it takes the timer out of the runtime.
///
/// # Examples
/// ```
/// use buttress_timer::Alarm;
/// use std::future::poll_fn;
/// use std::time::Duration;
/// use tokio::time::Instant;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let mut alarm = Alarm::new();
/// let due = Instant::now() + Duration::from_secs(15);
/// alarm.set(Some(due));
/// assert_eq!(poll_fn(|cx| alarm.poll(cx)).await, due);
/// assert_eq!(alarm.due(), None, "it has rung");
/// # }
/// ```
pub struct Alarm(Option<Pin<Box<Made>>>);

pin_project! {
    struct Made {
        #[pin]
        sleep: Sleep,
        // Who is sure to be woken; asked again by the same, the timer need not be told.
        waker: Option<Waker>,
        is_set: bool,
    }
}

impl Alarm {
    /// Not set; costs nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// To ring at that moment; `None`: not at all.
    ///
    /// It wakes whoever polls it next, and nobody before that.
    pub fn set(&mut self, due: Option<Instant>) {
        match (&mut self.0, due) {
            (Some(made), None) => *made.as_mut().project().is_set = false,
            (Some(made), Some(due)) => made.as_mut().set(due),
            (none, Some(due)) => *none = Some(Box::pin(Made::new(due))),
            (None, None) => {}
        }
    }

    /// When it will ring; `None` if it is not set, or has rung.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let made = self.0.as_ref().filter(|made| made.is_set)?;
        Some(made.sleep.deadline())
    }

    /// Rings, and says for when it was set. Once: it is not set any more.
    ///
    /// Where it is not set nobody will be woken. It may ring a millisecond late, which is the grain of
    /// tokio's timers, and not at all while nobody polls.
    #[inline]
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(made) = &mut self.0 else {
            return Poll::Pending;
        };
        if !made.is_set || made.will_wake(cx.waker()) {
            return Poll::Pending;
        }
        made.as_mut().poll(cx)
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("due", &self.due()).finish()
    }
}

// ===== impl Made =====

impl Made {
    fn new(due: Instant) -> Self {
        Self {
            sleep: sleep_until(due),
            waker: None,
            is_set: true,
        }
    }

    fn set(self: Pin<&mut Self>, due: Instant) {
        let mut this = self.project();
        if *this.is_set && this.sleep.deadline() == due {
            return;
        }
        *this.is_set = true;
        // The timer may have rung for that waker a moment ago, and would not do so again.
        *this.waker = None;
        this.sleep.as_mut().reset(due);
    }

    /// Whether it has not rung, and will wake this one when it does.
    #[inline]
    fn will_wake(&self, waker: &Waker) -> bool {
        let is_told = |told: &Waker| told.will_wake(waker);
        self.waker.as_ref().is_some_and(is_told) && !self.sleep.is_elapsed()
    }

    #[inline(never)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        let mut this = self.project();
        // A task that has used up its budget is turned away, and the timer is not told of it.
        *this.waker = has_budget_remaining().then(|| cx.waker().clone());
        ready!(this.sleep.as_mut().poll(cx));
        *this.is_set = false;
        Poll::Ready(this.sleep.deadline())
    }
}

#[cfg(test)]
mod tests;
