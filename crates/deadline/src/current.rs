//! The deadline of the call that is being worked on, for everybody inside of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use buttress_core::Deadline;
use pin_project_lite::pin_project;

/// The deadline of the call that this code works on, if it runs inside of a
/// [`TimeoutBudgetLayer`](crate::TimeoutBudgetLayer).
///
/// That is the inner service's call, its future and its body, on whatever thread they are polled. A
/// spawned task is outside of it: see [`carry`].
#[must_use]
#[inline]
pub fn current() -> Option<Deadline> {
    Deadline::current()
}

/// The least of what a request says and of what is current.
///
/// Only what is current can be enforced by somebody who is still there: a request may be kept, or sent on in a
/// task that outlives the call it came with.
#[inline]
pub(crate) fn least(told: Option<Deadline>) -> Option<Deadline> {
    match (told, current()) {
        (Some(told), Some(current)) if told.instant() >= current.instant() => Some(current),
        (Some(told), _) => Some(Deadline::at(told.instant())),
        (None, current) => current,
    }
}

/// Takes the current deadline along to where it would be lost: into a task that is spawned.
///
/// Nobody ends that task at the deadline. The calls that it makes through layers of ours end with it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tokio::task::JoinError> {
/// use buttress_deadline::{carry, current};
///
/// # #[allow(clippy::disallowed_methods, reason = "an example of an application")]
/// let background = tokio::spawn(carry(async { current() }));
/// assert_eq!(background.await?, None, "there was none here");
/// # Ok(())
/// # }
/// ```
pub fn carry<F: Future>(future: F) -> Carry<F> {
    Carry {
        // Whoever enforces it out here does not reach in there.
        deadline: current().map(|deadline| Deadline::at(deadline.instant())),
        future,
    }
}

pin_project! {
    /// The future of [`carry`].
    pub struct Carry<F> {
        deadline: Option<Deadline>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Carry<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        within(*this.deadline, || this.future.poll(cx))
    }
}

impl<F> fmt::Debug for Carry<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carry")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Does something under this deadline. Under none, what is current stays so.
#[inline]
pub(crate) fn within<T>(deadline: Option<Deadline>, work: impl FnOnce() -> T) -> T {
    match deadline {
        None => work(),
        deadline => Deadline::scope(deadline, work),
    }
}
